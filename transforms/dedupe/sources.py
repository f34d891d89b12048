"""Opens the sketches of all compared records: of this run, and of indexes of earlier corpora."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from schemas.index import Index, IndexFile
from schemas.manifest import Compared
from transforms.dedupe.blocks import SketchBlock
from transforms.dedupe.rows import INDEXED, as_published, references
from transforms.dedupe.sidecar import Sidecar, sidecar_file


@dataclass(frozen=True, slots=True)
class Sources:
    """The sketches of all compared records.

    Attributes:
        folder: Work folder of deduplication, with the sidecars of this run's buckets.
        against: Indexes of earlier corpora, whose records rank above those of this run.
    """

    folder: Path
    against: tuple[Index, ...] = ()

    def indexed(self) -> list[SketchBlock]:
        """Returns a block for each file of an index, numbered from `INDEXED` on."""
        files = [file for _, file in self._files()]
        return [SketchBlock(INDEXED + place, file.records) for place, file in enumerate(files)]

    def sidecar(self, bucket: int) -> Sidecar:
        """Opens the sidecar of a bucket, or a file of an index."""
        if bucket < INDEXED:
            return Sidecar(sidecar_file(self.folder, bucket))
        index, file = self._files()[bucket - INDEXED]
        return Sidecar(index.folder / file.path)

    def version(self, bucket: int) -> Compared:
        """Returns the version that a file of an index was made from."""
        return self._files()[bucket - INDEXED][0].version

    def references(self, bucket: int) -> NDArray[np.uint64]:
        """Returns the references of a bucket's records.

        A record that an earlier version of this corpus holds with the same text was published
        before: it ranks above new records, so it is kept and its duplicates are removed.

        Args:
            bucket: Number of the bucket, or of a file of an index.
        """
        sidecar = self.sidecar(bucket)
        refs = references(bucket, np.arange(sidecar.records))
        return (
            np.where(self._published_before(sidecar), as_published(refs), refs)
            if bucket < INDEXED
            else refs
        )

    def _published_before(self, sidecar: Sidecar) -> NDArray[np.bool_]:
        held = np.zeros(sidecar.records, np.bool_)
        if not sidecar.records:
            return held
        first, last = sidecar.ids(np.array([0, sidecar.records - 1]))
        identities = sidecar.identities()
        for index, file in self._files():
            if index.version.own and file.first <= last and first <= file.last:
                known = Sidecar(index.folder / file.path).identities()
                held |= np.isin(identities, known)
        return held

    def _files(self) -> list[tuple[Index, IndexFile]]:
        return [(index, file) for index in self.against for file in index.files]
