"""Intents: attempts that are written down before they are sent.

An intent is the response that counts if no other comes: its outcome is `lost`, its cost unknown.
It is written where a kill could otherwise exceed the quota of a day or the money of a month.

    intents/<run>.<writer>.<number>.jsonl    intents that were written at the same time

A file, or object, is removed once the ledger holds the responses to all its attempts. What is left
was in flight when its process died. The next writer of these ids appends it to the ledger, as an
attempt like any other.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

from schemas.errors import StillroomError
from schemas.prompts import Message, Prompt
from schemas.requests import Request
from schemas.responses import Response
from transforms.ledger.entries import (
    decode_response,
    encode_response,
    is_intact,
    make_line,
    read_line,
)
from transforms.ledger.notes import NotesLike
from transforms.ledger.protocol import LostAttempt, ReaderLike
from transforms.ledger.scheme import Asked

_log = logging.getLogger(__name__)

INTENTS = "intents"
_REMOVERS = 4  # removing an object takes two calls, so one thread would fall behind


class AttemptKey(NamedTuple):
    """What tells one attempt from any other.

    Attributes:
        request_id: The request.
        run_id: The run that sent it.
        sent_at: Milliseconds since 1970 UTC.
        attempt: Number of the attempt.
    """

    request_id: str
    run_id: str
    sent_at: int
    attempt: int

    @classmethod
    def of(cls, response: Response) -> AttemptKey:
        """Returns the key of a response's attempt."""
        return cls(response.request_id, response.run_id, response.sent_at, response.attempt)


@dataclass(slots=True)
class _Waiting:
    key: AttemptKey
    line: bytes
    written: asyncio.Future[None]


class Intents:
    """The intents of one writer, used from one event loop.

    Args:
        notes: Where they are kept.
        run_id: The run that writes.
    """

    def __init__(self, notes: NotesLike, run_id: str) -> None:
        self._notes = notes
        self._prefix = f"{run_id}.{secrets.token_hex(4)}"
        self._number = 0
        self._waiting: list[_Waiting] = []
        self._flushing: asyncio.Task[None] | None = None
        self._open: dict[AttemptKey, str] = {}  # the note that holds it
        self._left: dict[str, int] = {}  # by note: attempts without a response
        self._writer = ThreadPoolExecutor(1, "intents")
        self._removers = ThreadPoolExecutor(_REMOVERS, "intents")

    def close(self) -> None:
        """Waits until what is settled is removed."""
        self._writer.shutdown()
        self._removers.shutdown()

    async def write(self, response: Response, request: Request) -> None:
        """Writes an intent; it is durable when this returns.

        Args:
            response: What is known before it is sent.
            request: What is asked.

        Raises:
            StillroomError: It cannot be written. Then nothing may be sent.
        """
        line = make_line(encode_response(response, request))
        written = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(AttemptKey.of(response), line, written))
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.create_task(self._flush())
        await written

    def settle(self, response: Response) -> None:
        """Notes that the ledger holds the response to an attempt, if there was an intent."""
        name = self._open.pop(AttemptKey.of(response), None)
        if name is not None:
            self._left[name] -= 1
            if not self._left[name]:
                del self._left[name]
                self._removers.submit(self._remove, name)

    def read_lost(self, ledger: ReaderLike) -> dict[str, list[LostAttempt]]:
        """Returns the intents whose responses are not in a ledger, by note.

        Those of a writer that still lives are among them.

        Args:
            ledger: Holds the responses.

        Raises:
            StillroomError: An intent or a response is damaged.
        """
        return {
            name: [each for each in self._read(name) if not _is_known(ledger, each)]
            for name in self._notes.names()
        }

    async def remove(self, name: str) -> None:
        """Removes a note whose attempts are all in the ledger."""
        await asyncio.get_running_loop().run_in_executor(self._removers, self._remove, name)

    async def _flush(self) -> None:
        """Writes all that wait in one note, until none waits."""
        loop = asyncio.get_running_loop()
        while self._waiting:
            batch, self._waiting = self._waiting, []
            self._number += 1
            name = f"{self._prefix}.{self._number:08d}.jsonl"
            data = b"".join(each.line for each in batch)
            try:
                await loop.run_in_executor(self._writer, self._notes.put, name, data)
            except Exception as error:  # noqa: BLE001 - no task may wait forever
                _fail(batch + self._waiting, error)
                return
            self._left[name] = len(batch)
            self._open |= dict.fromkeys((each.key for each in batch), name)
            for each in batch:
                if not each.written.done():  # cancelled
                    each.written.set_result(None)

    def _remove(self, name: str) -> None:
        try:
            self._notes.drop(name)
        except StillroomError as error:  # the next writer finds its responses, and removes it
            _log.warning("%s/%s could not be removed: %s", INTENTS, name, error)

    def _read(self, name: str) -> Iterator[LostAttempt]:
        data = self._notes.get(name) or b""  # removed just now
        for line in data.splitlines(keepends=True):
            if not is_intact(line):
                raise StillroomError(
                    f"the ledger's {INTENTS}/{name} is damaged: a checksum does not match\n"
                    "  restore it from a copy; or delete it: then what was in flight when a run "
                    "was killed is not counted"
                )
            entry = read_line(line)
            response = decode_response(entry)
            yield LostAttempt(response, read_request(response.request_id, entry["request"]))


def read_request(request_id: str, asked: Asked) -> Request:
    """Returns a request from what a ledger keeps of it; its prompt has only id and messages."""
    fields = dict(asked)
    messages = tuple(Message(turn["role"], turn["content"]) for turn in fields.pop("messages"))
    prompt = Prompt(
        prompt_id=fields.pop("prompt_id"),
        messages=messages,
        source="",
        license="",
        file="",
        line=0,
        sha256="",
    )
    return Request(request_id=request_id, prompt=prompt, messages=messages, **fields)


def _is_known(ledger: ReaderLike, lost: LostAttempt) -> bool:
    key = AttemptKey.of(lost.response)
    return any(AttemptKey.of(each) == key for each in ledger.attempts(key.request_id))


def _fail(waiting: list[_Waiting], error: Exception) -> None:
    for each in waiting:
        if not each.written.done():
            each.written.set_exception(error)
