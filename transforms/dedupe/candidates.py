"""Candidates: pairs of records that share a band, hence are worth comparing."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from transforms.dedupe.rows import (
    PARTITION_BITS,
    Rows,
    are_new,
    buckets_of,
    changes,
    join,
    pack,
    split,
)
from transforms.dedupe.signature import BANDS

# The lower half of a band key; its leading bits are the number of the partition, and a chance
# meeting of two keys costs one comparison.
BAND = np.dtype([("key", "<u4"), ("ref", "<u8")])
PAIR = np.dtype([("better", "<u8"), ("worse", "<u8")])

HOT_MEMBERS = 64  # a template that a thousand records share would make half a million pairs
LEADERS = 16


def split_bands(refs: NDArray[np.uint64], bands: NDArray[np.uint64]) -> Iterator[tuple[int, Rows]]:
    """Spreads the bands of a bucket's records over the partitions by their leading bits.

    Args:
        refs: The records: m.
        bands: Their band keys: m by 20.

    Yields:
        Partition, and its rows of dtype `BAND`.
    """
    keys = bands.ravel()
    packed = pack(BAND, key=keys.astype(np.uint32), ref=np.repeat(refs, BANDS))
    return split(packed, keys >> np.uint64(64 - PARTITION_BITS))


def find_candidates(rows: Rows) -> tuple[Rows, int]:
    """Pairs the new records that share a band key with one another and with published ones.

    A key of more than 64 new records is hot: they are paired with the 16 best-ranked of them only,
    so that the pairs grow with the records and not with their square. The same holds of a key of
    more than 64 published records. Published ones are not paired with one another, and do not
    change which new ones are.

    Args:
        rows: All rows of one partition, of dtype `BAND`, in any order.

    Returns:
        Distinct pairs of dtype `PAIR`; and how many keys were hot.
    """
    rows = rows[np.lexsort((rows["ref"], rows["key"]))]
    refs, new = rows["ref"], are_new(rows["ref"])
    first = changes(rows["key"], new)  # a key's published records stand before its new ones
    group = np.cumsum(first) - 1
    starts = np.flatnonzero(first)
    sizes = np.diff(starts, append=len(rows))
    hot = sizes > HOT_MEMBERS
    reach = np.where(hot, LEADERS, sizes)
    meets = _meets_published(rows["key"][starts], new[starts])
    among = np.where(new, np.minimum(np.arange(refs.size) - starts[group], reach[group]), 0)
    before = np.where(meets[group], reach[group - 1], 0)
    pairs = (*_pairs(refs, starts[group], among), *_pairs(refs, starts[group - 1], before))
    capped = new[starts] & (hot | (meets & np.roll(hot, 1)))
    return distinct_pairs(join(pairs, PAIR)), int(np.count_nonzero(capped))


def distinct_pairs(pairs: Rows) -> Rows:
    """Returns pairs of dtype `PAIR`, each once and none of a record with itself."""
    pairs = pairs[np.lexsort((pairs["worse"], pairs["better"]))]
    keep = changes(pairs["better"], pairs["worse"]) & (pairs["better"] != pairs["worse"])
    distinct: Rows = pairs[keep]
    return distinct


def split_pairs(pairs: Rows) -> Iterator[tuple[int, Rows]]:
    """Splits pairs by the bucket of the better-ranked record, where they will be compared."""
    return split(pairs, buckets_of(pairs["better"]))


def _meets_published(keys: NDArray[np.uint32], new: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Marks the groups of new records that stand after the published ones of the same key.

    The first group is no exception: the last one, which stands before it here, is of the same key
    only where there is no other key, and is then itself new.
    """
    marks: NDArray[np.bool_] = new & ~np.roll(new, 1) & (keys == np.roll(keys, 1))
    return marks


def _pairs(
    refs: NDArray[np.uint64], starts: NDArray[np.int64], counts: NDArray[np.int64]
) -> Iterator[Rows]:
    """Pairs each record with as many as its count says, those that stand from its start on."""
    for place in range(HOT_MEMBERS):
        later = np.flatnonzero(counts > place)
        if not later.size:
            return
        yield pack(PAIR, better=refs[starts[later] + place], worse=refs[later])
