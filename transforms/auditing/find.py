"""Finds one record of a corpus by its id or the beginning of its id."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from schemas.errors import InputError
from schemas.manifest import Shard
from transforms.corpus.read import Corpus, plain

_MOST_NAMED = 3  # ids in an error
_ALIKE = 8  # hex digits: so many that are alike are no chance among a million records


@dataclass(frozen=True, slots=True)
class FoundRecord:
    """A record and its shard; `row` is plain data as `record.schema.json` describes it."""

    shard: Shard
    row: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Place:
    """The row group that holds an id."""

    record_id: str
    shard: Shard
    group: int


def find(corpus: Corpus, record_id: str) -> FoundRecord:
    """Finds a record, accepted or not.

    Args:
        corpus: Where to look.
        record_id: Its id, or a beginning that no other id has.

    Returns:
        The record.

    Raises:
        InputError: No id begins with it, or several do.
    """
    places = list(_places(corpus, record_id))
    if len(places) != 1:
        raise _ambiguous(record_id, places) if places else _unknown(corpus, record_id)
    place = places[0]
    with pq.ParquetFile(corpus.path(place.shard)) as file:
        group = file.read_row_group(place.group)
    row = group.filter(pc.equal(group.column("record_id"), place.record_id)).to_pylist()[0]
    return FoundRecord(place.shard, plain(row))


def _places(corpus: Corpus, beginning: str) -> Iterator[_Place]:
    for shard, group, ids in _id_groups(corpus, beginning):
        matches = ids.filter(pc.starts_with(ids, beginning))
        for record_id in filter(None, matches.to_pylist()):
            yield _Place(record_id, shard, group)


def _id_groups(corpus: Corpus, beginning: str) -> Iterator[tuple[Shard, int, pa.ChunkedArray]]:
    """Yields the ids of the row groups that may hold a match, judged by their statistics."""
    for shard in _shards(corpus):
        with pq.ParquetFile(corpus.path(shard)) as file:
            for group in range(file.num_row_groups):
                bounds = file.metadata.row_group(group).column(0).statistics
                length = len(beginning)
                if bounds.min[:length] <= beginning <= bounds.max[:length]:
                    yield shard, group, file.read_row_group(group, columns=["record_id"]).column(0)


def _shards(corpus: Corpus) -> list[Shard]:
    return [*corpus.shards("records"), *corpus.shards("rejected")]


def _ambiguous(beginning: str, places: list[_Place]) -> InputError:
    ids = sorted(place.record_id for place in places)
    more = f" and {len(ids) - _MOST_NAMED} more" if len(ids) > _MOST_NAMED else ""
    return InputError(
        f"{len(ids)} records have an id that begins with {beginning!r}",
        found=", ".join(ids[:_MOST_NAMED]) + more,
        remedy="give more digits of the id",
    )


def _unknown(corpus: Corpus, record_id: str) -> InputError:
    """Returns an error that names ids which begin alike, or says where ids are found."""
    alike = record_id[:_ALIKE] if len(record_id) >= _ALIKE else ""
    ids = sorted(place.record_id for place in _places(corpus, alike)) if alike else []
    if ids:
        remedy = f"did you mean {' or '.join(ids[:_MOST_NAMED])}?"
    elif not _shards(corpus):
        remedy = "the corpus is empty"
    else:
        remedy = f"ids are in the column `record_id` of the files in {corpus.folder / 'data'}"
    return InputError(
        f"the corpus has no record {record_id!r}",
        where=str(corpus.folder),
        expected="an id of 64 hex digits, or the beginning of one",
        remedy=remedy,
    )
