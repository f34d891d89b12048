"""Whatever a server sends, little of it is held and kept unless it can be an answer."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from io import BytesIO

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from schemas.inputs.registry import Timeouts
from tests.raw_server import RawServer, Talk, chat_answer, http_response
from transforms.providers.http_client import Exchange, HttpClient, HttpTarget, make_timeout
from transforms.providers.retry import judge
from transforms.transport.bodies import KEPT_BYTES, Body, FileBody

MIB = 2**20
NULS = b"\0" * (16 * MIB)


def ask(*pieces: bytes, seconds: float = 5.0, body: bytes = b"{}") -> Exchange:
    """Returns what a response brings that is written piece by piece."""
    timeout = make_timeout(Timeouts(connect_seconds=5, response_seconds=seconds))

    async def talk(talk: Talk) -> None:
        await talk.request()
        for piece in pieces:
            await talk.write(piece)

    async def run() -> Exchange:
        async with RawServer(talk) as server, HttpClient() as client:
            return await client.post(HttpTarget(URL(server.endpoint), {}, timeout), body)

    return uvloop.run(run())


def encoded(body: bytes, encoding: str) -> bytes:
    return http_response(body, f"Content-Encoding: {encoding}")


@pytest.mark.parametrize(
    "response",
    [
        http_response(NULS[: 3 * MIB]),
        encoded(gzip.compress(NULS[: 3 * MIB]), "gzip"),
        encoded(zlib.compress(NULS[: 3 * MIB]), "deflate"),
        http_response(b'{"choices":[{' + NULS[: 3 * MIB - 13]),
        http_response(b"<html>" + b"x" * (3 * MIB - 6)),
        http_response(b'{"error":"' + b"x" * (3 * MIB - 12) + b'"}', status="500 No"),
    ],
    ids=["plain", "gzip", "deflate", "json at first", "html", "error"],
)
def test_of_what_is_no_answer_the_beginning_is_kept_and_the_size_is_known(response: bytes) -> None:
    found, _ = judge(ask(response))
    assert len(found.body) == KEPT_BYTES
    assert f"the first {KEPT_BYTES} of {3 * MIB} bytes are kept" in found.detail


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_bomb_is_given_up(encoding: str) -> None:
    packed = (gzip if encoding == "gzip" else zlib).compress(NULS)
    found = ask(encoded(packed, encoding))
    assert found.outcome == "body_too_large"
    assert len(found.body) == KEPT_BYTES


def test_a_long_answer_is_kept_whole() -> None:
    body = chat_answer("a\tb " * (MIB // 2))
    assert ask(http_response(body)).body == body
    assert ask(encoded(gzip.compress(body), "gzip")).body == body


def test_an_answer_with_log_probabilities_may_be_longer() -> None:
    body = chat_answer("x" * 6 * MIB)
    assert ask(http_response(body)).outcome == "body_too_large"
    assert ask(http_response(body), body=b'{"logprobs":true}').body == body


@pytest.mark.parametrize(
    "response",
    [
        encoded(b"\x1b\x0e\x00\xf8", "br"),
        encoded(b"\x28\xb5\x2f\xfd", "zstd"),
        encoded(b"no gzip", "gzip"),
        http_response(b"{}", f"x-ratelimit-remaining: {'9' * MIB}"),
        http_response(b"{}", *(f"x-ratelimit-{number}: 1" for number in range(100_000))),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
    ids=["br", "zstd", "broken gzip", "long header", "many headers", "no chunk"],
)
def test_what_cannot_be_read_may_pass_and_keeps_nothing(response: bytes) -> None:
    found, reading = judge(ask(response))
    assert reading.may_pass
    assert (found.body, dict(found.headers)) == (b"", {})


def test_a_body_in_chunks_of_one_byte_is_read() -> None:
    body = chat_answer("x" * 2000)
    chunks = b"".join(b"1;ext=1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    found = ask(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)
    assert found.body == body


def test_a_long_extension_of_a_chunk_is_not_kept() -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;"
    found = ask(head, *([b"x" * MIB] * 50))
    assert found.outcome in ("connection_closed", "bad_http")
    assert found.body == b""


@given(st.lists(st.binary(max_size=3 * KEPT_BYTES // 4), max_size=6), st.booleans())
def test_memory_is_bounded_by_the_limit_and_by_little_for_what_is_refused(
    chunks: list[bytes], success: bool
) -> None:
    most = 2 * KEPT_BYTES
    body = Body(most)
    body.may_answer = success
    read_on = [body.add(chunk) for chunk in chunks]
    whole = b"".join(chunks)
    assert read_on == [sum(map(len, chunks[: n + 1])) <= most for n in range(len(chunks))]
    assert whole.startswith(body.kept())
    assert body.kept() == whole or len(body.kept()) == KEPT_BYTES
    assert body.size == len(whole)
    assert bool(body.note) == (body.kept() != whole)


def test_a_file_is_cut_at_its_limit() -> None:
    file = BytesIO()
    body = FileBody(file, 5)
    assert (body.add(b"abc"), body.add(b"defg")) == (True, False)
    assert (file.getvalue(), body.size, body.kept()) == (b"abcde", 5, b"")


def test_sixty_four_bombs_at_once_are_read_in_little_memory() -> None:
    packed = encoded(gzip.compress(NULS), "gzip")

    async def talk(talk: Talk) -> None:
        await talk.request()
        await talk.write(packed)

    async def run() -> list[Exchange]:
        timeout = make_timeout(Timeouts(connect_seconds=20, response_seconds=20))
        async with RawServer(talk) as server, HttpClient() as client:
            target = HttpTarget(URL(server.endpoint), {}, timeout)
            return await asyncio.gather(*(client.post(target, b"{}") for _ in range(64)))

    found = uvloop.run(run())
    assert {each.outcome for each in found} == {"body_too_large"}
    assert sum(len(each.body) for each in found) == 64 * KEPT_BYTES
