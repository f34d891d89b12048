"""One attempt over HTTP ends as an exchange with an outcome, whatever the server does."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import gzip
import ipaddress
import socket
import ssl
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from yarl import URL

from schemas.inputs.registry import Timeouts
from tests.raw_server import RawServer, Talk
from tests.teacher import (
    Reply,
    Teacher,
    always,
    answer,
    close,
    cut,
    drip,
    failure,
    hang,
    in_turn,
    raw,
    redirect,
)
from transforms.providers.http_client import Exchange, HttpClient, HttpTarget, make_timeout
from transforms.transport.bodies import KEPT_BYTES

IMPATIENT = Timeouts(connect_seconds=0.3, response_seconds=0.3)
PATIENT = Timeouts(connect_seconds=5.0, response_seconds=5.0)
SECRET = "sk-very-secret"


def target(endpoint: str, timeouts: Timeouts = PATIENT) -> HttpTarget:
    headers = {"Authorization": f"Bearer {SECRET}"}
    return HttpTarget(URL(f"{endpoint}/chat/completions"), headers, make_timeout(timeouts))


def post(
    endpoint: str, timeouts: Timeouts = PATIENT, *, body: bytes = b"{}", **settings: Any
) -> Exchange:
    async def run() -> Exchange:
        async with HttpClient(**settings) as client:
            return await client.post(target(endpoint, timeouts), body)

    return uvloop.run(run())


def ask(reply: Reply, timeouts: Timeouts = PATIENT, **settings: Any) -> Exchange:
    with Teacher(always(reply)) as teacher:
        return post(teacher.endpoint, timeouts, **settings)


def test_an_answer_comes_back_byte_for_byte() -> None:
    data = b'{"odd":\xff\x00 "bytes"}\r\n'
    assert ask(raw(data)).body == data


def test_a_status_of_success_is_an_answer_whatever_the_body() -> None:
    found = ask(raw(b"<html>", status=202))
    assert (found.outcome, found.status, found.detail) == ("answer", 202, "")


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503, 529])
def test_a_status_of_failure_is_the_outcome(status: int) -> None:
    found = ask(failure(status))
    assert (found.outcome, found.status) == (f"http_{status}", status)
    assert b"error" in found.body


def test_a_redirect_is_not_followed() -> None:
    with Teacher() as elsewhere:
        found = ask(redirect(elsewhere.endpoint))
        assert elsewhere.count == 0
    assert (found.outcome, found.status) == ("redirect", 307)
    assert elsewhere.endpoint not in str(found)


def test_only_harmless_headers_are_kept() -> None:
    headers = {
        "Retry-After": "7",
        "X-Request-Id": "r-1",
        "x-ratelimit-remaining-requests": "3",
        "Anthropic-RateLimit-Tokens-Limit": "9",
        "Set-Cookie": "session=1",
        "X-Echoed-Key": SECRET,
        "Authorization": SECRET,
    }
    kept = dict(ask(answer(headers=headers)).headers)
    assert kept.pop("date")
    assert kept == {
        "content-type": "application/json",
        "retry-after": "7",
        "x-request-id": "r-1",
        "x-ratelimit-remaining-requests": "3",
        "anthropic-ratelimit-tokens-limit": "9",
    }


def test_a_gateway_s_own_headers_come_before_those_it_sends_on() -> None:
    for names in (
        ("llm_provider-retry-after", "retry-after"),
        ("retry-after", "llm_provider-retry-after"),
    ):
        waits = {name: "60" if name == "retry-after" else "7" for name in names}
        assert ask(answer(headers=waits)).headers["retry-after"] == "60"
    assert ask(answer(headers={"llm_provider-retry-after": "7"})).headers["retry-after"] == "7"


@pytest.mark.parametrize("size", [2**20, 2**20 + 1, 2**22])
def test_a_body_is_bounded_in_size(size: int) -> None:
    data = b"{" + b"x" * (size - 1)
    found = ask(raw(data), max_body_bytes=2**20)
    small = size <= 2**20
    assert found.outcome == ("answer" if small else "body_too_large")
    assert found.body == (data if small else data[:KEPT_BYTES])


def test_a_body_is_bounded_after_decompression() -> None:
    bomb = gzip.compress(b"x" * 2**26)
    found = ask(raw(bomb, headers={"Content-Encoding": "gzip"}), max_body_bytes=2**20)
    assert found.outcome == "body_too_large"
    assert len(found.body) == KEPT_BYTES


def test_a_compressed_body_is_kept_decompressed() -> None:
    found = ask(raw(gzip.compress(b"{}"), headers={"Content-Encoding": "gzip"}))
    assert (found.outcome, found.body) == ("answer", b"{}")


def test_no_compression_is_requested() -> None:
    with Teacher() as teacher:
        post(teacher.endpoint)
    assert teacher.calls[0].headers["accept-encoding"] == "identity"


def test_a_body_is_bounded_in_time() -> None:
    found = ask(drip(answer("slow")), IMPATIENT)
    assert found.outcome == "timeout"
    assert found.body.startswith(b"{")


def test_a_server_that_hangs_is_a_timeout() -> None:
    assert ask(hang(), IMPATIENT).outcome == "timeout"


def test_a_closed_connection_differs_from_one_that_failed() -> None:
    assert ask(close()).outcome == "connection_closed"
    assert ask(cut(answer("Half of this."))).outcome == "connection_closed"
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        assert post(f"http://127.0.0.1:{unused.getsockname()[1]}").outcome == "connection_failed"


def test_a_connection_that_is_not_accepted_is_a_timeout() -> None:
    with full_backlog() as port:
        timeouts = Timeouts(connect_seconds=0.3, response_seconds=5.0)
        assert post(f"http://127.0.0.1:{port}", timeouts).outcome == "connect_timeout"


@contextlib.contextmanager
def full_backlog() -> Iterator[int]:
    """Yields a port that accepts no connection, since too many wait already."""
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listening.getsockname())
        yield listening.getsockname()[1]


def test_bad_http_has_its_own_outcome() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        async def run() -> Exchange:
            loop = asyncio.get_running_loop()
            spoken = loop.run_in_executor(None, speak_nonsense, server)
            async with HttpClient() as client:
                found = await client.post(
                    target(f"http://127.0.0.1:{server.getsockname()[1]}"), b""
                )
            await spoken
            return found

        assert uvloop.run(run()).outcome == "bad_http"


def speak_nonsense(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        connection.recv(65536)
        connection.sendall(b"220 mail.example ESMTP\r\n")


def test_a_host_without_an_address_is_a_failed_connection() -> None:
    assert post("http://teacher.invalid/v1").outcome == "connection_failed"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate of 127.0.0.1, with its key, in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + signed.public_bytes(serialization.Encoding.PEM)
    )
    return path


def test_an_untrusted_certificate_is_not_accepted(certificate: Path) -> None:
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(certificate)
    with Teacher(tls=server) as teacher:
        assert post(teacher.endpoint).outcome == "tls_failed"
        assert teacher.count == 0
        trusting = ssl.create_default_context(cafile=str(certificate))
        assert post(teacher.endpoint, tls=trusting).outcome == "answer"


def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with Teacher() as teacher, Teacher() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert post(teacher.endpoint).outcome == "answer"
        assert (teacher.count, proxy.count) == (1, 0)


def test_a_configured_proxy_is_used() -> None:
    with Teacher() as proxy:
        found = post("http://teacher.invalid/v1", proxy=f"http://127.0.0.1:{proxy.port}")
        assert (found.outcome, proxy.count) == ("answer", 1)


def test_an_encrypted_connection_goes_through_a_proxy_and_is_used_again(certificate: Path) -> None:
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(certificate)
    trusting = ssl.create_default_context(cafile=str(certificate))

    async def tunnel(talk: Talk) -> None:
        await talk.reader.readuntil(b"\r\n\r\n")
        reader, writer = await asyncio.open_connection("127.0.0.1", teacher.port)
        await talk.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await asyncio.gather(relay(talk.reader, writer), relay(reader, talk.writer))

    async def run() -> tuple[list[str], int]:
        async with RawServer(tunnel) as proxy, HttpClient(proxy=proxy.endpoint, tls=trusting) as it:
            found = []
            for _ in range(3):
                found.append((await it.post(target(teacher.endpoint), b"{}")).outcome)
                await asyncio.sleep(0.06)
            return found, proxy.connections

    with Teacher(tls=server) as teacher:
        assert uvloop.run(run()) == (["answer"] * 3, 1)


async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(2**16):
        writer.write(data)
    writer.close()


def test_a_large_prompt_can_be_sent() -> None:
    with Teacher() as teacher:
        assert post(teacher.endpoint, body=b"x" * 2**21).outcome == "answer"
        assert len(teacher.calls[0].raw) == 2**21


def test_a_failure_leaves_the_client_usable() -> None:
    async def run(endpoint: str) -> list[str]:
        async with HttpClient() as client:
            return [(await client.post(target(endpoint), b"{}")).outcome for _ in range(3)]

    with Teacher(in_turn(close(), failure(500), answer())) as teacher:
        outcomes = uvloop.run(run(teacher.endpoint))
    assert outcomes == ["connection_closed", "http_500", "answer"]


def test_the_key_is_sent_to_the_teacher_alone() -> None:
    with Teacher() as teacher:
        found = post(teacher.endpoint)
    assert teacher.calls[0].headers["authorization"] == f"Bearer {SECRET}"
    assert SECRET not in repr(found)
    assert SECRET not in repr(target(teacher.endpoint))


def get_file(reply: Reply, **settings: Any) -> tuple[Exchange, bytes]:
    """Gets a file from a teacher that replies so."""

    async def run() -> tuple[Exchange, bytes]:
        with Teacher(always(reply)) as teacher, BytesIO() as file:
            async with HttpClient(max_body_bytes=10) as client:
                exchange = await client.get_file(target(teacher.endpoint), file, **settings)
            return exchange, file.getvalue()

    return asyncio.run(run())


def test_a_file_may_be_larger_than_a_body_up_to_its_own_limit() -> None:
    whole, data = get_file(raw(b"x" * 5000), most_bytes=5000)
    assert (whole.outcome, whole.body, data) == ("answer", b"", b"x" * 5000)
    cut_off, data = get_file(raw(b"x" * 5000), most_bytes=4999)
    assert (cut_off.outcome, len(data)) == ("body_too_large", 4999)
    assert cut_off.detail == "cut after 4999 bytes"


def test_an_incomplete_file_is_no_answer() -> None:
    broken, data = get_file(cut(raw(b"x" * 5000)))
    assert (broken.outcome, len(data)) == ("connection_closed", 2500)
    assert "after 2500 bytes" in broken.detail


def test_a_file_is_not_fetched_through_a_redirect() -> None:
    with Teacher() as other:
        found, _ = get_file(redirect(other.endpoint))
        assert (found.outcome, other.count) == ("redirect", 0)


def test_a_posted_file_arrives_whole_with_its_content_type() -> None:
    async def run() -> Exchange:
        async with HttpClient() as client:
            typed = target(teacher.endpoint)
            headers = {**typed.headers, "Content-Type": "text/plain"}
            return await client.post_file(
                replace(typed, headers=headers), BytesIO(b"y" * 3_000_000)
            )

    with Teacher() as teacher:
        asyncio.run(run())
        (call,) = teacher.calls
    assert (len(call.raw), call.headers["content-type"]) == (3_000_000, "text/plain")
