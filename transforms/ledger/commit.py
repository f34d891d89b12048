"""Group commit: entries that wait at the same time are written and synced together.

A sync takes some milliseconds, for one entry or for two hundred. So one thread takes all entries
that wait, writes them in one piece, syncs once, and then wakes the tasks that wait for them. The
event loop never waits for a disk.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby

from schemas.errors import StillroomError
from transforms.ledger.entries import make_line
from transforms.ledger.index import Segment
from transforms.ledger.segments import OpenSegment

_PIECE_BYTES = 16 * 2**20


@dataclass(slots=True)
class _Waiting:
    """An entry to be written, and the future that a task awaits, if one does."""

    key: bytes
    flags: int
    pieces: Iterable[bytes]
    future: asyncio.Future[None] | None = field(default=None)


class Committer:
    """Writes entries to one segment after another from a thread of its own.

    Args:
        begin: Creates the next segment, when there is something to write.
        sealed: Takes each finished segment, in the committer's thread, before its entries are
            dropped here.
        failed: Makes the error that every append raises once the disk has failed.
        segment_entries: Entries after which a segment is sealed and the next one begun.
    """

    def __init__(
        self,
        *,
        begin: Callable[[], OpenSegment],
        sealed: Callable[[Segment], None],
        failed: Callable[[Exception], StillroomError],
        segment_entries: int,
    ) -> None:
        self._begin = begin
        self._sealed = sealed
        self._failed = failed
        self._segment_entries = segment_entries
        self._segment: OpenSegment | None = None  # created with the first entry, so none is empty
        self._failure: Exception | None = None
        self._waiting: list[_Waiting] = []
        self._closing = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)
        self._thread.start()

    def flags(self, key: bytes) -> int | None:
        """Returns the flags of an id in the segment being written; None where it has none."""
        segment = self._segment
        return segment.flags.get(key) if segment else None

    async def append(self, key: bytes, flags: int, pieces: Iterable[bytes]) -> None:
        """Appends an entry. Once begun, cancelling it does not keep the entry from being written.

        Args:
            key: Id, 32 bytes.
            flags: Its flags.
            pieces: Its JSON text; drawn in the committer's thread.

        Raises:
            StillroomError: It is not safe on disk, since the disk is full or fails.
        """
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._submit(_Waiting(key, flags, pieces, future))
        await future

    def note(self, key: bytes, flags: int, text: bytes) -> None:
        """Appends an entry without waiting; it is durable no later than the next one."""
        self._submit(_Waiting(key, flags, [text]))

    def close(self) -> None:
        """Writes what waits and seals the segment."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()
        self._finish_segment()

    def _submit(self, item: _Waiting) -> None:
        with self._changed:
            if self._failure is not None:
                raise self._failed(self._failure) from self._failure
            if self._closing:
                raise RuntimeError("the ledger's writer is closed")
            self._waiting.append(item)
            if len(self._waiting) == 1:  # else the thread is awake already
                self._changed.notify()

    def _run(self) -> None:
        while batch := self._next_batch():
            try:
                self._commit(batch)
            except Exception as error:  # noqa: BLE001 - no task may wait forever
                self._fail(batch, error)
                return

    def _next_batch(self) -> list[_Waiting]:
        """Waits for something to write; empty when there will be no more."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing)
            batch, self._waiting = self._waiting, []
        return batch

    def _commit(self, batch: list[_Waiting]) -> None:
        self._segment = self._segment or self._begin()
        for lines in _in_pieces((item.key, item.flags, make_line(item.pieces)) for item in batch):
            self._segment.append(lines)
        _wake_all(batch, lambda future: future.set_result(None))
        if len(self._segment) >= self._segment_entries:
            self._finish_segment()

    def _finish_segment(self) -> None:
        if self._segment is not None:
            self._sealed(self._segment.seal())
            self._segment = None

    def _fail(self, batch: list[_Waiting], error: Exception) -> None:
        with self._changed:
            self._failure = error
            batch += self._waiting
        _wake_all(batch, lambda future: future.set_exception(self._failed(error)))


def _in_pieces(
    lines: Iterator[tuple[bytes, int, bytes]],
) -> Iterator[list[tuple[bytes, int, bytes]]]:
    """Yields lines in lists of not much more than `_PIECE_BYTES`, so that memory is bounded."""
    piece, size = [], 0
    for each in lines:
        piece.append(each)
        size += len(each[2])
        if size >= _PIECE_BYTES:
            yield piece
            piece, size = [], 0
    if piece:
        yield piece


def _wake_all(batch: list[_Waiting], resolve: Callable[[asyncio.Future[None]], None]) -> None:
    """Wakes the tasks that wait, with one call into each event loop."""
    futures = [item.future for item in batch if item.future is not None]
    for loop, group in groupby(futures, key=asyncio.Future.get_loop):
        with contextlib.suppress(RuntimeError):  # the loop is closed: no task waits
            loop.call_soon_threadsafe(_resolve, list(group), resolve)


def _resolve(
    futures: list[asyncio.Future[None]], resolve: Callable[[asyncio.Future[None]], None]
) -> None:
    for future in futures:
        if not future.done():
            resolve(future)
