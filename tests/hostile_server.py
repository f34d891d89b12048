"""A server on loopback that answers each prompt with one hostile shape, as it is written here.

`HOSTILE` names the shapes. A shape is what is sent after the request was read: bytes, or a function
that writes them. The connection stays open afterwards unless a shape closes it, so that what is
left over on it meets the next request.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import threading
import zlib
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from tests.teacher import MODEL

_LENGTH = re.compile(rb"content-length: *([0-9]+)", re.IGNORECASE)
_MANY = 16 * 2**20
_START_SECONDS = 10.0
_TRICKLES = 1000  # at 10 a second: longer than any patience of a test


@dataclass(frozen=True, slots=True)
class Received:
    """One request: its prompt, the key that came with it, and where to write."""

    prompt: str
    key: str
    writer: asyncio.StreamWriter


Script = Callable[[Received], bytes | Awaitable[None]]


def said(prompt: str) -> str:
    """Returns the right answer to a prompt."""
    return f"The server heard this: {prompt}"


def completion(text: object, **fields: Any) -> bytes:
    """Returns the body of an answer.

    Args:
        text: Its content.
        fields: Changes to the body; `choice` changes its choice.
    """
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text},
        "finish_reason": "stop",
        **fields.pop("choice", {}),
    }
    usage = {"prompt_tokens": 20, "completion_tokens": 20, "total_tokens": 40}
    body = {"id": "chatcmpl-1", "object": "chat.completion", "model": MODEL}
    return json.dumps({**body, "choices": [choice], "usage": usage, **fields}).encode()


def http(body: bytes, *headers: str, status: str = "200 OK", length: object = None) -> bytes:
    """Returns a whole response.

    Args:
        body: The body.
        headers: Further header lines.
        status: Code and phrase.
        length: The value of `Content-Length`, if not the true one; "" leaves the header out.
    """
    size = len(body) if length is None else length
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", *headers]
    lines += [f"Content-Length: {size}"] if size != "" else []
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def right(call: Received) -> bytes:
    """Returns a sound answer."""
    return http(completion(said(call.prompt)))


def _swap(old: bytes, new: bytes) -> Script:
    """Returns a sound answer with a part exchanged."""

    def script(call: Received) -> bytes:
        body = completion(said(call.prompt))
        assert old in body
        return http(body.replace(old, new))

    return script


def _closing(data: bytes) -> Script:
    """Returns a script that sends bytes and closes the connection."""

    async def script(call: Received) -> None:
        call.writer.write(data)
        call.writer.close()

    return script


def _endless(start: bytes, again: bytes, pause: float = 0.1) -> Script:
    """Returns a script that sends `again` for as long as it is read."""

    async def script(call: Received) -> None:
        call.writer.write(start)
        for _ in range(_TRICKLES):
            call.writer.write(again)
            await call.writer.drain()
            await asyncio.sleep(pause)

    return script


async def _reset(call: Received) -> None:
    call.writer.transport.abort()


async def _one_response_more(call: Received) -> None:
    """Sends a second response on the kept connection, 20 ms late."""
    call.writer.write(right(call))
    await asyncio.sleep(0.02)
    call.writer.write(right(call))


def _echo_key(call: Received) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": f"You sent {call.key}."}}
    return http(
        completion("", choices=[choice | {"finish_reason": "stop"}], id=call.key),
        f"X-Request-Id: {call.key}",
    )


def _echo_key_in_error(call: Received) -> bytes:
    error = {"message": f"Wrong key {call.key}", "code": call.key, "type": call.key}
    return http(json.dumps({"error": error}).encode(), status="422 No")


_PAGE = b"<!doctype html><html><body>Sign in to the network</body></html>"
_SOUND = completion("A sound answer that is not to be used for any other prompt.")
_NUL_ANSWER = completion("").replace(b'""', b'"' + b"\\u0000" * 1000 + b'"')
_HUGE_NUMBER = b'"prompt_tokens": ' + b"9" * 5000
_CHUNKED = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
)
_START = b'{"choices": [{"message": {"content": "'
_GZIP_BOMB = gzip.compress(_START + bytes(_MANY), 1)
_DEFLATE_BOMB = zlib.compress(_START + bytes(4 * _MANY), 1)
_FIREWALL = b"<html><h1>403 Forbidden</h1>Blocked by the firewall</html>"
_ENDLESS_BODY = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{"choices": ['

# An answer is expected from these all the same; each is `said`, or a text of its own.
USABLE: Mapping[str, Script] = {
    "right": right,
    "nan in a log probability": _swap(
        b'"finish_reason"',
        b'"logprobs": {"content": [{"token": "a", "logprob": NaN}]}, "finish_reason"',
    ),
    "infinity in an unknown field": _swap(b'"id"', b'"score": -Infinity, "id"'),
    "a key twice in an unknown field": _swap(b'"id"', b'"x": {"a": 1, "a": 2}, "id"'),
    "a billion tokens": _swap(b'"completion_tokens": 20', b'"completion_tokens": 1000000000'),
    "zero usage": _swap(b'"completion_tokens": 20', b'"completion_tokens": 0'),
    "negative usage": _swap(b'"prompt_tokens": 20', b'"prompt_tokens": -20'),
    "usage in words": _swap(b'"total_tokens": 40', b'"total_tokens": "many"'),
    "many headers": lambda call: http(
        completion(said(call.prompt)), *(f"X-Filler-{i}: {i}" for i in range(100))
    ),
    "cookies": lambda call: http(completion(said(call.prompt)), "Set-Cookie: a=b"),
    "early hints": lambda call: b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + right(call),
    "one response more": _one_response_more,
}

UNUSABLE: Mapping[str, Script] = {
    "sign-in page": lambda _: http(_PAGE, "Content-Type: text/html"),
    "error object": lambda _: http(b'{"error": {"code": 502, "message": "Bad gateway"}}'),
    "blank lines": lambda _: http(b"\n \n\n"),
    "no body": lambda _: http(b"", status="204 No Content"),
    "no choices": lambda _: http(b'{"choices": [], "model": "test-model"}'),
    "null content": lambda _: http(completion(None)),
    "a list": lambda _: http(b"[[], 1]"),
    "a key twice": _swap(b'"finish_reason"', b'"message": {"content": "other"}, "finish_reason"'),
    "nul characters": lambda _: http(_NUL_ANSWER),
    "lone surrogate": _swap(b"heard", b"\\ud83d"),
    "invalid utf-8": _swap(b"heard", b"\xff\xfe\xc3\x28"),
    "deep nesting": _swap(b'"id"', b'"x": ' + b"[" * 100_000 + b"]" * 100_000 + b', "id"'),
    "a long number": _swap(b'"prompt_tokens": 20', _HUGE_NUMBER),
    "truncated json": lambda call: http(completion(said(call.prompt))[:-30]),
    "gzip bomb": lambda _: http(_GZIP_BOMB, "Content-Encoding: gzip"),
    "deflate bomb": lambda _: http(_DEFLATE_BOMB, "Content-Encoding: deflate"),
    "16 MiB of nul": lambda _: http(bytes(_MANY)),
    "broken gzip": lambda _: http(b"\x1f\x8b" + b"x" * 50, "Content-Encoding: gzip"),
    "unknown encoding": lambda _: http(b"\x00" * 50, "Content-Encoding: rot13"),
    "endless trickle": _endless(_ENDLESS_BODY, b" "),
    "endless flood": _endless(_ENDLESS_BODY, b" " * 2**20, 0.0),
    "endless headers": _endless(b"HTTP/1.1 200 OK\r\n", b"X-More: 1\r\n"),
    "endless early hints": _endless(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    "huge header": lambda call: http(completion(said(call.prompt)), "X-Huge: " + "x" * 2**20),
    "a million headers": lambda _: http(_SOUND, *["X: 1"] * 10**6),
    "too long a length": lambda _: http(_SOUND, length=10**6),
    "too short a length": lambda _: http(_SOUND, length=20),
    "two lengths": lambda _: http(_SOUND, "Content-Length: 5"),
    "negative length": lambda _: http(_SOUND, length=-1),
    "length in words": lambda _: http(_SOUND, length="many"),
    "length and chunks": lambda _: http(_SOUND, "Transfer-Encoding: chunked"),
    "chunked garbage": lambda _: _CHUNKED + b"zz\r\n" + _SOUND,
    "huge chunk": lambda _: _CHUNKED + b"f" * 20 + b"\r\n" + _SOUND,
    "endless chunks": _endless(_CHUNKED, b"1\r\n{\r\n"),
    "redirect": lambda _: http(b"", "Location: http://127.0.0.1:1/", status="307 Moved"),
    "redirect to itself": lambda _: http(b"", "Location: /v1/chat/completions", status="302 Moved"),
    "another protocol": lambda _: http(b"", "Upgrade: h2c", status="101 Switching Protocols"),
    "http/0.9": _closing(_PAGE),
    "http/2": _closing(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + b"\x00" * 18),
    "tls": _closing(b"\x15\x03\x01\x00\x02\x02\x46"),
    "status 999": lambda _: http(_SOUND, status="999 No"),
    "status of letters": lambda _: http(_SOUND, status="OK 200"),
    "nul in a header": lambda _: http(_SOUND, "X-Nul: a\0b"),
    "firewall's page": lambda _: http(_FIREWALL, "Content-Type: text/html", status="403 Forbidden"),
    "a wait of words": lambda _: http(b"", "Retry-After: soon", status="503 Busy"),
    "a wait before now": lambda _: http(b"", "Retry-After: -5", status="503 Busy"),
    "half a body": _closing(http(_SOUND)[:-50]),
    "closed": _closing(b""),
    "reset": _reset,
    "key in an error": _echo_key_in_error,
}
# Answers that cannot be read, and may have been paid for.
PAID = (
    "null content",
    "a key twice",
    "nul characters",
    "lone surrogate",
    "invalid utf-8",
    "deep nesting",
    "a long number",
    "truncated json",
)
HOSTILE: Mapping[str, Script] = {**UNUSABLE, **USABLE, "key in an answer": _echo_key}


class HostileServer:
    """The server, which runs while the `with` block lasts.

    Args:
        shapes: The shape for each prompt; others get a sound answer. May be replaced at any time.
        together: The first answer waits until so many requests are in flight.

    Attributes:
        shapes: As above.
        asked: How often each prompt was asked.
        in_flight: Requests being answered now.
        most_in_flight: The most that were answered at once.
    """

    def __init__(self, shapes: Mapping[str, Script], *, together: int = 1) -> None:
        self.shapes = shapes
        self._together = together
        self.asked: Counter[str] = Counter()
        self.in_flight = self.most_in_flight = 0
        self._ready: Future[int] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    @property
    def endpoint(self) -> str:
        """Base address of the API, as a route has it."""
        return f"http://127.0.0.1:{self._ready.result(_START_SECONDS)}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._done.set)
        self._thread.join(_START_SECONDS)

    async def _serve(self) -> None:
        self._loop, self._done = asyncio.get_running_loop(), asyncio.Event()
        self._gathered = asyncio.Event()
        server = await asyncio.start_server(self._converse, "127.0.0.1", 0, backlog=1024)
        self._ready.set_result(server.sockets[0].getsockname()[1])
        await self._done.wait()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            while not writer.is_closing():
                head = await reader.readuntil(b"\r\n\r\n")
                length = _LENGTH.search(head)
                body = json.loads(await reader.readexactly(int(length[1]) if length else 0))
                key = re.search(rb"authorization: Bearer (\S+)", head, re.IGNORECASE)
                call = Received(
                    body["messages"][-1]["content"], key[1].decode() if key else "", writer
                )
                await self._answer(call)

    async def _answer(self, call: Received) -> None:
        self.asked[call.prompt] += 1
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        if self.in_flight >= self._together:
            self._gathered.set()
        try:
            await self._gathered.wait()
            reply = self.shapes.get(call.prompt, right)(call)
            if isinstance(reply, bytes):
                call.writer.write(reply)
                await call.writer.drain()
            else:
                await reply
        finally:
            self.in_flight -= 1
