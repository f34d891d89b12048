"""Passes rows between Beam steps on disk, so that Beam groups only their places.

A local runner holds grouped values in memory several times: 240 bytes of bands for each record took
1.7 GB for a million records. So each step writes its rows to one file, sorted by receiver, and each
receiver reads its slice of every file. A step that runs again writes the same file again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from transforms.dedupe.rows import Rows, join
from transforms.storage.files import commit, partial_file


@dataclass(frozen=True, slots=True)
class RowSlice:
    """A range of rows in a file.

    Attributes:
        file: Number of the file, which is the number of the bucket or partition that wrote it.
        start: Index of the first row.
        count: Number of rows.
    """

    file: int
    start: int
    count: int


@dataclass(frozen=True, slots=True)
class RowFiles:
    """A folder of files with packed rows.

    Attributes:
        folder: The folder; created if missing.
        dtype: Type of a row.
    """

    folder: Path
    dtype: np.dtype[np.void]

    def write(self, file: int, parts: Iterable[tuple[int, Rows]]) -> Iterator[tuple[int, RowSlice]]:
        """Writes rows to one file, all or nothing.

        Args:
            file: Number of the file.
            parts: The number of a receiver, and its rows.

        Yields:
            The number of a receiver, and the slice of its rows, after the whole file is written.
        """
        places = []
        start = 0
        with partial_file(self.folder) as hidden:
            with hidden.open("wb") as stream:
                for part, rows in parts:
                    stream.write(rows.tobytes())
                    places.append((part, RowSlice(file, start, len(rows))))
                    start += len(rows)
            commit(hidden, self._path(file), durable=False)
        yield from places

    def read(self, slices: Iterable[RowSlice]) -> Rows:
        """Returns the rows of some slices, in order."""
        return join((self._read(part) for part in slices), self.dtype)

    def _read(self, part: RowSlice) -> Rows:
        offset = part.start * self.dtype.itemsize
        return np.fromfile(self._path(part.file), self.dtype, part.count, offset=offset)

    def _path(self, file: int) -> Path:
        return self.folder / f"{file:04d}.rows"
