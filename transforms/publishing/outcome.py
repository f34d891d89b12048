"""Finishes a run: removes duplicates, writes the shards and publishes the corpus."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from schemas.manifest import Funnel, Manifest, SpendSummary
from schemas.records import Preference, Record, Rejected
from schemas.stops import RouteErrors, Stop
from transforms.auditing.decisions import gather_decisions
from transforms.choosing.rejected_sides import make_preference, read_sides
from transforms.corpus.facts import RECORD_PROVENANCE, REJECTED_PROVENANCE
from transforms.corpus.manifest import Build, make_funnel, make_spend
from transforms.corpus.publish import publish
from transforms.corpus.shards import BucketShards, write_bucket
from transforms.dedupe.blocks import VerdictBlock
from transforms.job import Job
from transforms.records.filtered_bucket import RequestCounts, last_stage, read_filtered
from transforms.records.rows import make_duplicate
from transforms.work import REJECTED_SIDES, SHARDS, UNREAD, read_staged


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOutcome:
    """The result of a run, for the launcher.

    Attributes:
        funnel: Where every request ended.
        spend: Cost of the answers.
        manifest: Manifest of the published version; None if no record was accepted.
        counts: Counts of all requests.
        stops: Routes that were stopped early.
        errors: What servers sent instead of answers, each reason once.
        falls_short: Whether fewer records were accepted than the target and more can be asked
            for. Nothing is published then.
    """

    funnel: Funnel
    spend: SpendSummary
    manifest: Manifest | None
    counts: RequestCounts
    stops: tuple[Stop, ...]
    errors: tuple[str, ...] = ()
    falls_short: bool = False


def write_shards(
    job: Job, bucket: int, verdicts: VerdictBlock
) -> tuple[BucketShards, RequestCounts]:
    """Writes a bucket's shards, without duplicates. A retry writes the same files.

    Args:
        job: The execution.
        bucket: Number of the bucket.
        verdicts: Its duplicates, and the clusters of the records that stay.

    Returns:
        The shards, and counts of the bucket's requests.
    """
    filtered = read_filtered(job, last_stage(job.run), bucket)
    kept: list[Record] = []
    rejected = list(filtered.rejected)
    for record in filtered.records:
        row = apply_verdict(record, verdicts)
        if isinstance(row, Record):
            kept.append(row)
        else:
            rejected.append(row)
    pairs = _pairs(job, bucket, kept)
    return write_bucket(kept, rejected, job.work / SHARDS, bucket, pairs), filtered.counts


def _pairs(job: Job, bucket: int, kept: Iterable[Record]) -> list[Preference]:
    """Returns the pairs whose chosen side is a record of this bucket."""
    wanted = job.run.preferences
    if wanted is None:
        return []
    records = {record.record_id: record for record in kept}
    sides = read_sides(job.work / REJECTED_SIDES, bucket, 1 << job.bits)
    return [make_preference(records[side.chosen_id], side, wanted.by) for side in sides]


def apply_verdict(record: Record, verdicts: VerdictBlock) -> Record | Rejected:
    """Returns a record with its cluster, or the row of a duplicate."""
    removal = verdicts.removed.get(record.record_id)
    if removal:
        return make_duplicate(
            record, removal.witness, removal.similarity, removal.method, removal.of
        )
    cluster = verdicts.clusters.get(record.record_id)
    if cluster is None:
        return record
    return replace(record, provenance=replace(record.provenance, dedupe=cluster))


def publish_run(
    job: Job,
    written: Iterable[tuple[BucketShards, RequestCounts]],
    ends: Iterable[Stop | RouteErrors],
) -> RunOutcome:
    """Publishes the shards of all buckets, unless no record, or too few yet, were accepted.

    Args:
        job: The execution.
        written: The shards and counts of each bucket, in any order.
        ends: Routes that were stopped early, and the errors of routes.

    Returns:
        The result of the run.

    Raises:
        StillroomError: The requests do not balance: nothing is published.
    """
    buckets = sorted(written, key=lambda bucket: bucket[0].bucket)
    counts = sum((counts for _, counts in buckets), RequestCounts())
    unread = write_bucket([], read_staged(job.work / UNREAD), job.work / SHARDS, 1 << job.bits)
    shards = [*(shards for shards, _ in buckets), unread]
    build = _build(job, shards, counts)
    funnel, spend = make_funnel(shards, build), make_spend(shards, build)
    ends = tuple(ends)
    stopped = tuple(end for end in ends if isinstance(end, Stop))
    each = (end.errors for end in ends if isinstance(end, RouteErrors))
    errors = tuple(sorted({error for found in each for error in found}))
    if _falls_short(job, funnel, stopped):
        return RunOutcome(
            funnel=funnel,
            spend=spend,
            manifest=None,
            counts=counts,
            stops=stopped,
            errors=errors,
            falls_short=True,
        )
    manifest = publish(shards, job.run.corpus, build) if funnel.accepted else None
    return RunOutcome(
        funnel=funnel, spend=spend, manifest=manifest, counts=counts, stops=stopped, errors=errors
    )


def _falls_short(job: Job, funnel: Funnel, stops: tuple[Stop, ...]) -> bool:
    wanted = job.run.target.accepted if job.run.target else 0
    return job.widens and funnel.accepted < wanted and not (funnel.pending or stops)


def _build(job: Job, shards: Collection[BucketShards], counts: RequestCounts) -> Build:
    return Build(
        name=job.run.name,
        purpose=job.run.purpose,
        unapproved=job.run.unapproved,
        config_digest=job.run.config_digest,
        registry_digest=job.guard.registry_digest,
        verdicts=job.verdicts,
        decisions=gather_decisions(_provenances(shards), job.guard, job.run.purpose),
        requests=job.requests,
        pending=counts.pending,
        usd_judge=counts.judgements.usd,
        run_id=job.run_id,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        against=tuple(index.version for index in job.against),
        usd_uncertain=counts.uncertain.usd,
    )


def _provenances(shards: Iterable[BucketShards]) -> Iterator[tuple[Path, str]]:
    """Yields the files of records and of pairs, each with its column of provenance."""
    for bucket in shards:
        yield from ((Path(part.shard.path), RECORD_PROVENANCE) for part in bucket.partitions)
        yield from ((Path(part.shard.path), REJECTED_PROVENANCE) for part in bucket.preferences)
