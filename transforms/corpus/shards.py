"""Writes shards: sorted Parquet files whose name is their content.

The same rows give the same bytes, in whatever order they come: they are sorted, and nothing about
the writer is left to a default. A retry therefore writes the same file again, under the same name.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.arrow import PREFERENCES, RECORDS, REJECTED, table
from schemas.codes import RowKind
from schemas.errors import StillroomError
from schemas.records import Preference, Record, Rejected
from transforms.guard.obligations import combined_class
from transforms.storage.files import commit, partial_file, sha256_of

WRITER_SETTINGS = "1"  # raise it when a setting below changes: the same rows then get other bytes
ROW_GROUP_ROWS = 4_096  # what a reader holds at once: some 25 MB at 6 kB a record
_COMPRESSION_LEVEL = 3  # zstd's own default, said outright

# What tells rows apart. Prompts that never became requests have no id, so their place decides.
_SORT_KEYS = (
    "chosen_id",
    "rejected_id",
    "record_id",
    "file",
    "line",
    "reason",
    "detail",
    "prompt_id",
)
_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")


@dataclass(frozen=True, slots=True)
class ShardFile:
    """A shard as written.

    Attributes:
        path: The file.
        records: Rows.
        bytes: Size.
        sha256: Digest of the file.
    """

    path: str
    records: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Partition:
    """A bucket's rows of one obligation class and one split."""

    obligation_class: str
    split: str
    shard: ShardFile


@dataclass(frozen=True, slots=True)
class BucketShards:
    """What became of one bucket: its shards, and the counts that the manifest sums up.

    Attributes:
        bucket: The bucket's number; shards are numbered in its order.
        partitions: Shards of accepted records, by class and split.
        rejected: The shard of the rest, if there is any.
        counts: Rows of the rest, by kind and reason.
        picodollars: Cost, by `cost_category`, and `accepted`.
        prompt_tokens: Of the accepted records, as the providers counted.
        completion_tokens: The same.
        rejected_prompt_tokens: Of the rest.
        rejected_completion_tokens: The same.
        preferences: Shards of pairs of answers, by class and split.
    """

    bucket: int
    partitions: tuple[Partition, ...]
    rejected: ShardFile | None
    counts: dict[str, dict[str, int]]
    picodollars: dict[str, int]
    prompt_tokens: int
    completion_tokens: int
    rejected_prompt_tokens: int = 0
    rejected_completion_tokens: int = 0
    preferences: tuple[Partition, ...] = ()

    @property
    def accepted(self) -> int:
        """Accepted records."""
        return sum(partition.shard.records for partition in self.partitions)


def write_bucket(
    records: Sequence[Record],
    rejected: Sequence[Rejected],
    folder: Path,
    bucket: int,
    preferences: Iterable[Preference] = (),
) -> BucketShards:
    """Writes a bucket's shards to a staging folder. A retry writes the same files again.

    Args:
        records: The accepted records, in any order; held in memory.
        rejected: All that did not make it, the same.
        folder: The staging folder, best on the corpus's own file system.
        bucket: The bucket's number, unique within the corpus.
        preferences: Pairs of answers, the better one among the records; the same.

    Returns:
        The shards and their counts, ready to be pickled.

    Raises:
        StillroomError: An id ends in two places, a class or a split is no name for a folder, or
            the folder cannot be written.
    """
    _check_each_once(records, rejected)
    parts: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in records:
        parts[record.provenance.obligation_class, record.split].append(record)
    pairs: dict[tuple[str, str], list[Preference]] = defaultdict(list)
    for pair in preferences:
        sides = (pair.chosen_provenance, pair.rejected_provenance)
        owed = combined_class(*((side.obligation_class, side.duties) for side in sides))
        pairs[owed, pair.split].append(pair)
    return BucketShards(
        bucket=bucket,
        partitions=_write_parts(parts, RECORDS, folder / "data", bucket),
        preferences=_write_parts(pairs, PREFERENCES, folder / "preferences", bucket),
        rejected=_write_rejected(rejected, folder, bucket),
        counts=_counts(rejected),
        picodollars=_cost(records, rejected),
        prompt_tokens=sum(r.provenance.response.prompt_tokens or 0 for r in records),
        completion_tokens=sum(r.provenance.response.completion_tokens or 0 for r in records),
        rejected_prompt_tokens=sum(row.prompt_tokens or 0 for row in rejected),
        rejected_completion_tokens=sum(row.completion_tokens or 0 for row in rejected),
    )


def cost_category(kind: str, finish_reason: str) -> str:
    """Returns under what the cost of a row is told: its kind, apart from what was cut short."""
    return "truncated" if kind == RowKind.REJECTED and finish_reason == "length" else kind


def picodollars(usd: float) -> int:
    """Returns a row's cost in the unit in which sums are exact, whatever their order."""
    return round(usd * 10**12)


def write_shard(
    rows: pa.Table | Sequence[Record] | Sequence[Rejected] | Sequence[Preference],
    schema: pa.Schema,
    folder: Path,
    stem: str,
) -> ShardFile:
    """Writes rows as one Parquet file, whole or not at all.

    Args:
        rows: What to write, in any order.
        schema: `RECORDS`, `REJECTED` or `PREFERENCES`.
        folder: Where to; it is made.
        stem: How the name starts; the first 16 hex digits of the file's SHA-256 follow.

    Returns:
        The file. Its name and bytes depend on the rows alone.

    Raises:
        StillroomError: The folder cannot be written.
    """
    data = rows.cast(schema) if isinstance(rows, pa.Table) else table(rows, schema)
    data = data.sort_by(_order(schema)).combine_chunks()  # chunks would show in the pages
    with partial_file(folder) as hidden:
        _encode(data, hidden)
        sha256, size = sha256_of(hidden), hidden.stat().st_size
        path = folder / f"{stem}-{sha256[:16]}.parquet"
        commit(hidden, path)
    return ShardFile(str(path), data.num_rows, size, sha256)


def _order(schema: pa.Schema) -> list[tuple[str, str]]:
    return [(name, "ascending") for name in _SORT_KEYS if name in schema.names]


def _encode(data: pa.Table, path: Path) -> None:
    pq.write_table(
        data,
        path,
        row_group_size=ROW_GROUP_ROWS,
        version="2.6",
        data_page_version="1.0",  # what every reader reads
        data_page_size=1 << 20,
        write_batch_size=1_024,
        compression="zstd",
        compression_level=_COMPRESSION_LEVEL,
        use_dictionary=True,
        dictionary_pagesize_limit=1 << 20,
        use_byte_stream_split=False,
        use_compliant_nested_type=True,
        write_statistics=True,
        write_page_index=True,
        write_page_checksum=True,
        store_schema=True,
        sorting_columns=pq.SortingColumn.from_ordering(data.schema, _order(data.schema)[:1]),
    )


def _write_parts(
    parts: Mapping[tuple[str, str], Sequence[Record] | Sequence[Preference]],
    schema: pa.Schema,
    folder: Path,
    bucket: int,
) -> tuple[Partition, ...]:
    """Writes rows, by their obligation class and split, to a shard each."""
    written = []
    for name, split in sorted(parts):
        for what, text in (("obligation class", name), ("split", split)):
            if not _SAFE_NAME.fullmatch(text):
                raise StillroomError(f"the {what} {text!r} cannot name a folder or a file")
        shard = write_shard(parts[name, split], schema, folder / name, f"{split}-{bucket:05d}")
        written.append(Partition(name, split, shard))
    return tuple(written)


def _write_rejected(rejected: Sequence[Rejected], folder: Path, bucket: int) -> ShardFile | None:
    if not rejected:
        return None
    return write_shard(rejected, REJECTED, folder / "rejected", f"rejected-{bucket:05d}")


def _check_each_once(records: Iterable[Record], rejected: Iterable[Rejected]) -> None:
    ends = Counter(row.record_id for rows in (records, rejected) for row in rows if row.record_id)
    twice = sorted(record_id for record_id, count in ends.items() if count > 1)
    if twice:
        raise StillroomError(
            f"requests that end in two places: {len(twice)}, the first is {twice[0]}\n"
            "  every request must end in exactly one; nothing was written"
        )


def _counts(rejected: Iterable[Rejected]) -> dict[str, dict[str, int]]:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rejected:
        counts[row.kind][row.reason] += 1
    return {kind: dict(sorted(counts[kind].items())) for kind in sorted(counts)}


def _cost(records: Iterable[Record], rejected: Iterable[Rejected]) -> dict[str, int]:
    cost: Counter[str] = Counter()
    for record in records:
        cost["accepted"] += picodollars(record.provenance.response.usd)
    for row in rejected:
        cost[cost_category(row.kind, row.finish_reason)] += picodollars(row.usd)
    return dict(sorted(cost.items()))
