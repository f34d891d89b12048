"""Reads pairs of answers: each side as the record that it is or would have been."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
import xxhash
from numpy.typing import NDArray

from schemas.manifest import Kind
from transforms.corpus.read import Corpus

SIDES = ("chosen", "rejected")

# What the worse side of a pair may be; the better one is a record of the corpus.
_SIDE_KINDS: dict[str, tuple[Kind, ...]] = {
    "chosen": ("records",),
    "rejected": ("records", "rejected"),
}


def side_as_records(pairs: pa.Table, side: str) -> pa.Table:
    """Returns one side of pairs under the names that records have.

    Args:
        pairs: Rows of pairs, with `…_id` and `…_provenance` of the side where they were read.
        side: `chosen` or `rejected`.

    Returns:
        A table with `record_id` and `provenance`.
    """
    names = {f"{side}_id": "record_id", f"{side}_provenance": "provenance"}
    present = [name for name in pairs.column_names if name in names]
    return pairs.select(present).rename_columns([names[name] for name in present])


def read_side(corpus: Corpus, side: str, columns: Iterable[str]) -> Iterator[pa.Table]:
    """Reads one side of all pairs as a stream.

    Args:
        corpus: The corpus.
        side: `chosen` or `rejected`.
        columns: Names that records have: `record_id`, `provenance`, or fields within.

    Yields:
        Tables as `side_as_records` makes them, in the same order for both sides.
    """
    names = [f"{side}_{name.removeprefix('record_')}" for name in columns]
    for table in corpus.tables("preferences", names):
        yield side_as_records(table, side)


def missing_sides(corpus: Corpus) -> Iterator[tuple[str, str]]:
    """Finds pairs with a side that the corpus does not hold, as an answer to the same prompt.

    Ids are compared by 64 bits of a hash of theirs and their prompts': 8 bytes a side are held.

    Args:
        corpus: The corpus, whose shards are sound.

    Yields:
        The shard, and what is wrong with it: once a shard and side.
    """
    if not corpus.shards("preferences"):
        return
    for side, kinds in _SIDE_KINDS.items():
        names = (f"{side}_id", "prompt_id")
        wanted = np.unique(_hashes(corpus, ("preferences",), names))
        there = np.zeros(wanted.size, np.bool_)
        for kind in kinds:
            for table in corpus.tables(kind, ("record_id", "prompt_id")):
                there |= np.isin(wanted, _hash(table, ("record_id", "prompt_id")))
        if not there.all():
            yield from _named(corpus, names, wanted[~there], side)


def _named(
    corpus: Corpus, names: tuple[str, str], absent: NDArray[np.uint64], side: str
) -> Iterator[tuple[str, str]]:
    for shard in corpus.shards("preferences"):
        for table in corpus.groups(shard, names):
            rows = np.flatnonzero(np.isin(_hash(table, names), absent))
            if rows.size:
                name = table.column(names[0])[int(rows[0])].as_py()
                yield shard.path, f"the {side} side {name} is nowhere in the corpus"
                break


def _hashes(corpus: Corpus, kinds: Iterable[Kind], names: tuple[str, str]) -> NDArray[np.uint64]:
    return np.concatenate([_hash(t, names) for kind in kinds for t in corpus.tables(kind, names)])


def _hash(table: pa.Table, names: tuple[str, str]) -> NDArray[np.uint64]:
    rows = zip(*(table.column(name).to_pylist() for name in names), strict=True)
    hashes = (
        xxhash.xxh3_64_intdigest((record_id + prompt_id).encode()) for record_id, prompt_id in rows
    )
    return np.fromiter(hashes, np.uint64, table.num_rows)
