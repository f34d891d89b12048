"""Log probabilities are packed, and come out of the corpus's column as they went in."""

from __future__ import annotations

import math
import pickle
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.arrow import RECORDS, table
from schemas.buckets import REQUESTS_PER_BUCKET, bucket_bits
from schemas.files import unstructure
from schemas.logprobs import Logprobs, TokenLogprob, TopLogprob
from schemas.records import Record
from tests.corpus_builder import make_record

TEXTS = st.text(max_size=4)
NUMBERS = st.floats(-100, 0, width=32)
TOKENS = st.builds(
    TokenLogprob,
    TEXTS,
    NUMBERS,
    st.lists(st.builds(TopLogprob, TEXTS, NUMBERS), max_size=3).map(tuple),
)


def plain(tokens: list[TokenLogprob]) -> list[dict[str, object]]:
    return [
        {
            "token": token.token,
            "logprob": token.logprob,
            "top": [{"token": other.token, "logprob": other.logprob} for other in token.top],
        }
        for token in tokens
    ]


def with_logprobs(number: int, tokens: list[TokenLogprob]) -> Record:
    return replace(make_record(number), logprobs=Logprobs.pack(tokens))


@given(st.lists(st.lists(TOKENS, max_size=4), max_size=4))
def test_the_column_holds_what_was_packed(answers: list[list[TokenLogprob]]) -> None:
    records = [with_logprobs(number, tokens) for number, tokens in enumerate(answers)]
    made = table(records, RECORDS)
    made.validate(full=True)
    assert made.schema.equals(RECORDS, check_metadata=True)
    assert made.column("logprobs").to_pylist() == [plain(tokens) for tokens in answers]
    assert (
        unstructure([record.logprobs for record in records]) == made.column("logprobs").to_pylist()
    )
    assert made.column("record_id").to_pylist() == [record.record_id for record in records]


def test_a_number_is_kept_as_well_as_a_model_knows_it() -> None:
    [row] = table([with_logprobs(1, [TokenLogprob("a", -0.31725305, ())])], RECORDS).to_pylist()
    assert math.isclose(row["logprobs"][0]["logprob"], -0.31725305, rel_tol=1e-6)


def test_a_token_with_alternatives_takes_a_dozen_bytes_each() -> None:
    top = tuple(TopLogprob(f" word{n}", -n / 7) for n in range(20))
    packed = Logprobs.pack([TokenLogprob(" word", -0.1, top)] * 500)
    assert len(packed) == 500
    assert len(pickle.dumps(packed)) < 14 * 21 * 500


@pytest.mark.parametrize(
    "token",
    [
        TokenLogprob("a" * 2**16, -1.0, ()),
        TokenLogprob("a", -1e300, ()),
        TokenLogprob("\ud800", -1.0, ()),
        TokenLogprob("a", -1.0, (TopLogprob("a", -1.0),) * 256),
    ],
    ids=["long", "large", "surrogate", "many"],
)
def test_what_cannot_be_packed_is_refused(token: TokenLogprob) -> None:
    with pytest.raises(ValueError, match=r"."):
        Logprobs.pack([token])


@given(st.integers(0, 10**6), st.integers(1, 200))
def test_a_bucket_of_heavy_records_holds_fewer(requests: int, weight: int) -> None:
    bits = bucket_bits(requests, weight)
    assert bits >= bucket_bits(requests)
    assert bits == 12 or requests * weight <= REQUESTS_PER_BUCKET << bits
