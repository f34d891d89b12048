"""The ledger's files: segments that only grow, and an index beside each that has stopped growing.

    segments/00000007.jsonl              entries in the order they came, one writer's
    segments/00000007.idx                where each entry is, sorted by id
    segments/00000008-compacted.jsonl    all entries of the segments before it

A segment belongs to the writer that created it, and is locked while that writer lives. If a writer
is killed, the next process that opens the segment cuts its unfinished end, a line without a
newline, and keeps it beside the segment (`.cut`): no append of that had returned. Whatever else is
wrong is damage, see `damage.py`. An index is made when a segment is sealed, or else when it is
first read.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
from collections.abc import Iterable
from itertools import count
from pathlib import Path
from typing import IO, Any

from schemas.codes import Outcome
from schemas.errors import StillroomError
from transforms.ledger.entries import encode, is_intact, judged_outcome, make_line, read_line
from transforms.ledger.index import (
    ANSWERED,
    DAMAGED,
    DECISION,
    ROW,
    Rows,
    Segment,
    decision_key,
    read_index,
    response_flags,
    sorted_rows,
    try_write_index,
)
from transforms.storage.files import make_durable, sync_data

_log = logging.getLogger(__name__)

COMPACTED = "-compacted"
_NO_ID = bytes(32)


class OpenSegment:
    """A segment that is being written, by one process and one thread.

    Args:
        folder: The folder of segments.
        header: Its first line.

    Attributes:
        path: The file.
        size: Bytes that are durable.
        flags: The flags of the newest entry by id; an answer's, where there is one.

    Raises:
        OSError: It cannot be written.
    """

    def __init__(self, folder: Path, header: dict[str, Any]) -> None:
        self.path, self._file = _create(folder)
        self.size = 0
        self.flags: dict[bytes, int] = {}
        self._rows = bytearray()
        self._append(make_line([encode(header)]))
        make_durable(folder)

    def __len__(self) -> int:
        return len(self._rows) // ROW.size

    def append(self, entries: Iterable[tuple[bytes, int, bytes]]) -> None:
        """Appends entries, all or none; they are durable when this returns.

        Args:
            entries: Id (32 bytes), flags and line of each.

        Raises:
            OSError: The disk is full or fails. What was written before stays as it was.
        """
        entries = list(entries)
        offset = self.size
        self._append(b"".join(line for _, _, line in entries))
        for key, flags, line in entries:
            self._rows += ROW.pack(key, offset, len(line), flags)
            if not self.flags.get(key, 0) & ANSWERED:
                self.flags[key] = flags
            offset += len(line)

    def seal(self) -> Segment:
        """Writes the index, closes the file, and returns the segment."""
        with self._file:
            rows = sorted_rows(self._rows)
            try_write_index(self.path, self.size, rows)
        return Segment.of(self.path, rows)

    def _append(self, data: bytes) -> None:
        descriptor, rest = self._file.fileno(), memoryview(data)
        try:
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            sync_data(descriptor)
        except OSError:
            with contextlib.suppress(OSError):  # else it is cut when the segment is opened next
                os.ftruncate(descriptor, self.size)
            raise
        self.size += len(data)


def open_segments(folder: Path) -> tuple[Segment, ...]:
    """Opens all segments as they are now, those that are being written included.

    Args:
        folder: The folder of segments; it may be missing.

    Returns:
        The segments in the order in which they were begun.
    """
    paths = sorted(folder.glob("*.jsonl"))
    newest = max((path for path in paths if path.stem.endswith(COMPACTED)), default=None)
    # A killed compaction may leave segments that it has replaced.
    return tuple(open_segment(path) for path in paths if newest is None or path >= newest)


def open_segment(path: Path) -> Segment:
    """Opens a segment, makes its index if it has none, and cuts an unfinished end.

    Args:
        path: The file.

    Returns:
        The segment as it is now.

    Raises:
        StillroomError: It was removed by a compaction just now.
    """
    try:
        rows = read_index(path)
        return Segment.of(path, _index(path) if rows is None else rows)
    except FileNotFoundError:
        raise StillroomError(
            f"{path}: the ledger was compacted while it was read; run again"
        ) from None


def next_number(folder: Path) -> int:
    """Returns the number of the segment to be made next."""
    return max((int(path.name[:8]) for path in folder.glob("*.jsonl")), default=0) + 1


def _create(folder: Path) -> tuple[Path, IO[bytes]]:
    """Creates and locks the next segment; no two writers get the same."""
    for number in count(next_number(folder)):
        path = folder / f"{number:08d}.jsonl"
        with contextlib.suppress(FileExistsError):
            file = path.open("xb", buffering=0)
            # Between the two calls a reader may take the lock for a moment; it finds the file empty
            # and leaves it alone.
            fcntl.flock(file, fcntl.LOCK_EX)
            return path, file
    raise AssertionError("count() has no end")


def _index(path: Path) -> Rows:
    """Returns the sorted rows of a segment without an index; writes it if no writer is at work."""
    if not os.access(path, os.W_OK):
        return sorted_rows(_scan(path)[0])
    with path.open("rb+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return sorted_rows(_scan(path)[0])
        return _adopt(path, file)


def _adopt(path: Path, file: IO[bytes]) -> Rows:
    """Finishes a segment whose writer is gone, under its lock."""
    packed, end = _scan(path)
    rows = sorted_rows(packed)
    for _, offset, length, _ in rows[rows["flags"] & DAMAGED != 0].tolist():
        _log.warning("%s: damaged: %d bytes from byte %d are not read", path, length, offset)
    if os.fstat(file.fileno()).st_size > end:
        _cut(path, file, end)
    make_durable(path)
    if end:
        try_write_index(path, end, rows)
    return rows


def _cut(path: Path, file: IO[bytes], end: int) -> None:
    """Cuts an unfinished entry, and keeps its bytes beside the segment."""
    file.seek(end)
    rest = file.read()
    _log.warning("%s: cut an unfinished entry: %d bytes from byte %d", path, len(rest), end)
    with path.with_suffix(".cut").open("ab") as aside:
        aside.write(rest)
        aside.flush()
        sync_data(aside.fileno())
    file.truncate(end)


def _scan(path: Path) -> tuple[bytearray, int]:
    """Reads a segment from end to end.

    Returns:
        Its packed rows in the order of the file, and where its last line ends. A broken line is
        damage, and its row is flagged. What follows the last newline is unfinished.
    """
    rows, offset = bytearray(), 0
    with path.open("rb", buffering=2**20) as file:
        for line in file:
            if is_intact(line):
                rows += _row(line, offset)
            elif line.endswith(b"\n") or is_intact(line[:-1] + b"\n"):
                rows += ROW.pack(_NO_ID, offset, len(line), DAMAGED)
            else:
                break
            offset += len(line)
    return rows, offset


def _row(line: bytes, offset: int) -> bytes:
    entry = read_line(line)
    match entry["kind"]:
        case "response":
            key = bytes.fromhex(entry["request_id"])
            flags = response_flags(judged_outcome(entry) == Outcome.ANSWER, entry["final"])
        case "decision":
            key, flags = decision_key(entry["verdict"]["decision_id"]), DECISION
        case _:
            return b""
    return ROW.pack(key, offset, len(line), flags)
