"""Withdraws records from a corpus: publishes a new version without them.

The old version is not changed. In the new version:

* A withdrawn record becomes a rejected row with the reason `withdrawn` and without text, so that
  every request still ends in one place.
* All rejected rows lose their text. They hold neither terms nor source, so it cannot be proven that
  their text is not covered by the withdrawal.
* A preference pair is removed if either side is selected, even if the rejected side is not a
  record. Other pairs keep their text, since both sides hold their full provenance.
* A duplicate of a withdrawn record stays a duplicate. `stillroom build` may accept it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from os import fspath
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from schemas.addresses import AnyPath, is_address, parent_address
from schemas.arrow import PREFERENCES, RECORDS, REJECTED
from schemas.errors import InputError, StillroomError
from schemas.manifest import Manifest, Removed, Shard
from transforms.auditing.select import Selection
from transforms.auditing.withdrawn_rows import (
    ids_digest,
    make_withdrawn_rows,
    withdrawal_detail,
    without_text,
)
from transforms.corpus.bucket import corpus_name, is_version
from transforms.corpus.facts import column
from transforms.corpus.manifest import Build
from transforms.corpus.pairs import SIDES, side_as_records
from transforms.corpus.publish import preflight, publish
from transforms.corpus.read import Corpus
from transforms.corpus.shards import (
    BucketShards,
    Partition,
    ShardFile,
    cost_by_end,
    cost_category,
    write_shard,
)
from transforms.work import SHARDS, open_work_folder, work_folder


def withdraw(corpus: Corpus, selection: Selection, to: AnyPath, now: datetime) -> Manifest:
    """Publishes a corpus without some of its records.

    A shard that loses no record keeps its bytes. Memory holds one shard at a time, and about 200
    bytes for each withdrawn record.

    Args:
        corpus: The corpus; it is not changed.
        selection: The records to withdraw.
        to: Folder or address to publish to: a new one, or that of this corpus, which gets a new
            version.
        now: The current time, UTC.

    Returns:
        The manifest of the new version. It names its parent, the selection, the number of records
        removed and a digest of their ids.

    Raises:
        InputError: No record is selected, no record would be left, or the folder holds another
            corpus.
        StillroomError: A shard was changed, or the folder cannot be written. Nothing is published.
    """
    to = fspath(to)
    _check_target(corpus, to)
    run_id = f"withdrawal-{now:%Y%m%dT%H%M%S}"
    work = work_folder(to, run_id)
    with _no_empty_folder(to), open_work_folder(work):
        kept, withdrawn = _keep_records(corpus, selection, work / SHARDS)
        pairs = list(_pairs(corpus, selection, work / SHARDS))
        removed = _removed_pairs(corpus, pairs)
        _check_counts(corpus, selection, withdrawn.num_rows, removed)
        rejected = _rejected(corpus, withdrawn, work / SHARDS)
        build = _build(corpus, selection, withdrawn, removed, run_id, now)
        return publish([*kept, *pairs, *rejected], to, build)


@contextmanager
def _no_empty_folder(to: str) -> Iterator[None]:
    """Creates a folder if need be, and removes it again if it stays empty after an error."""
    preflight(to)
    try:
        yield
    except BaseException:
        if not is_address(to):
            with suppress(OSError):  # it is not empty
                Path(to).rmdir()
        raise


def _check_target(corpus: Corpus, to: str) -> None:
    """Raises an `InputError` if `to` holds another corpus, or is the folder of a version."""
    name, other = corpus.manifest.name, corpus_name(to)
    if is_version(to):
        found, remedy = (
            "a version of a corpus",
            f"name a folder beside it: {parent_address(to)[0]}",
        )
    elif other not in (None, name):
        found, remedy = f"the corpus {other}", "name a new folder"
    else:
        return
    raise InputError(
        "a corpus cannot be published here",
        where=f"--to {to}",
        found=found,
        expected=f"a new folder, or the folder of the corpus {name}",
        remedy=remedy,
    )


def _check_counts(corpus: Corpus, selection: Selection, removed: int, pairs: int) -> None:
    if removed == pairs == 0:
        raise InputError(
            "no record is selected, so there is nothing to withdraw", where=selection.where
        )
    if removed == corpus.manifest.funnel.accepted:
        raise InputError(
            "every record is selected, so no record would be left",
            where=selection.where,
            remedy=f"stop using the corpus: {corpus.folder}",
        )


def _keep_records(
    corpus: Corpus, selection: Selection, folder: Path
) -> tuple[list[BucketShards], pa.Table]:
    """Returns the remaining records, one bucket for each shard, and all withdrawn rows by id."""
    detail = withdrawal_detail(corpus.manifest.version, selection.where)
    buckets: list[BucketShards] = []
    withdrawn = [REJECTED.empty_table()]
    for shard in corpus.shards("records"):
        rows = _read(corpus, shard)
        selected = selection.mask(rows)
        left = rows.filter(pc.invert(selected))
        withdrawn.append(make_withdrawn_rows(rows.filter(selected), detail))
        if left.num_rows == rows.num_rows:
            buckets.append(_accepted(left, shard, _published(corpus, shard), len(buckets)))
        elif left.num_rows:
            stem = f"{shard.split}-{len(buckets):05d}"
            file = write_shard(left, RECORDS, folder / "data" / shard.obligation_class, stem)
            buckets.append(_accepted(left, shard, file, len(buckets)))
    return buckets, pa.concat_tables(withdrawn).sort_by("record_id")


def _published(corpus: Corpus, shard: Shard) -> ShardFile:
    return ShardFile(
        path=str(corpus.path(shard)),
        records=shard.records,
        bytes=shard.bytes,
        sha256=shard.sha256,
    )


def _read(corpus: Corpus, shard: Shard) -> pa.Table:
    path = corpus.path(shard)
    if not corpus.is_unchanged(shard):
        raise StillroomError(
            f"{path}: differs from the published file\n"
            "  nothing was published; restore the file and check it with `stillroom verify`"
        )
    with pq.ParquetFile(path) as file:
        return file.read()


def _accepted(rows: pa.Table, shard: Shard, file: ShardFile, bucket: int) -> BucketShards:
    response = ("provenance", "response")
    usd = column(rows, (*response, "usd")).to_pylist()
    return BucketShards(
        bucket=bucket,
        partitions=(
            Partition(obligation_class=shard.obligation_class, split=shard.split, shard=file),
        ),
        **cost_by_end(("accepted", each) for each in usd),
        prompt_tokens=pc.sum(column(rows, (*response, "prompt_tokens"))).as_py() or 0,
        completion_tokens=pc.sum(column(rows, (*response, "completion_tokens"))).as_py() or 0,
    )


def _pairs(corpus: Corpus, selection: Selection, folder: Path) -> Iterator[BucketShards]:
    """Yields the remaining preference pairs, one bucket for each shard."""
    for number, shard in enumerate(corpus.shards("preferences"), len(corpus.manifest.shards)):
        rows = _read(corpus, shard)
        marks = (selection.mask(side_as_records(rows, side)) for side in SIDES)
        left = rows.filter(pc.invert(pc.or_(*marks)))
        file = _published(corpus, shard)
        if left.num_rows == 0:
            continue
        if left.num_rows < rows.num_rows:
            place = folder / "preferences" / shard.obligation_class
            file = write_shard(left, PREFERENCES, place, f"{shard.split}-{number:05d}")
        partition = Partition(
            obligation_class=shard.obligation_class, split=shard.split, shard=file
        )
        yield BucketShards(bucket=number, preferences=(partition,))


def _removed_pairs(corpus: Corpus, pairs: Iterable[BucketShards]) -> int:
    """Returns how many pairs were removed."""
    left = sum(part.shard.records for bucket in pairs for part in bucket.preferences)
    return corpus.manifest.rows("preferences") - left


def _rejected(corpus: Corpus, withdrawn: pa.Table, folder: Path) -> Iterator[BucketShards]:
    """Yields the rejected shards without text, with the withdrawn rows merged in by id."""
    bucket = len(corpus.shards("records"))
    for shard in corpus.shards("rejected"):
        rows = without_text(_read(corpus, shard))
        here = pc.less_equal(withdrawn.column("record_id"), pc.max(rows.column("record_id")))
        rows = pa.concat_tables([rows, withdrawn.filter(here)])
        withdrawn = withdrawn.filter(pc.invert(here))
        yield _write_rejected(rows, folder, bucket)
        bucket += 1
    if withdrawn.num_rows:
        yield _write_rejected(withdrawn, folder, bucket)


def _write_rejected(rows: pa.Table, folder: Path, bucket: int) -> BucketShards:
    file = write_shard(rows, REJECTED, folder / "rejected", f"rejected-{bucket:05d}")
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    costs = []
    names = ("kind", "reason", "finish_reason", "usd")
    for kind, reason, ending, usd in zip(
        *(rows.column(name).to_pylist() for name in names), strict=True
    ):
        counts[kind][reason] += 1
        costs.append((cost_category(kind, ending), usd))
    return BucketShards(
        bucket=bucket,
        rejected=file,
        counts={kind: dict(reasons) for kind, reasons in counts.items()},
        **cost_by_end(costs),
        rejected_prompt_tokens=pc.sum(rows.column("prompt_tokens")).as_py() or 0,
        rejected_completion_tokens=pc.sum(rows.column("completion_tokens")).as_py() or 0,
    )


def _build(
    corpus: Corpus,
    selection: Selection,
    withdrawn: pa.Table,
    pairs: int,
    run_id: str,
    now: datetime,
) -> Build:
    """Returns the facts of the new manifest: those of its parent, and what was removed."""
    parent = corpus.manifest
    ids = withdrawn.column("record_id").to_pylist()
    return Build(
        name=parent.name,
        purpose=parent.purpose,
        unapproved=parent.unapproved,
        config_digest=parent.config_digest,
        registry_digest=parent.registry_digest,
        verdicts=parent.verdicts,
        requests=parent.funnel.requests,
        pending=parent.funnel.pending,
        run_id=run_id,
        created_at=now.isoformat(timespec="seconds"),
        decisions=parent.decisions,
        usd_judge=parent.spend.usd_judge,
        parent=parent.version,
        removed=Removed(
            where=selection.where, records=len(ids), sha256=ids_digest(ids), preferences=pairs
        ),
        against=parent.against,
        usd_uncertain=parent.spend.usd_uncertain,
    )
