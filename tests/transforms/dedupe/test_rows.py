"""References rank records; packed rows are split and joined without loss."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from transforms.dedupe.rows import (
    EDGE,
    INDEXED,
    are_indexed,
    are_new,
    as_published,
    buckets_of,
    changes,
    join,
    pack,
    references,
    rows_of,
    split,
)


@given(st.integers(0, INDEXED + 9), st.lists(st.integers(0, 2**32 - 1), min_size=1))
def test_a_reference_holds_bucket_and_row(bucket: int, rows: list[int]) -> None:
    refs = references(bucket, np.array(rows))
    assert set(buckets_of(refs).tolist()) == {bucket}
    assert rows_of(refs).tolist() == rows
    assert are_indexed(refs).all() == (bucket >= INDEXED)
    assert are_new(refs).all() == (bucket < INDEXED)
    assert rows_of(as_published(refs)).tolist() == rows


def test_records_rank_by_publication_then_bucket_then_row() -> None:
    row = np.array([5])
    ranked = [
        as_published(references(0, row)),
        as_published(references(7, row)),
        references(INDEXED, row),
        references(INDEXED + 1, np.array([0])),
        references(0, np.array([0])),
        references(0, row),
        references(7, np.array([0])),
    ]
    values = [int(refs[0]) for refs in ranked]
    assert values == sorted(values)
    assert len(set(values)) == len(values)


@given(st.lists(st.integers(0, 5)))
def test_rows_are_split_by_part_in_their_order(parts: list[int]) -> None:
    rows = np.arange(len(parts))
    found = [(part, piece.tolist()) for part, piece in split(rows, np.array(parts, np.int64))]
    assert found == [
        (part, [row for row, of in enumerate(parts) if of == part]) for part in sorted(set(parts))
    ]


def test_changes_mark_the_first_row_and_every_new_combination() -> None:
    marks = changes(np.array([1, 1, 1, 2]), np.array([7, 7, 8, 8]))
    assert marks.tolist() == [True, False, True, True]
    assert changes(np.empty(0)).tolist() == []


def test_packed_rows_are_joined_in_order() -> None:
    rows = pack(EDGE, better=np.array([1, 2]), worse=np.array([3, 4]), similarity=np.ones(2))
    assert join([rows[1:], rows[:1]], EDGE).tolist() == [(2, 4, 1.0), (1, 3, 1.0)]
    assert join([], EDGE).dtype == EDGE
