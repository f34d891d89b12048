"""Rows on their way between two steps: on disk, while only their place travels.

A local runner holds whatever is grouped in memory, several times over: 240 bytes of bands a record
took 1.7 GB for a million records. So each step writes what it passes on to one file, sorted by
where it goes, and each receiver reads its part of every file. A step that runs twice writes the
same file twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from transforms.dedupe.rows import Rows, join
from transforms.storage.files import partial_file


@dataclass(frozen=True, slots=True)
class RowSlice:
    """Where some rows lie.

    Attributes:
        file: Number of the file: that of the bucket or partition that wrote it.
        start: First row.
        count: How many.
    """

    file: int
    start: int
    count: int


@dataclass(frozen=True, slots=True)
class RowFiles:
    """A folder of packed rows.

    Attributes:
        folder: The folder; it is made.
        dtype: What a row is.
    """

    folder: Path
    dtype: np.dtype[np.void]

    def write(self, file: int, parts: Iterable[tuple[int, Rows]]) -> Iterator[tuple[int, RowSlice]]:
        """Writes rows to one file, all or nothing.

        Args:
            file: Number of the file.
            parts: Whom the rows are for, and the rows.

        Yields:
            Whom the rows are for, and where they lie; nothing before the whole file is written.
        """
        places = []
        start = 0
        with partial_file(self.folder) as hidden:
            with hidden.open("wb") as stream:
                for part, rows in parts:
                    stream.write(rows.tobytes())
                    places.append((part, RowSlice(file, start, len(rows))))
                    start += len(rows)
            hidden.replace(self._path(file))
        yield from places

    def read(self, pieces: Iterable[RowSlice]) -> Rows:
        """Reads pieces and joins them."""
        return join((self._read(piece) for piece in pieces), self.dtype)

    def _read(self, piece: RowSlice) -> Rows:
        offset = piece.start * self.dtype.itemsize
        return np.fromfile(self._path(piece.file), self.dtype, piece.count, offset=offset)

    def _path(self, file: int) -> Path:
        return self.folder / f"{file:04d}.rows"
