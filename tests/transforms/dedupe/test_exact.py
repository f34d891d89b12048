"""Exact duplicates."""

from __future__ import annotations

from random import Random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from transforms.dedupe.blocks import PARTITION_BITS, buckets_of, join, rows_of
from transforms.dedupe.exact import KEY, find_exact, split_keys, split_losers

KEYS = st.lists(st.integers(0, 5), max_size=30)  # few distinct keys: many duplicates


def _keys(numbers: list[int]) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    """Makes 16-byte keys that differ in their first, middle or last byte alone."""
    keys = np.zeros((len(numbers), 16), np.uint8)
    for row, number in enumerate(numbers):
        keys[row, (0, 7, 15)[number % 3]] = number
    return keys


@given(st.lists(KEYS, min_size=1, max_size=4), st.randoms())
def test_the_best_ranked_of_each_key_stands_for_the_others(
    buckets: list[list[int]], order: Random
) -> None:
    best: dict[int, int] = {}
    expected = set()
    pieces = []
    for bucket, numbers in enumerate(buckets):
        pieces += [rows for _, rows in split_keys(bucket, _keys(numbers))]
        for row, number in enumerate(numbers):
            ref = (bucket << 32) + row
            if best.setdefault(number, ref) != ref:
                expected.add((best[number], ref, 1.0))
    order.shuffle(pieces)
    assert set(find_exact(join(pieces, KEY)).tolist()) == expected


def test_equal_keys_meet_in_one_partition() -> None:
    keys = np.random.default_rng(1).integers(0, 256, (500, 16), np.uint8)
    one, other = dict(split_keys(0, keys)), dict(split_keys(7, keys))
    assert one.keys() == other.keys() <= set(range(1 << PARTITION_BITS))
    for part, rows in one.items():
        assert np.array_equal(rows["key"], other[part]["key"])
        assert set(buckets_of(other[part]["ref"])) == {7}


def test_losers_go_to_their_own_buckets() -> None:
    rows = join((rows for bucket in (2, 1) for _, rows in split_keys(bucket, _keys([3, 3]))), KEY)
    losers = {
        bucket: rows_of(edges["worse"]).tolist() for bucket, edges in split_losers(find_exact(rows))
    }
    assert losers == {1: [1], 2: [0, 1]}
