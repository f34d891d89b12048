"""Finds candidates: pairs of records that share a band and so are worth comparing."""

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

# `key` is the lower half of a band key. The leading bits choose the partition; if two keys are
# equal by chance, that costs one comparison.
BAND = np.dtype([("key", "<u4"), ("ref", "<u8")])
PAIR = np.dtype([("better", "<u8"), ("worse", "<u8")])

HOT_MEMBERS = 64  # beyond it a key is hot: a thousand records would make half a million pairs
LEADERS = 16  # best-ranked records of a hot key, with which its other records are paired


def split_bands(refs: NDArray[np.uint64], bands: NDArray[np.uint64]) -> Iterator[tuple[int, Rows]]:
    """Spreads the bands of a bucket's records over the partitions by their leading bits.

    Args:
        refs: The records: m.
        bands: Their band keys: m by 20.

    Yields:
        The number of a partition, and its rows of dtype `BAND`.
    """
    keys = bands.ravel()
    packed = pack(BAND, key=keys.astype(np.uint32), ref=np.repeat(refs, BANDS))
    return split(packed, keys >> np.uint64(64 - PARTITION_BITS))


def find_candidates(rows: Rows) -> tuple[Rows, int]:
    """Pairs new records that share a band key, with one another and with published records.

    A key with more than 64 new records is hot: its records are paired only with the 16 best-ranked
    of them, so the number of pairs grows with the records and not with their square. The same holds
    for published records of a key. Published records are not paired with one another, and do not
    change which new records are.

    Args:
        rows: All rows of one partition, of dtype `BAND`, in any order.

    Returns:
        Distinct pairs of dtype `PAIR`, and the number of hot keys that new records have.
    """
    rows = rows[np.lexsort((rows["ref"], rows["key"]))]
    refs, new = rows["ref"], are_new(rows["ref"])
    first = changes(rows["key"], new)  # within a key, published records sort before new ones
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
    """Returns pairs of dtype `PAIR`, each once, without pairs of a record with itself."""
    pairs = pairs[np.lexsort((pairs["worse"], pairs["better"]))]
    keep = changes(pairs["better"], pairs["worse"]) & (pairs["better"] != pairs["worse"])
    distinct: Rows = pairs[keep]
    return distinct


def split_pairs(pairs: Rows) -> Iterator[tuple[int, Rows]]:
    """Splits pairs by the bucket of the better-ranked record, which compares them."""
    return split(pairs, buckets_of(pairs["better"]))


def _meets_published(keys: NDArray[np.uint32], new: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Marks the groups of new records whose key published records have too.

    `np.roll` compares the first group with the last. They have the same key only if there is no
    other; a first group of new records is then the only group, and is not marked.
    """
    marks: NDArray[np.bool_] = new & ~np.roll(new, 1) & (keys == np.roll(keys, 1))
    return marks


def _pairs(
    refs: NDArray[np.uint64], starts: NDArray[np.int64], counts: NDArray[np.int64]
) -> Iterator[Rows]:
    """Pairs each record with the first `counts` records from `starts` on."""
    for place in range(HOT_MEMBERS):
        later = np.flatnonzero(counts > place)
        if not later.size:
            return
        yield pack(PAIR, better=refs[starts[later] + place], worse=refs[later])
