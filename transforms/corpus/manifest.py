"""Makes the manifest of a version: its funnel, its costs, and the names of its shards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version as installed
from itertools import groupby
from pathlib import Path
from typing import Literal

from schemas.arrow import SCHEMA_VERSION
from schemas.codes import RowKind
from schemas.errors import StillroomError
from schemas.manifest import (
    FORMAT,
    Compared,
    Funnel,
    Kind,
    Manifest,
    Removed,
    Shard,
    SpendSummary,
    version_of,
)
from schemas.purpose import Purpose
from schemas.terms import Verdict
from transforms.corpus.facts import Facts
from transforms.corpus.read import stem_of
from transforms.corpus.shards import (
    WRITER_SETTINGS,
    BucketShards,
    Partition,
    ShardFile,
    picodollars,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """The facts of a manifest about a run that its shards do not hold.

    Attributes:
        name: Name in the run file.
        purpose: The declared use.
        unapproved: Whether the run file denies or allows unapproved readings of terms.
        config_digest: SHA-256 of the run file.
        registry_digest: SHA-256 of catalogue and registry.
        verdicts: The guard's verdicts on the day of the build.
        requests: Requests that prompts and teachers make, counted when they were staged.
        pending: Requests without a final answer.
        run_id: Id of the run.
        created_at: Time of the build, ISO 8601 UTC.
        decisions: The guard's decisions that the records name.
        usd_judge: Cost of the judge's answers, US dollars; None if unknown.
        parent: After a withdrawal: the version that this one was made from.
        removed: After a withdrawal: what was removed.
        against: Earlier versions whose records ranked above those of this run.
        usd_uncertain: Most that may have been paid without an answer, US dollars; None if unknown.
    """

    name: str
    purpose: Purpose
    unapproved: Literal["deny", "allow"]
    config_digest: str
    registry_digest: str
    verdicts: tuple[Verdict, ...]
    requests: int
    pending: int
    run_id: str
    created_at: str
    decisions: tuple[Verdict, ...] = ()
    usd_judge: float | None = 0.0
    parent: str | None = None
    removed: Removed | None = None
    against: tuple[Compared, ...] = ()
    usd_uncertain: float | None = 0.0


@dataclass(frozen=True, slots=True)
class StagedShard:
    """A shard in the staging folder, and its entry in the manifest."""

    source: Path
    shard: Shard


def make_funnel(buckets: Iterable[BucketShards], build: Build) -> Funnel:
    """Counts where every request ended.

    Args:
        buckets: What `write_bucket` returned, once for each bucket.
        build: How many requests there are, and how many are pending.

    Returns:
        The funnel. It may not balance; see `check_balance`.
    """
    buckets = tuple(buckets)
    counts: dict[str, Counter[str]] = {kind: Counter() for kind in RowKind}
    for bucket in buckets:
        for kind, reasons in bucket.counts.items():
            counts[kind].update(reasons)
    return Funnel(
        requests=build.requests,
        accepted=sum(bucket.accepted for bucket in buckets),
        rejected=_sorted(counts[RowKind.REJECTED]),
        duplicates=counts[RowKind.DUPLICATE].total(),
        failed=_sorted(counts[RowKind.FAILED]),
        pending=build.pending,
        unread=_sorted(counts[RowKind.UNREAD]),
    )


def _sorted(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items()))


def check_balance(funnel: Funnel) -> None:
    """Raises a `StillroomError` unless every request ended in exactly one place."""
    if funnel.balances:
        return
    raise StillroomError(
        f"the run does not balance: {funnel.requests} requests, but {funnel.ended} ended"
        f" ({funnel.accepted} accepted, {sum(funnel.rejected.values())} rejected,"
        f" {funnel.duplicates} duplicates, {sum(funnel.failed.values())} failed,"
        f" {funnel.pending} pending)\n"
        "  nothing was published; every answer is in the ledger"
    )


def make_spend(buckets: Iterable[BucketShards], build: Build) -> SpendSummary:
    """Adds up the cost of all answers, exactly.

    Args:
        buckets: What `write_bucket` returned, once for each bucket.
        build: The judge's cost, and the most that may have been paid without an answer.
    """
    buckets, cost = tuple(buckets), Counter[str]()
    unpriced = {category for bucket in buckets for category in bucket.unpriced}
    for bucket in buckets:
        cost.update(bucket.picodollars)
    judge = build.usd_judge

    def usd(category: str) -> float | None:
        return None if category in unpriced else cost[category] / 10**12

    unknown = unpriced or judge is None
    return SpendSummary(
        usd=None if unknown else (cost.total() + picodollars(judge or 0.0)) / 10**12,
        usd_accepted=usd("accepted"),
        usd_rejected=usd("rejected"),
        usd_truncated=usd("truncated"),
        usd_duplicates=usd("duplicate"),
        usd_failed=usd("failed"),
        usd_uncertain=build.usd_uncertain,
        prompt_tokens=sum(bucket.prompt_tokens for bucket in buckets),
        completion_tokens=sum(bucket.completion_tokens for bucket in buckets),
        rejected_prompt_tokens=sum(bucket.rejected_prompt_tokens for bucket in buckets),
        rejected_completion_tokens=sum(bucket.rejected_completion_tokens for bucket in buckets),
        usd_judge=build.usd_judge,
    )


def number_shards(buckets: Sequence[BucketShards]) -> Iterator[StagedShard]:
    """Names the shards: numbered within kind, class and split, in the order of buckets.

    Args:
        buckets: What `write_bucket` returned, ascending by bucket.

    Yields:
        Each shard once.
    """
    yield from _number_partitions("records", [part for b in buckets for part in b.partitions])
    yield from _number_partitions("preferences", [part for b in buckets for part in b.preferences])
    rejected = [b.rejected for b in buckets if b.rejected]
    yield from _number("rejected", stem_of("rejected"), rejected)


def _number_partitions(kind: Kind, parts: Iterable[Partition]) -> Iterator[StagedShard]:
    def place_of(part: Partition) -> tuple[str, str]:
        return part.obligation_class, part.split

    for (name, split), group in groupby(sorted(parts, key=place_of), key=place_of):
        files = [part.shard for part in group]
        yield from _number(kind, stem_of(kind, name, split), files, name, split)


def sources_of(staged: Iterable[StagedShard], kind: Kind) -> list[Path]:
    return [part.source for part in staged if part.shard.kind == kind]


def _number(
    kind: Kind,
    stem: str,
    files: Sequence[ShardFile],
    obligation_class: str = "",
    split: str = "",
) -> Iterator[StagedShard]:
    for number, file in enumerate(files):
        path = f"{stem}{number:05d}-of-{len(files):05d}-{file.sha256[:16]}.parquet"
        yield StagedShard(
            Path(file.path),
            Shard(
                path=path,
                kind=kind,
                split=split,
                obligation_class=obligation_class,
                records=file.records,
                bytes=file.bytes,
                sha256=file.sha256,
            ),
        )


def make_manifest(
    build: Build, funnel: Funnel, staged: Sequence[StagedShard], facts: Facts, spend: SpendSummary
) -> Manifest:
    manifest = Manifest(
        format=FORMAT,
        name=build.name,
        version="",
        schema_version=SCHEMA_VERSION,
        purpose=build.purpose,
        unapproved=build.unapproved,
        config_digest=build.config_digest,
        registry_digest=build.registry_digest,
        shards=tuple(sorted((part.shard for part in staged), key=lambda shard: shard.path)),
        funnel=funnel,
        spend=spend,
        pending_duties=tuple(duty for duty in facts.owed() if duty.due != "collection"),
        verdicts=build.verdicts,
        run_id=build.run_id,
        created_at=build.created_at,
        writer={
            "stillroom": installed("stillroom"),
            "pyarrow": installed("pyarrow"),
            "settings": WRITER_SETTINGS,
        },
        decisions=build.decisions,
        parent=build.parent,
        removed=build.removed,
        against=build.against,
    )
    return replace(manifest, version=version_of(manifest))
