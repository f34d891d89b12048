"""Reads the two sides of preference pairs as if they were records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
import xxhash
from numpy.typing import NDArray

from schemas.manifest import Kind
from transforms.corpus.read import Corpus

SIDES = ("chosen", "rejected")

# Where the answer of each side must be found: the chosen one is a record of the corpus, the
# rejected one may also be a rejected row.
_SIDE_KINDS: dict[str, tuple[Kind, ...]] = {
    "chosen": ("records",),
    "rejected": ("records", "rejected"),
}


def side_as_records(pairs: pa.Table, side: str) -> pa.Table:
    """Returns one side of pairs, with its columns renamed to those of records.

    Args:
        pairs: Rows of pairs, with `…_id`, `…_provenance` or both of the side.
        side: `chosen` or `rejected`.

    Returns:
        A table with `record_id`, `provenance` or both.
    """
    names = {f"{side}_id": "record_id", f"{side}_provenance": "provenance"}
    present = [name for name in pairs.column_names if name in names]
    return pairs.select(present).rename_columns([names[name] for name in present])


def read_side(corpus: Corpus, side: str, columns: Iterable[str]) -> Iterator[pa.Table]:
    """Reads one side of all pairs as a stream.

    Args:
        corpus: The corpus.
        side: `chosen` or `rejected`.
        columns: Names of record columns: `record_id`, `provenance`, or fields within them.

    Yields:
        Tables as `side_as_records` makes them, in the same order for both sides.
    """
    names = [f"{side}_{name.removeprefix('record_')}" for name in columns]
    for table in corpus.tables("preferences", names):
        yield side_as_records(table, side)


def missing_sides(corpus: Corpus) -> Iterator[tuple[str, str]]:
    """Finds pairs of which a side is not in the corpus as an answer to the same prompt.

    Each side is compared by a 64-bit hash of its id and prompt id, so 8 bytes a side are held.

    Args:
        corpus: A corpus whose shards can be read.

    Yields:
        The path of a shard and what is wrong: at most once for each shard and side.
    """
    if not corpus.shards("preferences"):
        return
    for side, kinds in _SIDE_KINDS.items():
        names = (f"{side}_id", "prompt_id")
        wanted = np.unique(_hashes(corpus, ("preferences",), names))
        found = np.zeros(wanted.size, np.bool_)
        for kind in kinds:
            for table in corpus.tables(kind, ("record_id", "prompt_id")):
                found |= np.isin(wanted, _hash(table, ("record_id", "prompt_id")))
        if not found.all():
            yield from _shards_with(corpus, names, wanted[~found], side)


def _shards_with(
    corpus: Corpus, names: tuple[str, str], absent: NDArray[np.uint64], side: str
) -> Iterator[tuple[str, str]]:
    for shard in corpus.shards("preferences"):
        for table in corpus.groups(shard, names):
            rows = np.flatnonzero(np.isin(_hash(table, names), absent))
            if rows.size:
                name = table.column(names[0])[int(rows[0])].as_py()
                yield shard.path, f"the {side} side {name} is not in the corpus"
                break


def _hashes(corpus: Corpus, kinds: Iterable[Kind], names: tuple[str, str]) -> NDArray[np.uint64]:
    return np.concatenate([_hash(t, names) for kind in kinds for t in corpus.tables(kind, names)])


def _hash(table: pa.Table, names: tuple[str, str]) -> NDArray[np.uint64]:
    rows = zip(*(table.column(name).to_pylist() for name in names), strict=True)
    hashes = (
        xxhash.xxh3_64_intdigest((record_id + prompt_id).encode()) for record_id, prompt_id in rows
    )
    return np.fromiter(hashes, np.uint64, table.num_rows)
