"""A teacher in a process of its own that answers at once or after a delay.

It supports just enough HTTP for our client, directly on asyncio's protocol, so that benchmarks of
the client do not measure the server. It records when each request arrived.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import time
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import NamedTuple, cast

import uvloop

MODEL = "test-model"
_PROMPT_TOKENS = 10
_MOST_ANSWER_TOKENS = 49  # answers take 1, 2, ... of them and then 1 again: 25 on average
_BACKLOG = 1024
_END_OF_HEAD = b"\r\n\r\n"
_LENGTH = b"content-length:"


@dataclass(frozen=True, slots=True)
class Arrivals:
    """The requests that arrived, in order.

    Attributes:
        times: When each request arrived, seconds by the monotonic clock.
        tokens: How many tokens it took, prompt and answer together.
    """

    times: array[float] = field(default_factory=lambda: array("d"))
    tokens: array[int] = field(default_factory=lambda: array("q"))


def _response(text: str, tokens: int) -> bytes:
    body = json.dumps(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "model": MODEL,
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": text},
                    "finish_reason": "stop",
                }
            ],
            "usage": {
                "prompt_tokens": _PROMPT_TOKENS,
                "completion_tokens": tokens,
                "total_tokens": _PROMPT_TOKENS + tokens,
            },
        }
    ).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


_ANSWERS = [_response("An answer.", 1 + tokens) for tokens in range(_MOST_ANSWER_TOKENS)]


class _Teacher(asyncio.Protocol):
    """One connection."""

    _transport: asyncio.Transport

    def __init__(self, delay_seconds: float, arrivals: Arrivals) -> None:
        self._delay_seconds = delay_seconds
        self._arrivals = arrivals
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's class is no subclass

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while self._take_request():
            answer = _ANSWERS[self._note()]
            if self._delay_seconds:
                loop = asyncio.get_running_loop()
                loop.call_later(self._delay_seconds, self._reply, answer)
            else:
                self._reply(answer)

    def _note(self) -> int:
        """Records an arrival; returns the index of its answer."""
        index = len(self._arrivals.times) % _MOST_ANSWER_TOKENS
        self._arrivals.times.append(time.monotonic())
        self._arrivals.tokens.append(_PROMPT_TOKENS + 1 + index)
        return index

    def _take_request(self) -> bool:
        end = self._buffer.find(_END_OF_HEAD)
        if end < 0:
            return False
        head = self._buffer[:end].lower()
        start = head.find(_LENGTH)
        length = int(head[start + len(_LENGTH) :].split(b"\r\n", 1)[0]) if start >= 0 else 0
        whole = end + len(_END_OF_HEAD) + length
        if len(self._buffer) < whole:
            return False
        self._buffer = self._buffer[whole:]
        return True

    def _reply(self, answer: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(answer)


class Server(NamedTuple):
    """A running server.

    Attributes:
        endpoint: Base address of its API.
        control: The pipe to its process.
    """

    endpoint: str
    control: Connection

    def arrivals(self) -> Arrivals:
        """Returns the arrivals so far."""
        self.control.send("arrivals")
        arrivals: Arrivals = self.control.recv()
        return arrivals


@contextmanager
def serving(delay_seconds: float = 0.0) -> Iterator[Server]:
    """Runs a server in a process of its own for as long as the block lasts.

    Args:
        delay_seconds: How long it waits before each answer.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_run, args=(delay_seconds, theirs), daemon=True)
    process.start()
    try:
        yield Server(f"http://127.0.0.1:{ours.recv()}/v1", ours)
    finally:
        ours.send("stop")
        process.join()


def _run(delay_seconds: float, control: Connection) -> None:
    uvloop.run(_serve(delay_seconds, control))


async def _serve(delay_seconds: float, control: Connection) -> None:
    loop, arrivals, done = asyncio.get_running_loop(), Arrivals(), asyncio.Event()
    server = await loop.create_server(
        lambda: _Teacher(delay_seconds, arrivals), "127.0.0.1", 0, backlog=_BACKLOG
    )

    def on_message() -> None:
        if control.recv() == "stop":
            done.set()
        else:
            control.send(arrivals)

    loop.add_reader(control.fileno(), on_message)
    control.send(server.sockets[0].getsockname()[1])
    await done.wait()
    loop.remove_reader(control.fileno())
    server.close()
