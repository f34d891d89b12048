"""The line of an entry: every byte of a response comes back from it, and damage shows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.transforms.ledger.samples import (
    answer,
    ask,
    name,
)
from transforms.ledger.entries import (
    PIECE_BYTES,
    decode_response,
    encode_response,
    is_intact,
    make_line,
    read_line,
)

# As header values are read that are no UTF-8: with lone surrogates.
escaped = st.binary().map(lambda value: value.decode("utf-8", "surrogateescape"))


@given(body=st.binary() | st.text().map(str.encode), detail=st.text() | escaped)
def test_every_byte_of_a_response_comes_back_from_its_line(body: bytes, detail: str) -> None:
    response = answer(name(1), body=body, detail=detail, headers={"x-note": detail})
    line = make_line(encode_response(response, ask()))
    assert is_intact(line)
    assert line.count(b"\n") == 1
    assert decode_response(read_line(line)) == response


@pytest.mark.parametrize("shift", range(4))
@pytest.mark.parametrize("end", [b"", b"\xf0\x9f", b"\x00\xff"], ids=["text", "cut", "binary"])
def test_a_body_of_many_pieces_comes_back_whole(shift: int, end: bytes) -> None:
    body = b"x" * shift + "\U0001f943\n".encode() * (PIECE_BYTES // 2) + end
    response = answer(name(1), body=body)
    line = make_line(encode_response(response, None))
    assert is_intact(line)
    assert decode_response(read_line(line)) == response
