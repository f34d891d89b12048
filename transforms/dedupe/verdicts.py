"""Puts the verdicts on a bucket's records together, with ids in place of references."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from schemas.records import DedupeProvenance
from transforms.dedupe.blocks import (
    Method,
    Removal,
    Rows,
    VerdictBlock,
    buckets_of,
    rows_of,
    split,
)
from transforms.dedupe.sidecar import Sidecar, sidecar_file


def verdict_block(bucket: int, fates: Rows, folder: Path) -> VerdictBlock:
    """Makes the verdicts on one bucket.

    Args:
        bucket: Which bucket.
        fates: What was decided of its records, of dtype `FATE`.
        folder: Folder in which deduplication works.

    Returns:
        The verdicts, by id.
    """
    block = VerdictBlock(bucket, {}, {})
    names = _names(np.concatenate((fates["ref"], fates["witness"])), folder)
    for ref, witness, similarity, exact, size in fates.tolist():
        method: Method = "exact" if exact else "near"
        if ref == witness:
            block.clusters[names[ref]] = DedupeProvenance(names[ref], size, method)
        else:
            block.removed[names[ref]] = Removal(names[witness], similarity, method)
    return block


def _names(refs: NDArray[np.uint64], folder: Path) -> dict[int, str]:
    """Looks up the ids of references in the sidecars of their buckets."""
    names: dict[int, str] = {}
    for bucket, part in split(np.unique(refs), buckets_of(np.unique(refs))):
        ids = Sidecar(sidecar_file(folder, bucket)).ids(rows_of(part))
        names.update(zip(part.tolist(), ids, strict=True))
    return names
