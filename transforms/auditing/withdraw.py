"""Withdraws records from a corpus: publishes it again without them. Nothing is edited in place.

Of a withdrawn record a row stays among the rejected ones, with the reason `withdrawn`, so that
every request still ends in one place; its text does not. Nor does the text of any rejected row: a
rejected row tells neither its terms nor its source, so none could be shown to be free of what was
withdrawn. The version before keeps them, as it keeps everything.

Nor does a pair of answers stay of which either side is selected, be the worse one a record or not.
The sides of the others tell all that records do, so their text stays.

A duplicate of a withdrawn record does not come back; `stillroom build` would bring it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

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
from transforms.corpus.facts import column
from transforms.corpus.manifest import Build
from transforms.corpus.pairs import SIDES, side_as_records
from transforms.corpus.publish import preflight, publish
from transforms.corpus.read import LATEST, MANIFEST, Corpus, open_corpus
from transforms.corpus.shards import (
    BucketShards,
    Partition,
    ShardFile,
    cost_category,
    picodollars,
    write_shard,
)
from transforms.storage.files import sha256_of
from transforms.work import SHARDS, open_work_folder, work_folder


def withdraw(corpus: Corpus, selection: Selection, to: Path, now: datetime) -> Manifest:
    """Publishes a corpus without some of its records.

    A shard that loses nothing is taken over byte for byte. One shard is held in memory at a time,
    and a row of some 200 bytes for each withdrawn record.

    Args:
        corpus: The corpus; it stays as it is.
        selection: The records to withdraw.
        to: Folder of the corpus to publish: a new one, or the same, which gets a new version.
        now: The time, UTC.

    Returns:
        The manifest of the new version. It names its parent, the selection, the number of records
        removed and a digest of their ids.

    Raises:
        InputError: No record is selected, or none would be left, or the folder holds another
            corpus.
        StillroomError: A shard is not the one that was published, or the folder cannot be
            written. Nothing was published.
    """
    _check_target(corpus, to)
    preflight(str(to))
    run_id = f"withdrawal-{now:%Y%m%dT%H%M%S}"
    work = work_folder(str(to), run_id)
    with open_work_folder(work):
        kept, tombstones = _keep_records(corpus, selection, work / SHARDS)
        pairs = list(_pairs(corpus, selection, work / SHARDS))
        gone = _removed_pairs(corpus, pairs)
        _check_counts(corpus, selection, tombstones.num_rows, gone)
        rejected = _rejected(corpus, tombstones, work / SHARDS)
        build = _build(corpus, selection, tombstones, gone, run_id, now)
        return publish([*kept, *pairs, *rejected], to, build)


def _check_target(corpus: Corpus, to: Path) -> None:
    """Makes sure that no other corpus's pointer is moved, and no version is written into."""
    name = corpus.manifest.name
    if (to / MANIFEST).exists():
        found, remedy = "a version of a corpus", f"name a folder beside it: {to.parent}"
    elif (to / LATEST).exists() and (other := open_corpus(to).manifest.name) != name:
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
            "no record is selected: there is nothing to withdraw", where=selection.where
        )
    if removed == corpus.manifest.funnel.accepted:
        raise InputError(
            "every record is selected: nothing would be left to publish",
            where=selection.where,
            remedy=f"use the corpus no longer: {corpus.folder}",
        )


def _keep_records(
    corpus: Corpus, selection: Selection, folder: Path
) -> tuple[list[BucketShards], pa.Table]:
    """Returns what is left of the accepted records, a bucket a shard, and all tombstones by id."""
    detail = withdrawal_detail(corpus.manifest.version, selection.where)
    buckets: list[BucketShards] = []
    tombstones = [REJECTED.empty_table()]
    for shard in corpus.shards("records"):
        rows = _read(corpus, shard)
        selected = selection.mask(rows)
        left = rows.filter(pc.invert(selected))
        tombstones.append(make_withdrawn_rows(rows.filter(selected), detail))
        if left.num_rows == rows.num_rows:
            same = ShardFile(str(corpus.path(shard)), shard.records, shard.bytes, shard.sha256)
            buckets.append(_accepted(left, shard, same, len(buckets)))
        elif left.num_rows:
            stem = f"{shard.split}-{len(buckets):05d}"
            file = write_shard(left, RECORDS, folder / "data" / shard.obligation_class, stem)
            buckets.append(_accepted(left, shard, file, len(buckets)))
    return buckets, pa.concat_tables(tombstones).sort_by("record_id")


def _read(corpus: Corpus, shard: Shard) -> pa.Table:
    path = corpus.path(shard)
    if not path.is_file() or sha256_of(path) != shard.sha256:
        raise StillroomError(
            f"{path}: is not the file that was published\n"
            "  nothing was published; restore it, `stillroom verify` tells when it is right"
        )
    with pq.ParquetFile(path) as file:
        return file.read()


def _accepted(rows: pa.Table, shard: Shard, file: ShardFile, bucket: int) -> BucketShards:
    response = ("provenance", "response")
    usd = column(rows, (*response, "usd")).to_pylist()
    return BucketShards(
        bucket=bucket,
        partitions=(Partition(shard.obligation_class, shard.split, file),),
        rejected=None,
        counts={},
        picodollars={"accepted": sum(map(picodollars, usd))},
        prompt_tokens=pc.sum(column(rows, (*response, "prompt_tokens"))).as_py() or 0,
        completion_tokens=pc.sum(column(rows, (*response, "completion_tokens"))).as_py() or 0,
    )


def _pairs(corpus: Corpus, selection: Selection, folder: Path) -> Iterator[BucketShards]:
    """Yields what is left of the pairs of answers, a bucket a shard."""
    for number, shard in enumerate(corpus.shards("preferences"), len(corpus.manifest.shards)):
        rows = _read(corpus, shard)
        marks = (selection.mask(side_as_records(rows, side)) for side in SIDES)
        left = rows.filter(pc.invert(pc.or_(*marks)))
        file = ShardFile(str(corpus.path(shard)), shard.records, shard.bytes, shard.sha256)
        if left.num_rows == 0:
            continue
        if left.num_rows < rows.num_rows:
            place = folder / "preferences" / shard.obligation_class
            file = write_shard(left, PREFERENCES, place, f"{shard.split}-{number:05d}")
        partition = Partition(shard.obligation_class, shard.split, file)
        yield BucketShards(number, (), None, {}, {}, 0, 0, preferences=(partition,))


def _removed_pairs(corpus: Corpus, pairs: Iterable[BucketShards]) -> int:
    """Returns how many pairs are not left."""
    left = sum(part.shard.records for bucket in pairs for part in bucket.preferences)
    return corpus.manifest.rows("preferences") - left


def _rejected(corpus: Corpus, tombstones: pa.Table, folder: Path) -> Iterator[BucketShards]:
    """Yields the rejected shards anew, each with the tombstones whose ids fall in its range."""
    bucket = len(corpus.shards("records"))
    for shard in corpus.shards("rejected"):
        rows = without_text(_read(corpus, shard))
        here = pc.less_equal(tombstones.column("record_id"), pc.max(rows.column("record_id")))
        rows = pa.concat_tables([rows, tombstones.filter(here)])
        tombstones = tombstones.filter(pc.invert(here))
        yield _write_rejected(rows, folder, bucket)
        bucket += 1
    if tombstones.num_rows:
        yield _write_rejected(tombstones, folder, bucket)


def _write_rejected(rows: pa.Table, folder: Path, bucket: int) -> BucketShards:
    file = write_shard(rows, REJECTED, folder / "rejected", f"rejected-{bucket:05d}")
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    cost: Counter[str] = Counter()
    names = ("kind", "reason", "finish_reason", "usd")
    for kind, reason, ending, usd in zip(
        *(rows.column(name).to_pylist() for name in names), strict=True
    ):
        counts[kind][reason] += 1
        cost[cost_category(kind, ending)] += picodollars(usd)
    return BucketShards(
        bucket=bucket,
        partitions=(),
        rejected=file,
        counts={kind: dict(reasons) for kind, reasons in counts.items()},
        picodollars=dict(cost),
        prompt_tokens=0,
        completion_tokens=0,
        rejected_prompt_tokens=pc.sum(rows.column("prompt_tokens")).as_py() or 0,
        rejected_completion_tokens=pc.sum(rows.column("completion_tokens")).as_py() or 0,
    )


def _build(
    corpus: Corpus,
    selection: Selection,
    tombstones: pa.Table,
    pairs: int,
    run_id: str,
    now: datetime,
) -> Build:
    """Returns what the new manifest tells: all as its parent does, and what was taken out."""
    parent = corpus.manifest
    ids = tombstones.column("record_id").to_pylist()
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
        removed=Removed(selection.where, len(ids), ids_digest(ids), pairs),
        against=parent.against,
        usd_uncertain=parent.spend.usd_uncertain,
    )
