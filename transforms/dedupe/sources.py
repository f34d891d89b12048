"""Where the compared records are: in the buckets of this run, and in indexes of earlier corpora."""

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
    """All records that are compared.

    Attributes:
        folder: Folder in which deduplication works: the sidecars of this run's buckets are there.
        against: Indexes whose records go before those of this run.
    """

    folder: Path
    against: tuple[Index, ...] = ()

    def indexed(self) -> list[SketchBlock]:
        """Returns the files of all indexes, numbered as buckets that no run has."""
        files = [file for _, file in self._files()]
        return [SketchBlock(INDEXED + place, file.records) for place, file in enumerate(files)]

    def sidecar(self, bucket: int) -> Sidecar:
        """Opens the sidecar of a bucket, or a file of an index."""
        if bucket < INDEXED:
            return Sidecar(sidecar_file(self.folder, bucket))
        index, file = self._files()[bucket - INDEXED]
        return Sidecar(index.folder / file.path)

    def version(self, bucket: int) -> Compared:
        """Returns the version that a file of an index was made of."""
        return self._files()[bucket - INDEXED][0].version

    def references(self, bucket: int) -> NDArray[np.uint64]:
        """Returns the references of a bucket's records.

        A record that an earlier version of this very corpus holds, word for word, was published
        before: it stays, and what duplicates it goes.

        Args:
            bucket: Which bucket, or which file of an index.
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
