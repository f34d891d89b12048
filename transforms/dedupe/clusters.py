"""Chooses which duplicates to remove, greedily by rank; each resembles a kept record.

To keep one record of each connected component instead would remove records that resemble no kept
one: of a chain of texts, each slightly changed from the one before, only one would be kept.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from transforms.dedupe.rows import Rows, buckets_of, changes, pack, split

# A record of a cluster. The witness of a removed record is the kept record that it duplicates; a
# kept record is its own witness, and `size` counts its cluster. `exact` is true for a kept record
# if all removed records of its cluster are exact duplicates.
MEMBER = np.dtype(
    [("ref", "<u8"), ("witness", "<u8"), ("similarity", "<f8"), ("exact", "?"), ("size", "<i8")]
)


def form_clusters(exact: Rows, near: Rows) -> Rows:
    """Returns the clusters of duplicates: which records are removed, and for which kept record.

    If a record is removed for a witness, its exact duplicates get the same witness.

    Args:
        exact: Exact duplicates, of dtype `EDGE`; `better` is not removed as an exact duplicate.
        near: Near-duplicates among the other records, of dtype `EDGE`.

    Returns:
        Rows of dtype `MEMBER`, ascending by record; none for records without duplicates.
    """
    removals = choose_removals(near)
    exact = exact.copy()
    follows = np.isin(exact["better"], removals["worse"])
    followed = removals[np.searchsorted(removals["worse"], exact["better"][follows])]
    for field in ("better", "similarity"):
        exact[field][follows] = followed[field]
    near_ones = np.zeros(len(removals), "?")
    removed = np.concatenate((_removed(exact, ~follows), _removed(removals, near_ones)))
    return np.sort(np.concatenate((removed, _clusters(removed))), order="ref")


def choose_removals(edges: Rows) -> Rows:
    """Chooses the near-duplicates to remove.

    In each round, a record without an undecided better neighbour is kept, and its neighbours are
    removed. The result is that of one pass by rank. Each round decides at least the best undecided
    record, so the rounds end; ranks are digests, random along any chain, so few rounds are needed.

    Args:
        edges: Distinct rows of dtype `EDGE`.

    Returns:
        One edge for each removed record, ascending by it. `better` is the most similar kept
        neighbour; of equally similar ones, the best-ranked.
    """
    refs, ends = np.unique(np.concatenate((edges["better"], edges["worse"])), return_inverse=True)
    better, worse = np.split(ends, [len(edges)])
    removed = _find_removed(better, worse, refs.size)
    witnesses = edges[removed[worse] & ~removed[better]]
    order = (witnesses["better"], -witnesses["similarity"], witnesses["worse"])
    witnesses = witnesses[np.lexsort(order)]
    return witnesses[changes(witnesses["worse"])]


def split_members(members: Rows) -> Iterator[tuple[int, Rows]]:
    """Splits rows of dtype `MEMBER` by the bucket of their records."""
    return split(members, buckets_of(members["ref"]))


def _find_removed(
    better: NDArray[np.int64], worse: NDArray[np.int64], count: int
) -> NDArray[np.bool_]:
    """Runs the rounds over the edges whose two records are undecided."""
    removed = np.zeros(count, np.bool_)
    while better.size:
        blocked = np.zeros(count, np.bool_)
        blocked[worse] = True
        removed[worse[~blocked[better]]] = True
        undecided = blocked[better] & ~removed[better] & ~removed[worse]
        better, worse = better[undecided], worse[undecided]
    return removed


def _removed(edges: Rows, exact: NDArray[np.bool_]) -> Rows:
    return pack(
        MEMBER,
        ref=edges["worse"],
        witness=edges["better"],
        similarity=edges["similarity"],
        exact=exact,
        size=np.zeros(len(edges)),
    )


def _clusters(removed: Rows) -> Rows:
    refs, places, counts = np.unique(removed["witness"], return_inverse=True, return_counts=True)
    near = np.bincount(places[~removed["exact"]], minlength=refs.size)
    return pack(
        MEMBER,
        ref=refs,
        witness=refs,
        similarity=np.ones(refs.size),
        exact=near == 0,
        size=counts + 1,
    )
