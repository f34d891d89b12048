"""The index of a segment: where each entry is, sorted by id, mapped from disk.

An index is a header (magic, bytes of the segment that it describes), one packed row an entry (id,
offset, length, flags) and the CRC-32 of all that. It is mapped, so a ledger of any size is searched
in little memory. If it is missing or its checksum does not match, it is made again from the
segment. It vouches for the segment's bytes: if there are fewer of them, entries are missing.
"""

from __future__ import annotations

import hashlib
import logging
import os
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from schemas.errors import StillroomError
from transforms.ledger.entries import is_intact, read_line
from transforms.storage.files import write_parts

_log = logging.getLogger(__name__)

# The flags of an entry. Damage is `ACCEPTED` once a run was told to go on without what is missing.
ANSWERED, FINAL, DECISION, DAMAGED, ACCEPTED = 1, 2, 4, 8, 16

ID_BYTES = 32
ROW = struct.Struct("<32sQIB")  # id, offset, length, flags
_ROW_TYPE = np.dtype([("id", "S32"), ("offset", "<u8"), ("length", "<u4"), ("flags", "u1")])
_HEADER = struct.Struct("<8sQ")
_CHECKSUM = struct.Struct("<I")
# 3: with a checksum. An older index is made again, but believed if it describes more bytes than
# its segment has.
_MAGIC, _OLD_MAGICS = b"STILLIX3", (b"STILLIX1", b"STILLIX2")
_ROWS_AT_ONCE = 4096

Rows = npt.NDArray[np.void]


class IndexEntry(NamedTuple):
    """Where an entry is.

    Attributes:
        id: Id of the request (or of the decision), 32 bytes less any zeros at the end.
        offset: First byte of its line in the segment.
        length: Bytes of the line, its newline included.
        flags: `ANSWERED`, `FINAL`, `DECISION`, `DAMAGED`, `ACCEPTED`.
        segment: The file.
    """

    id: bytes
    offset: int
    length: int
    flags: int
    segment: Path

    def read(self) -> dict[str, Any]:
        """Reads the entry's JSON object; raises as `line` does."""
        return read_line(self.line())

    def line(self) -> bytes:
        """Reads the entry's line.

        Raises:
            StillroomError: It is no longer there, or no longer as it was written.
        """
        try:
            with self.segment.open("rb", buffering=0) as file:
                line = os.pread(file.fileno(), self.length, self.offset)
        except FileNotFoundError:
            raise StillroomError(
                f"{self.segment}: the ledger was compacted while it was read; run again"
            ) from None
        if not is_intact(line):
            raise StillroomError(
                f"{self.segment}: the entry at byte {self.offset} ({self.length} bytes) is "
                f"damaged: its checksum does not match\n  restore the file from a copy; or, to "
                f"have the request asked again, run with --accept-loss"
            )
        return line


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment and its index, as they were when it was opened.

    Attributes:
        path: The file.
        rows: Its entries, sorted by id; those of one id in the order they came.
        ids: The rows' column of ids.
    """

    path: Path
    rows: Rows
    ids: npt.NDArray[np.bytes_]

    @classmethod
    def of(cls, path: Path, rows: Rows) -> Segment:
        """Makes a segment of its rows, which are sorted."""
        rows = np.asarray(rows)  # a plain view: elements of a memmap cost ten times as much
        return cls(path, rows, rows["id"])

    def find(self, key: bytes) -> list[IndexEntry]:
        """Returns the entries of one id, in the order they came.

        Args:
            key: The id, 32 bytes.
        """
        wanted = np.array(key, "S32")
        start = self.ids.searchsorted(wanted)
        if start == len(self.ids) or self.ids[start] != wanted:
            return []
        found = self._between(int(start), int(self.ids.searchsorted(wanted, "right")))
        return [entry for entry in found if not entry.flags & DAMAGED]

    def entries(self, low: bytes = b"", high: bytes | None = None) -> Iterator[IndexEntry]:
        """Yields the entries whose id lies in a range, in the order of ids.

        Args:
            low: The range's first id, or its leading bytes.
            high: The first id beyond the range, or its leading bytes; None for no end.
        """
        start = self.ids.searchsorted(np.array(low, "S32"))
        stop = len(self.ids) if high is None else self.ids.searchsorted(np.array(high, "S32"))
        return self._between(int(start), int(stop))

    def spread(self, most: int) -> Iterator[IndexEntry]:
        """Yields up to so many answers, evenly spread over the ids."""
        last = len(self.rows) - 1
        for place in np.unique(np.linspace(0, last, min(most, last + 1)).astype(int)).tolist():
            yield from (
                entry for entry in self._between(place, place + 1) if entry.flags & ANSWERED
            )

    def damaged(self) -> list[IndexEntry]:
        """Returns the entries that are damaged or missing, and not accepted as lost."""
        spoiled = self.rows[self.rows["flags"] & (DAMAGED | ACCEPTED) == DAMAGED].tolist()
        return [IndexEntry._make((*row, self.path)) for row in spoiled]

    def damage(self) -> list[str]:
        """Returns the same in words, with a count of the responses that are missing."""
        size, missing = self.path.stat().st_size, 0
        found = []
        for entry in self.damaged():
            if entry.offset + entry.length > size:
                missing += not entry.flags & DECISION
            else:
                place = f"{entry.length} bytes from byte {entry.offset}"
                found.append(f"{self.path}: damaged: {place} are not read")
        if missing:
            found.append(
                f"{self.path}: {missing} responses are missing: the file ends at byte {size}, and "
                "its index names more"
            )
        return found

    def _between(self, start: int, stop: int) -> Iterator[IndexEntry]:
        for first in range(start, stop, _ROWS_AT_ONCE):
            for row in self.rows[first : min(first + _ROWS_AT_ONCE, stop)].tolist():
                yield IndexEntry._make((*row, self.path))


def response_flags(answered: bool, final: bool) -> int:
    """Returns the flags of a response."""
    return ANSWERED * answered | FINAL * final


def decision_key(decision_id: str) -> bytes:
    """Returns the 32 bytes under which a decision is indexed."""
    return hashlib.sha256(decision_id.encode()).digest()


def sorted_rows(packed: bytearray) -> Rows:
    """Sorts packed rows by id; those of one id keep their order."""
    rows = np.frombuffer(packed, _ROW_TYPE)
    return rows[np.argsort(rows["id"], kind="stable")]


def try_write_index(segment: Path, size: int, rows: Rows) -> None:
    """Writes a segment's index, or logs that it cannot: reading works without one.

    Args:
        segment: The segment.
        size: Its bytes.
        rows: Its rows, sorted.
    """
    try:
        write_index(segment, size, [rows.tobytes()])
    except OSError as error:
        _log.warning("%s: no index could be written: %s", segment, error)


def write_index(segment: Path, size: int, rows: Iterable[bytes]) -> None:
    """Writes a segment's index, whole or not at all.

    Args:
        segment: The segment.
        size: Its bytes.
        rows: Packed rows, sorted.

    Raises:
        OSError: It cannot be written.
    """
    write_parts(segment.with_suffix(".idx"), _parts(size, rows))


def _parts(size: int, rows: Iterable[bytes]) -> Iterator[bytes]:
    checksum = 0
    for part in chain([_HEADER.pack(_MAGIC, size)], rows):
        checksum = zlib.crc32(part, checksum)
        yield part
    yield _CHECKSUM.pack(checksum)


def read_index(segment: Path) -> Rows | None:
    """Maps a segment's index.

    Args:
        segment: The segment.

    Returns:
        Its rows, sorted; those whose bytes the segment no longer has are flagged as damaged. None
        where there is no index, it is damaged, or it describes less than there is.

    Raises:
        FileNotFoundError: There is no such segment.
    """
    size = segment.stat().st_size
    path = segment.with_suffix(".idx")
    try:
        with path.open("rb") as file:
            magic, described = _read_header(file.read(_HEADER.size))
            if described is None or described < size or (magic != _MAGIC and described == size):
                return None
            rows = _map(file, checked=magic == _MAGIC)
    except FileNotFoundError:
        return None
    if rows is None:
        _log.warning("%s: damaged; it is made again from its segment", path)
    elif described > size:
        return _flag_missing(rows, size)
    return rows


def _read_header(header: bytes) -> tuple[bytes, int | None]:
    """Returns magic and described bytes; None for these where it is no header."""
    if len(header) < _HEADER.size:
        return b"", None
    magic, size = _HEADER.unpack(header)
    # Of an unknown magic nothing is believed, and its checksum is not the reason.
    return magic, size if magic in (_MAGIC, *_OLD_MAGICS) else None


def _map(file: IO[bytes], *, checked: bool) -> Rows | None:
    """Maps the rows of an index; None where their checksum does not match."""
    end = _CHECKSUM.size if checked else 0
    count, rest = divmod(os.fstat(file.fileno()).st_size - _HEADER.size - end, ROW.size)
    if rest or count < 0:
        return None
    if not count:
        return np.empty(0, _ROW_TYPE)
    rows = np.memmap(file, _ROW_TYPE, "r", offset=_HEADER.size, shape=(count,))
    if not checked:
        return rows
    file.seek(0)
    checksum = zlib.crc32(rows.data, zlib.crc32(file.read(_HEADER.size)))
    file.seek(-_CHECKSUM.size, os.SEEK_END)
    return rows if file.read() == _CHECKSUM.pack(checksum) else None


def _flag_missing(rows: Rows, size: int) -> Rows:
    rows = np.array(rows)
    rows["flags"][rows["offset"] + rows["length"] > size] |= DAMAGED
    return rows
