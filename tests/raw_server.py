"""A server on loopback that writes any bytes it likes, in the event loop of the test.

    async with RawServer(talk) as server:
        ...                                     # ask server.endpoint

`talk` is called with each connection, a `Talk`: it reads requests and writes bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

_PROMPT_HEADERS = 64 * 1024


@dataclass(frozen=True, slots=True)
class RawRequest:
    """One request.

    Attributes:
        headers: Headers, names in lower case.
        body: The body.
    """

    headers: Mapping[str, str]
    body: bytes

    @property
    def prompt(self) -> str:
        """The last message's text; "" if there is none."""
        messages = json.loads(self.body or b"{}").get("messages") or [{}]
        return str(messages[-1].get("content", ""))


@dataclass(slots=True)
class Talk:
    """One connection.

    Attributes:
        number: Which connection to this server, from 1.
        reader: What the client sends.
        writer: What the client receives.
    """

    number: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def request(self) -> RawRequest:
        """Reads a request.

        Raises:
            asyncio.IncompleteReadError: The client closed the connection.
        """
        head = await self.reader.readuntil(b"\r\n\r\n")
        lines = head.decode().split("\r\n")[1:]
        named = (line.split(": ", 1) for line in lines if line)
        headers = {name.lower(): value for name, value in named}
        size = int(headers.get("content-length", 0))
        return RawRequest(headers, await self.reader.readexactly(size))

    async def write(self, data: bytes) -> None:
        """Writes bytes.

        Raises:
            ConnectionError: The client closed the connection.
        """
        self.writer.write(data)
        await self.writer.drain()


@dataclass(slots=True)
class RawServer:
    """A server. Use it as an asynchronous context manager.

    Attributes:
        talk: Serves a connection; it is closed when this returns.
        connections: How many were opened.
    """

    talk: Callable[[Talk], Awaitable[None]]
    connections: int = 0
    endpoint: str = ""
    _tasks: set[asyncio.Task[Any]] = field(default_factory=set)
    _server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", 0, limit=_PROMPT_HEADERS
        )
        host, port = self._server.sockets[0].getsockname()
        self.endpoint = f"http://{host}:{port}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                await self.talk(Talk(self.connections, reader, writer))
        finally:
            writer.close()
            self._tasks.discard(task)


def chat_answer(text: str, **fields: Any) -> bytes:
    """Returns the body of an answer of OpenAI's chat API."""
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    return json.dumps(
        {"id": "", "model": "test-model", "choices": [choice], "usage": usage, **fields}
    ).encode()


def http_response(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    """Returns the bytes of a response."""
    lines = (
        f"HTTP/1.1 {status}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *headers,
    )
    return "\r\n".join((*lines, "", "")).encode() + body
