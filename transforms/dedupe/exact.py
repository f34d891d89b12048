"""Finds exact duplicates: records whose normalised prompt and completion are equal."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from transforms.dedupe.rows import EDGE, PARTITION_BITS, Rows, buckets_of, changes, pack, split

# A key as two numbers; rows are sorted by them only to bring equal keys together.
KEY = np.dtype([("key", "<u8", 2), ("ref", "<u8")])


def split_keys(refs: NDArray[np.uint64], keys: NDArray[np.uint8]) -> Iterator[tuple[int, Rows]]:
    """Spreads a bucket's records over the partitions by the leading bits of their keys.

    Args:
        refs: The records: n.
        keys: Their exact keys: n by 16 bytes.

    Yields:
        The number of a partition, and its rows of dtype `KEY`.
    """
    rows = pack(KEY, key=keys.view("<u8"), ref=refs)
    return split(rows, keys[:, 0] >> (8 - PARTITION_BITS))


def find_exact(rows: Rows) -> Rows:
    """Finds the records with equal keys; the best-ranked record of each key is kept.

    Records that were published before are paired too. So at most one of each key is left to compare
    with new records.

    Args:
        rows: All rows of one partition, of dtype `KEY`, in any order.

    Returns:
        Rows of dtype `EDGE`, similarity 1, from the best-ranked record to each of the others.
    """
    upper, lower = rows["key"].T
    rows = rows[np.lexsort((rows["ref"], lower, upper))]
    first = changes(*rows["key"].T)
    refs = rows["ref"]
    leaders = refs[first][np.cumsum(first) - 1]
    others = ~first
    return pack(
        EDGE,
        better=leaders[others],
        worse=refs[others],
        similarity=np.ones(np.count_nonzero(others)),
    )


def split_removed(edges: Rows) -> Iterator[tuple[int, Rows]]:
    """Splits edges by the bucket of the removed record."""
    return split(edges, buckets_of(edges["worse"]))
