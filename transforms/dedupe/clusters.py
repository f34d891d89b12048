"""Settles who goes: greedily by rank, so that whoever goes is like someone who stays.

Taking connected components instead removes records that resemble nothing that is left: of a chain
of texts, each a little changed from the one before, one alone would stay.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from transforms.dedupe.rows import Rows, buckets_of, changes, pack, split

# What was decided of a record: it goes for a witness; or it stays, is its own witness, and stands
# for `size` records. `exact` holds of a cluster when it holds of all who go for it.
MEMBER = np.dtype(
    [("ref", "<u8"), ("witness", "<u8"), ("similarity", "<f8"), ("exact", "?"), ("size", "<i8")]
)


def form_clusters(exact: Rows, near: Rows) -> Rows:
    """Decides which records go, which stays for each, and how large the clusters are.

    An exact duplicate of a record that goes for a third one goes for the third one too.

    Args:
        exact: Exact duplicates, of dtype `EDGE`; `better` is no exact duplicate itself.
        near: Near-duplicates among the records that are no exact duplicates, of dtype `EDGE`.

    Returns:
        Rows of dtype `MEMBER`, ascending by record; nothing about records that stay alone.
    """
    goes = choose_removals(near)
    exact = exact.copy()
    follows = np.isin(exact["better"], goes["worse"])
    followed = goes[np.searchsorted(goes["worse"], exact["better"][follows])]
    for field in ("better", "similarity"):
        exact[field][follows] = followed[field]
    removed = np.concatenate((_removed(exact, ~follows), _removed(goes, np.zeros(len(goes), "?"))))
    return np.sort(np.concatenate((removed, _clusters(removed))), order="ref")


def choose_removals(edges: Rows) -> Rows:
    """Chooses the records that go among those joined by edges.

    Round by round, a record stays when no better neighbour is undecided, and its neighbours go:
    what a single pass by rank would have decided. Each round decides the best undecided record at
    least, so the rounds end; ranks are digests, random along any chain, so they end soon.

    Args:
        edges: Distinct rows of dtype `EDGE`.

    Returns:
        One edge for each record that goes, ascending by that record: from the most alike of the
        neighbours that stay, and from the best-ranked of those.
    """
    refs, ends = np.unique(np.concatenate((edges["better"], edges["worse"])), return_inverse=True)
    better, worse = np.split(ends, [len(edges)])
    goes = _find_removed(better, worse, refs.size)
    witnesses = edges[goes[worse] & ~goes[better]]
    order = (witnesses["better"], -witnesses["similarity"], witnesses["worse"])
    witnesses = witnesses[np.lexsort(order)]
    return witnesses[changes(witnesses["worse"])]


def split_members(members: Rows) -> Iterator[tuple[int, Rows]]:
    """Splits members by the bucket of their records."""
    return split(members, buckets_of(members["ref"]))


def _find_removed(
    better: NDArray[np.int64], worse: NDArray[np.int64], count: int
) -> NDArray[np.bool_]:
    """Runs the rounds, over the edges whose ends are both undecided."""
    goes = np.zeros(count, np.bool_)
    while better.size:
        blocked = np.zeros(count, np.bool_)
        blocked[worse] = True
        goes[worse[~blocked[better]]] = True
        undecided = blocked[better] & ~goes[better] & ~goes[worse]
        better, worse = better[undecided], worse[undecided]
    return goes


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
