"""Writes shards: sorted Parquet files named by the digest of their content.

The same rows give the same bytes in any order of arrival: rows are sorted, and every setting of the
writer is fixed here. So a retry writes the same file under the same name.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.arrow import PREFERENCES, RECORDS, REJECTED, table
from schemas.codes import RowKind
from schemas.errors import StillroomError
from schemas.money import from_column
from schemas.records import Preference, Record, Rejected
from transforms.guard.obligations import combined_class
from transforms.storage.files import commit, partial_file, sha256_of

# Raise it when a setting below changes, as the same rows then give other bytes.
WRITER_SETTINGS = "1"
ROW_GROUP_ROWS = 4_096  # held by a reader at once: about 25 MB at 6 kB a record
_COMPRESSION_LEVEL = 3  # zstd's default, fixed so that a new zstd cannot change it

# Rows are sorted by these columns, as far as a schema has them. Prompts that never became requests
# have no id, so file and line come next.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardFile:
    """A written shard.

    Attributes:
        path: The file.
        records: Number of rows.
        bytes: Size of the file.
        sha256: SHA-256 of the file.
    """

    path: str
    records: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """The rows of a bucket that have one obligation class and one split."""

    obligation_class: str
    split: str
    shard: ShardFile


class CostByEnd(TypedDict):
    """The cost of some rows by category; see `BucketShards`."""

    picodollars: dict[str, int]
    unpriced: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketShards:
    """The shards of one bucket, and the counts that the manifest adds up.

    Attributes:
        bucket: The bucket's number; shards are numbered in the order of buckets.
        partitions: Shards of accepted records, by class and split.
        rejected: The shard of rejected rows of every kind, if there are any.
        counts: Number of rejected rows, by kind and reason.
        picodollars: Cost in 10**-12 US dollars: of `accepted` records, and of rejected rows by
            `cost_category`. Without the costs that are unknown.
        unpriced: The categories with a cost that is unknown.
        prompt_tokens: Prompt tokens of accepted records, as providers counted them.
        completion_tokens: Completion tokens of accepted records.
        rejected_prompt_tokens: Prompt tokens of rejected rows.
        rejected_completion_tokens: Completion tokens of rejected rows.
        preferences: Shards of preference pairs, by class and split.
    """

    bucket: int
    partitions: tuple[Partition, ...] = ()
    rejected: ShardFile | None = None
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    picodollars: dict[str, int] = field(default_factory=dict)
    unpriced: tuple[str, ...] = ()
    prompt_tokens: int = 0
    completion_tokens: int = 0
    rejected_prompt_tokens: int = 0
    rejected_completion_tokens: int = 0
    preferences: tuple[Partition, ...] = ()

    @property
    def accepted(self) -> int:
        """Number of accepted records."""
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
        records: The accepted records, in any order.
        rejected: The rejected rows, in any order.
        folder: The staging folder. On the file system of the corpus, shards are linked, not copied.
        bucket: The bucket's number, unique within the corpus.
        preferences: Pairs of answers to one prompt, in any order.

    Returns:
        The shards and their counts.

    Raises:
        StillroomError: An id occurs twice, a class or a split is not a valid file name, or the
            folder cannot be written.
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
        **cost_by_end(_costs(records, rejected)),
        prompt_tokens=sum(r.provenance.response.prompt_tokens or 0 for r in records),
        completion_tokens=sum(r.provenance.response.completion_tokens or 0 for r in records),
        rejected_prompt_tokens=sum(row.prompt_tokens or 0 for row in rejected),
        rejected_completion_tokens=sum(row.completion_tokens or 0 for row in rejected),
    )


def cost_category(kind: str, finish_reason: str) -> str:
    """Returns the category of a rejected row's cost: its kind, or `truncated`."""
    return "truncated" if kind == RowKind.REJECTED and finish_reason == "length" else kind


def picodollars(usd: float) -> int:
    """Returns a cost in 10**-12 US dollars: integers, whose sum is exact in any order."""
    return round(usd * 10**12)


def write_shard(
    rows: pa.Table | Sequence[Record] | Sequence[Rejected] | Sequence[Preference],
    schema: pa.Schema,
    folder: Path,
    stem: str,
) -> ShardFile:
    """Writes rows as one Parquet file, all or nothing.

    Args:
        rows: The rows, in any order.
        schema: `RECORDS`, `REJECTED` or `PREFERENCES`.
        folder: Folder of the file; created if missing.
        stem: Beginning of the name; the first 16 hex digits of the file's SHA-256 follow.

    Returns:
        The file. Its name and bytes depend on the rows alone.

    Raises:
        StillroomError: The folder cannot be written.
    """
    data = rows.cast(schema) if isinstance(rows, pa.Table) else table(rows, schema)
    data = data.sort_by(_order(schema)).combine_chunks()  # chunks would change the pages
    with partial_file(folder) as hidden:
        _encode(data, hidden)
        sha256, size = sha256_of(hidden), hidden.stat().st_size
        path = folder / f"{stem}-{sha256[:16]}.parquet"
        commit(hidden, path)
    return ShardFile(path=str(path), records=data.num_rows, bytes=size, sha256=sha256)


def _order(schema: pa.Schema) -> list[tuple[str, str]]:
    return [(name, "ascending") for name in _SORT_KEYS if name in schema.names]


def _encode(data: pa.Table, path: Path) -> None:
    pq.write_table(
        data,
        path,
        row_group_size=ROW_GROUP_ROWS,
        version="2.6",
        data_page_version="1.0",  # every reader supports it
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
    """Writes one shard for each obligation class and split."""
    written = []
    for name, split in sorted(parts):
        for what, text in (("obligation class", name), ("split", split)):
            if not _SAFE_NAME.fullmatch(text):
                raise StillroomError(
                    f"the {what} {text!r} is not a valid name of a folder or a file"
                )
        shard = write_shard(parts[name, split], schema, folder / name, f"{split}-{bucket:05d}")
        written.append(Partition(obligation_class=name, split=split, shard=shard))
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
            "  every request must end in exactly one place; nothing was written"
        )


def _counts(rejected: Iterable[Rejected]) -> dict[str, dict[str, int]]:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rejected:
        counts[str(row.kind)][str(row.reason)] += 1
    return {kind: dict(sorted(counts[kind].items())) for kind in sorted(counts)}


def cost_by_end(costs: Iterable[tuple[str, float]]) -> CostByEnd:
    """Adds up costs.

    Args:
        costs: Category and cost of each row, as in the `usd` columns.

    Returns:
        The two fields of `BucketShards`.
    """
    total: Counter[str] = Counter()
    unpriced = set()
    for category, usd in costs:
        known = from_column(usd)
        if known is None:
            unpriced.add(category)
        else:
            total[category] += picodollars(known)
    return {"picodollars": dict(sorted(total.items())), "unpriced": tuple(sorted(unpriced))}


def _costs(records: Iterable[Record], rejected: Iterable[Rejected]) -> Iterator[tuple[str, float]]:
    for record in records:
        yield "accepted", record.provenance.response.usd
    for row in rejected:
        yield cost_category(row.kind, row.finish_reason), row.usd
