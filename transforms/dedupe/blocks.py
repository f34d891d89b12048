"""What the Beam steps of deduplication pass on: one small block for each bucket."""

from __future__ import annotations

from dataclasses import dataclass

from schemas.codes import DedupeMethod
from schemas.manifest import Compared
from schemas.records import DedupeProvenance


@dataclass(frozen=True, slots=True)
class SketchBlock:
    """A bucket whose sketches are on disk.

    Attributes:
        bucket: Number of the bucket, or of a file of an index.
        records: Number of its records.
    """

    bucket: int
    records: int


@dataclass(frozen=True, slots=True)
class Removal:
    """The removal of a duplicate.

    Attributes:
        witness: Id of the kept record that it duplicates.
        similarity: Similarity of the two: 1 for exact duplicates, else the Jaccard similarity.
        method: How it was found.
        of: The earlier version of a corpus that holds the witness; None for a record of this run.
    """

    witness: str
    similarity: float
    method: DedupeMethod
    of: Compared | None = None


@dataclass(frozen=True, slots=True)
class VerdictBlock:
    """The verdicts on a bucket's records; records without an entry have no duplicates.

    Attributes:
        bucket: Number of the bucket.
        removed: The removed records, by id.
        clusters: The kept records that have duplicates, by id. The method of a cluster is `near` if
            any of its removed records is not an exact duplicate.
    """

    bucket: int
    removed: dict[str, Removal]
    clusters: dict[str, DedupeProvenance]
