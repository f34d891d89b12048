"""Candidates."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import combinations
from random import Random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from transforms.dedupe.candidates import (
    BAND,
    HOT_MEMBERS,
    LEADERS,
    PAIR,
    distinct_pairs,
    find_candidates,
    split_bands,
    split_pairs,
)
from transforms.dedupe.rows import are_new, as_published, join, pack, references

NEW = 1 << 63


def _bands(
    new: Iterable[tuple[int, int]], old: Iterable[tuple[int, int]] = ()
) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    """Makes rows of new and of published records, given as key and place."""
    return np.array([(key, NEW + ref) for key, ref in new] + list(old), BAND)


def _places(pairs: np.ndarray[tuple[int], np.dtype[np.void]]) -> list[tuple[int, int]]:
    assert are_new(pairs["worse"]).all()
    sides = (as_published(pairs[side]).tolist() for side in ("better", "worse"))
    return list(zip(*sides, strict=True))


ROWS = st.sets(st.tuples(st.integers(0, 6), st.integers(0, 40)), max_size=80)


@given(ROWS, st.randoms())
def test_every_two_records_of_one_key_are_a_pair(rows: set[tuple[int, int]], order: Random) -> None:
    members = defaultdict(list)
    for key, ref in sorted(rows):
        members[key].append(ref)
    expected = {pair for refs in members.values() for pair in combinations(refs, 2)}
    shuffled = sorted(rows)
    order.shuffle(shuffled)
    pairs, hot = find_candidates(_bands(shuffled))
    assert _places(pairs) == sorted(expected)
    assert hot == 0


def test_a_key_of_64_records_is_paired_in_full() -> None:
    pairs, hot = find_candidates(_bands([(1, ref) for ref in range(HOT_MEMBERS)]))
    assert len(pairs) == HOT_MEMBERS * (HOT_MEMBERS - 1) // 2
    assert hot == 0


def test_a_hot_key_is_paired_with_its_best_ranked_records_alone() -> None:
    members = range(HOT_MEMBERS + 1)
    pairs, hot = find_candidates(_bands([(1, ref) for ref in reversed(members)] + [(2, 0), (2, 9)]))
    leaders = [(one, other) for one in range(LEADERS) for other in members if one < other]
    assert _places(pairs) == leaders
    assert hot == 1


OLD = st.sets(st.tuples(st.integers(0, 6), st.integers(100, 140)), max_size=80)


@given(ROWS, OLD)
def test_new_records_are_paired_with_published_ones_and_as_before_with_one_another(
    new: set[tuple[int, int]], old: set[tuple[int, int]]
) -> None:
    pairs, _ = find_candidates(_bands(new, old))
    alone, _ = find_candidates(_bands(new))
    among = are_new(pairs["better"])
    assert np.array_equal(pairs[among], alone)
    across = {(other, one) for key, one in new for same, other in old if key == same}
    assert _places(pairs[~among]) == sorted(across)


def test_a_key_that_many_published_records_have_is_paired_with_the_best_ranked_of_them() -> None:
    old = [(1, 1_000 + ref) for ref in range(HOT_MEMBERS + 1)]
    pairs, hot = find_candidates(_bands([(1, 5), (1, 3), (2, 5)], old))
    leaders = [(1_000 + one, new) for one in range(LEADERS) for new in (3, 5)]
    assert _places(pairs) == [*leaders, (3, 5)]
    assert hot == 1


def test_published_records_alone_are_no_candidates() -> None:
    pairs, hot = find_candidates(_bands([(2, 1)], [(1, ref) for ref in range(HOT_MEMBERS + 1)]))
    assert len(pairs) == 0
    assert hot == 0


def test_pairs_are_distinct_and_of_two_records() -> None:
    pairs = np.array([(1, 2), (1, 1), (1, 2), (0, 3)], PAIR)
    assert distinct_pairs(pairs).tolist() == [(0, 3), (1, 2)]


def test_a_record_with_equal_bands_is_no_candidate_of_itself() -> None:
    assert len(find_candidates(_bands([(1, 5), (1, 5)]))[0]) == 0


def test_bands_keep_their_record_and_the_lower_half_of_the_key() -> None:
    keys = np.random.default_rng(1).integers(0, 2**64, (3, 20), np.uint64)
    rows = np.array([4, 7, 9])
    parts = dict(split_bands(references(2, rows), keys))
    packed = join(parts.values(), BAND)
    assert set(parts) == {int(key) >> 58 for key in keys.ravel()}
    expected = [
        (int(key) & 0xFFFFFFFF, NEW + (2 << 32) + int(row))
        for row, of in zip(rows, keys, strict=True)
        for key in of
    ]
    assert sorted(packed.tolist()) == sorted(expected)


def test_pairs_are_split_by_the_bucket_of_the_better_ranked_record() -> None:
    refs = np.array([5 << 32, 1 << 32, 1 << 32], np.uint64)
    pairs = pack(PAIR, better=refs, worse=refs + np.uint64(9 << 32))
    assert {bucket: len(rows) for bucket, rows in split_pairs(pairs)} == {1: 2, 5: 1}
