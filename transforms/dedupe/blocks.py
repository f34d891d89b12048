"""What the Beam steps of deduplication pass on: one small block for each bucket."""

from __future__ import annotations

from dataclasses import dataclass

from schemas.codes import DedupeMethod
from schemas.manifest import Compared
from schemas.records import DedupeProvenance


@dataclass(frozen=True, slots=True)
class SketchBlock:
    """Tells that a bucket's sketches are on disk.

    Attributes:
        bucket: Which bucket, or which file of an index.
        records: How many records it holds.
    """

    bucket: int
    records: int


@dataclass(frozen=True, slots=True)
class Removal:
    """Why a record goes.

    Attributes:
        witness: Id of the record that stays and stands for it.
        similarity: How alike the two are: 1 for exact duplicates, else the Jaccard similarity.
        method: How it was found.
        of: The earlier version of a corpus that the witness is of; None for this one's.
    """

    witness: str
    similarity: float
    method: DedupeMethod
    of: Compared | None = None


@dataclass(frozen=True, slots=True)
class VerdictBlock:
    """What becomes of one bucket's records; those named nowhere stay, alone.

    Attributes:
        bucket: Which bucket.
        removed: The records that go, by id.
        clusters: The records that stay and stand for others, by id, with the size of the cluster
            and `near` as its method where any of the others is not an exact duplicate.
    """

    bucket: int
    removed: dict[str, Removal]
    clusters: dict[str, DedupeProvenance]
