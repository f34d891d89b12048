"""Makes the verdicts on a bucket's records: looks up the ids of references."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from schemas.codes import DedupeMethod
from schemas.manifest import Compared
from schemas.records import DedupeProvenance
from transforms.dedupe.blocks import Removal, VerdictBlock
from transforms.dedupe.rows import Rows, are_indexed, buckets_of, rows_of, split
from transforms.dedupe.sources import Sources


def verdict_block(bucket: int, members: Rows, sources: Sources) -> VerdictBlock:
    """Returns the verdicts on one bucket.

    Args:
        bucket: Number of the bucket.
        members: The rows of its records, of dtype `MEMBER`.
        sources: Where the records are.

    Returns:
        The verdicts, by id.
    """
    block = VerdictBlock(bucket, {}, {})
    names = _names(np.concatenate((members["ref"], members["witness"])), sources)
    of = _versions(members["witness"], sources)
    for ref, witness, similarity, exact, size in members.tolist():
        method = DedupeMethod.EXACT if exact else DedupeMethod.NEAR
        if ref == witness:
            block.clusters[names[ref]] = DedupeProvenance(names[ref], size, method)
        else:
            block.removed[names[ref]] = Removal(names[witness], similarity, method, of.get(witness))
    return block


def _names(refs: NDArray[np.uint64], sources: Sources) -> dict[int, str]:
    """Returns the ids of references, read from the sidecars of their buckets."""
    names: dict[int, str] = {}
    for bucket, part in split(np.unique(refs), buckets_of(np.unique(refs))):
        ids = sources.sidecar(bucket).ids(rows_of(part))
        names.update(zip(part.tolist(), ids, strict=True))
    return names


def _versions(refs: NDArray[np.uint64], sources: Sources) -> dict[int, Compared]:
    """Returns the versions that indexed records belong to."""
    indexed = np.unique(refs[are_indexed(refs)])
    return {
        int(ref): sources.version(bucket)
        for ref, bucket in zip(indexed, buckets_of(indexed), strict=True)
    }
