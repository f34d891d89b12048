"""Candidates: pairs of records that share a band, hence are worth comparing."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from transforms.dedupe.blocks import (
    PARTITION_BITS,
    Rows,
    buckets_of,
    changes,
    join,
    pack,
    references,
    split,
)
from transforms.dedupe.signature import BANDS

# The lower half of a band key; its leading bits are the number of the partition, and a chance
# meeting of two keys costs one comparison.
BAND = np.dtype([("key", "<u4"), ("ref", "<u8")])
PAIR = np.dtype([("better", "<u8"), ("worse", "<u8")])

HOT_MEMBERS = 64  # a template that a thousand records share would make half a million pairs
LEADERS = 16


def split_bands(
    bucket: int, rows: NDArray[np.int64], bands: NDArray[np.uint64]
) -> Iterator[tuple[int, Rows]]:
    """Spreads the bands of a bucket's records over the partitions by their leading bits.

    Args:
        bucket: Which bucket.
        rows: Places of records in it: m.
        bands: Their band keys: m by 20.

    Yields:
        Partition, and its rows of dtype `BAND`.
    """
    keys = bands.ravel()
    refs = np.repeat(references(bucket, rows), BANDS)
    packed = pack(BAND, key=keys.astype(np.uint32), ref=refs)
    return split(packed, keys >> np.uint64(64 - PARTITION_BITS))


def find_candidates(rows: Rows) -> tuple[Rows, int]:
    """Pairs the records that share a band key.

    A key of more than 64 records is hot: its records are paired with its 16 best-ranked ones only,
    so that the pairs grow with the records and not with their square.

    Args:
        rows: All rows of one partition, of dtype `BAND`, in any order.

    Returns:
        Distinct pairs of dtype `PAIR`; and how many keys were hot.
    """
    rows = rows[np.lexsort((rows["ref"], rows["key"]))]
    first = changes(rows["key"])
    starts = np.flatnonzero(first)
    sizes = np.diff(starts, append=len(rows))
    group = np.cumsum(first) - 1
    reach = np.where(sizes > HOT_MEMBERS, LEADERS, HOT_MEMBERS)[group]
    pairs = join(_pairs(rows["ref"], starts[group], reach), PAIR)
    return distinct_pairs(pairs), int(np.count_nonzero(sizes > HOT_MEMBERS))


def distinct_pairs(pairs: Rows) -> Rows:
    """Returns pairs of dtype `PAIR`, each once and none of a record with itself."""
    pairs = pairs[np.lexsort((pairs["worse"], pairs["better"]))]
    keep = changes(pairs["better"], pairs["worse"]) & (pairs["better"] != pairs["worse"])
    distinct: Rows = pairs[keep]
    return distinct


def split_pairs(pairs: Rows) -> Iterator[tuple[int, Rows]]:
    """Splits pairs by the bucket of the better-ranked record, where they will be compared."""
    return split(pairs, buckets_of(pairs["better"]))


def _pairs(
    refs: NDArray[np.uint64], starts: NDArray[np.int64], reach: NDArray[np.int64]
) -> Iterator[Rows]:
    """Pairs each record with those before it in its group, as far into the group as `reach`."""
    places = np.arange(refs.size) - starts
    for place in range(HOT_MEMBERS):
        later = np.flatnonzero((places > place) & (reach > place))
        if not later.size:
            return
        yield pack(PAIR, better=refs[starts[later] + place], worse=refs[later])
