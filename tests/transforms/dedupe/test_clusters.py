"""Each removed record is similar to a kept one."""

from __future__ import annotations

from random import Random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from transforms.dedupe.clusters import choose_removals, form_clusters, split_members
from transforms.dedupe.rows import EDGE

Edges = dict[tuple[int, int], float]

EDGES = st.dictionaries(
    st.tuples(st.integers(0, 30), st.integers(0, 30)).filter(lambda pair: pair[0] < pair[1]),
    st.sampled_from([0.8, 0.85, 0.9, 1.0]),
    max_size=60,
)


def _rows(edges: Edges) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    return np.array([(*pair, value) for pair, value in edges.items()], EDGE)


def _by_rank(edges: Edges) -> dict[int, tuple[int, float]]:
    """Decides the records one by one in order of rank: slow and simple."""
    gone: dict[int, tuple[int, float]] = {}
    for record in range(31):
        stay = [
            (-value, better)
            for (better, worse), value in edges.items()
            if worse == record and better not in gone
        ]
        if stay:
            gone[record] = (min(stay)[1], -min(stay)[0])
    return gone


@given(EDGES)
def test_the_rounds_give_the_result_of_one_pass_by_rank(edges: Edges) -> None:
    chosen = {
        worse: (better, value) for better, worse, value in choose_removals(_rows(edges)).tolist()
    }
    assert chosen == _by_rank(edges)


@given(EDGES, st.randoms())
def test_the_order_of_edges_does_not_matter(edges: Edges, order: Random) -> None:
    shuffled = list(edges.items())
    order.shuffle(shuffled)
    assert np.array_equal(choose_removals(_rows(dict(shuffled))), choose_removals(_rows(edges)))


def test_of_a_chain_every_second_record_is_kept() -> None:
    chain = {(record, record + 1): 0.85 for record in range(200)}
    gone = choose_removals(_rows(chain))["worse"].tolist()
    assert gone == list(range(1, 201, 2))


def test_the_witness_is_the_most_similar_kept_record() -> None:
    edges = {(0, 5): 0.8, (1, 5): 0.9, (2, 5): 0.9, (0, 3): 0.8, (3, 5): 1.0}
    assert choose_removals(_rows(edges)).tolist() == [(0, 3, 0.8), (1, 5, 0.9)]


def test_a_copy_of_a_removed_record_gets_the_same_witness() -> None:
    members = form_clusters(_rows({(4, 7): 1.0, (4, 9): 1.0, (2, 6): 1.0}), _rows({(1, 4): 0.85}))
    assert members.tolist() == [
        (1, 1, 1.0, False, 4),
        (2, 2, 1.0, True, 2),
        (4, 1, 0.85, False, 0),
        (6, 2, 1.0, True, 0),
        (7, 1, 0.85, False, 0),
        (9, 1, 0.85, False, 0),
    ]


@given(EDGES)
def test_the_size_of_a_cluster_counts_removed_records_and_the_kept_one(near: Edges) -> None:
    copies = {(record, record + 100): 1.0 for record in range(0, 30, 3)}
    members = form_clusters(_rows(copies), _rows(near))
    removed = members[members["ref"] != members["witness"]]
    clusters = members[members["ref"] == members["witness"]]
    assert clusters["size"].sum() == len(members)
    assert set(removed["witness"]) == set(clusters["ref"])
    assert not set(removed["ref"]) & set(clusters["ref"])
    assert set(removed["ref"]) >= {copy for _, copy in copies}


def test_without_duplicates_there_are_no_clusters() -> None:
    assert len(form_clusters(_rows({}), _rows({}))) == 0


def test_members_are_split_by_the_buckets_of_their_records() -> None:
    members = form_clusters(_rows({(3 << 32, 5 << 32): 1.0}), _rows({}))
    assert [(bucket, len(rows)) for bucket, rows in split_members(members)] == [(3, 1), (5, 1)]
