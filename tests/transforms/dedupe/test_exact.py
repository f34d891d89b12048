"""Exact duplicates."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from transforms.dedupe.exact import KEY, find_exact, split_keys, split_removed
from transforms.dedupe.rows import (
    INDEXED,
    PARTITION_BITS,
    Rows,
    as_published,
    buckets_of,
    join,
    references,
    rows_of,
)

KEYS = st.lists(st.integers(0, 5), max_size=30)  # few distinct keys: many duplicates


def _keys(numbers: list[int]) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    """Makes 16-byte keys that differ in their first, middle or last byte alone."""
    keys = np.zeros((len(numbers), 16), np.uint8)
    for row, number in enumerate(numbers):
        keys[row, (0, 7, 15)[number % 3]] = number
    return keys


def _split(bucket: int, keys: np.ndarray[Any, np.dtype[np.uint8]]) -> Iterator[tuple[int, Rows]]:
    return split_keys(references(bucket, np.arange(len(keys))), keys)


@given(st.lists(KEYS, min_size=1, max_size=4), st.randoms())
def test_the_best_ranked_record_of_each_key_is_kept(
    buckets: list[list[int]], order: Random
) -> None:
    best: dict[int, int] = {}
    expected = set()
    pieces = []
    for bucket, numbers in enumerate(buckets):
        pieces += [rows for _, rows in _split(bucket, _keys(numbers))]
        for row, number in enumerate(numbers):
            ref = (1 << 63) + (bucket << 32) + row
            if best.setdefault(number, ref) != ref:
                expected.add((best[number], ref, 1.0))
    order.shuffle(pieces)
    assert set(find_exact(join(pieces, KEY)).tolist()) == expected


def test_equal_keys_meet_in_one_partition() -> None:
    keys = np.random.default_rng(1).integers(0, 256, (500, 16), np.uint8)
    one, other = dict(_split(0, keys)), dict(_split(7, keys))
    assert one.keys() == other.keys() <= set(range(1 << PARTITION_BITS))
    for part, rows in one.items():
        assert np.array_equal(rows["key"], other[part]["key"])
        assert set(buckets_of(other[part]["ref"])) == {7}


def test_removed_records_are_split_by_their_own_buckets() -> None:
    rows = join((rows for bucket in (2, 1) for _, rows in _split(bucket, _keys([3, 3]))), KEY)
    removed = {
        bucket: rows_of(edges["worse"]).tolist()
        for bucket, edges in split_removed(find_exact(rows))
    }
    assert removed == {1: [1], 2: [0, 1]}


def test_published_records_are_kept_before_new_ones_with_any_ids() -> None:
    """Those of this corpus first, then those of an index, then the new ones."""
    keys = _keys([3])
    new = references(0, np.arange(1))
    indexed = references(INDEXED + 9, np.arange(1))
    held = as_published(references(7, np.arange(1)))
    rows = join((rows for refs in (new, indexed, held) for _, rows in split_keys(refs, keys)), KEY)
    pairs = [(int(held[0]), int(indexed[0]), 1.0), (int(held[0]), int(new[0]), 1.0)]
    assert find_exact(rows).tolist() == pairs
