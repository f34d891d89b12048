"""Publishes a corpus: shards first, manifest next, the pointer last.

A version is put together in a hidden folder and shown by one rename, so a reader sees all of it or
nothing. A crash at any moment leaves the version that was there before.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version as installed
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

from schemas.arrow import SCHEMA_VERSION
from schemas.errors import InputError, StillroomError
from schemas.files import unstructure
from schemas.manifest import (
    FORMAT,
    Compared,
    Funnel,
    Kind,
    Latest,
    Manifest,
    Removed,
    Shard,
    SpendSummary,
    version_of,
)
from schemas.run import Purpose
from schemas.terms import Verdict
from transforms.corpus.card import render_card
from transforms.corpus.croissant import render_croissant
from transforms.corpus.facts import Facts, gather
from transforms.corpus.read import (
    CARD,
    CROISSANT,
    LATEST,
    MANIFEST,
    REPORT,
    Corpus,
    open_corpus,
    stem_of,
)
from transforms.corpus.report import render_report
from transforms.corpus.shards import (
    WRITER_SETTINGS,
    BucketShards,
    Partition,
    ShardFile,
    picodollars,
)
from transforms.storage.files import (
    explain_os_errors,
    link_or_copy,
    make_durable,
    partial_file,
    sha256_of,
    write_file,
)

_KINDS = ("accepted", "rejected", "duplicate", "failed", "unread")
_PROBE_BYTES = 1 << 16  # a disk with less room than this is full


@dataclass(frozen=True, slots=True)
class Build:
    """What a manifest tells of the run beyond what its shards do.

    Attributes:
        name: Name of the run file.
        purpose: The declared use.
        unapproved: The run file's choice.
        config_digest: Digest of the run file.
        registry_digest: Digest of catalogue and registry.
        verdicts: The guard's verdicts on the day of the build.
        decisions: The guard's decisions that the records name.
        usd_judge: What the judge's answers cost, US dollars.
        requests: Requests that the prompts and teachers make, counted as they were made.
        pending: Requests without a final answer.
        run_id: The run.
        created_at: When, ISO 8601 UTC.
        parent: For a corpus that was withdrawn from: the version it was made of.
        removed: For the same: what was taken out.
        against: Earlier versions whose records went before those of this one.
        usd_uncertain: The most that may have been paid for nothing, US dollars.
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
    usd_judge: float = 0.0
    parent: str | None = None
    removed: Removed | None = None
    against: tuple[Compared, ...] = ()
    usd_uncertain: float = 0.0


@dataclass(frozen=True, slots=True)
class _Staged:
    """A staged shard and the place that it gets."""

    source: Path
    shard: Shard


def preflight(corpus: str) -> None:
    """Makes sure, before anything is paid for, that a corpus can be published here.

    Args:
        corpus: The corpus's folder; it is made.

    Raises:
        InputError: It is not a folder on this machine, or cannot be written.
    """
    if "://" in corpus:
        raise InputError(
            "a corpus is published to a folder of this machine", where="corpus", found=corpus
        )
    try:
        with partial_file(Path(corpus)) as probe:
            probe.write_bytes(bytes(_PROBE_BYTES))
    except StillroomError as error:
        raise InputError(
            "the corpus's folder cannot be written",
            where=corpus,
            found=str(error.__cause__),
            remedy="name another folder under `corpus:` in the run file, or make room",
        ) from None


def publish(buckets: Iterable[BucketShards], corpus: Path, build: Build) -> Manifest:
    """Publishes the shards of all buckets as a version of a corpus, and points to it.

    A version that is there already is kept as it is: the same content has the same name.

    Args:
        buckets: What `write_bucket` returned, once for each bucket, in any order.
        corpus: The corpus's folder.
        build: What else the manifest tells.

    Returns:
        The manifest of the version.

    Raises:
        StillroomError: The requests do not balance, the version that is there is damaged, or the
            folder cannot be written. The version that was there before stays.
    """
    ordered = sorted(buckets, key=lambda bucket: bucket.bucket)
    funnel = _balanced(make_funnel(ordered, build))
    staged = list(_staged(ordered))
    facts = gather(*(_sources(staged, kind) for kind in ("records", "preferences")))
    manifest = _manifest(build, funnel, staged, facts, make_spend(ordered, build))
    folder = corpus / manifest.version
    if folder.exists():
        manifest = _intact(folder)
    else:
        _show_version(folder, manifest, staged, facts)
    _point(corpus, manifest.version)
    return manifest


def make_funnel(buckets: Iterable[BucketShards], build: Build) -> Funnel:
    """Sums up where every request ended.

    Args:
        buckets: What `write_bucket` returned, once for each bucket.
        build: How many requests there are, and how many are pending.

    Returns:
        The funnel; whether it balances is for `publish` to check.
    """
    buckets = tuple(buckets)
    counts: dict[str, Counter[str]] = {kind: Counter() for kind in _KINDS}
    for bucket in buckets:
        for kind, reasons in bucket.counts.items():
            counts[kind].update(reasons)
    return Funnel(
        requests=build.requests,
        accepted=sum(bucket.accepted for bucket in buckets),
        rejected=_sorted(counts["rejected"]),
        duplicates=counts["duplicate"].total(),
        failed=_sorted(counts["failed"]),
        pending=build.pending,
        unread=_sorted(counts["unread"]),
    )


def _sorted(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items()))


def _balanced(funnel: Funnel) -> Funnel:
    if funnel.balances:
        return funnel
    raise StillroomError(
        f"the run does not balance: {funnel.requests} requests, but {funnel.ended} ended"
        f" ({funnel.accepted} accepted, {sum(funnel.rejected.values())} rejected,"
        f" {funnel.duplicates} duplicates, {sum(funnel.failed.values())} failed,"
        f" {funnel.pending} pending)\n"
        "  nothing was published; every answer is in the ledger"
    )


def make_spend(buckets: Iterable[BucketShards], build: Build) -> SpendSummary:
    """Sums up what the answers cost, exactly.

    Args:
        buckets: What `write_bucket` returned, once for each bucket.
        build: What the judge cost, and what may have been paid for nothing.
    """
    buckets, cost = tuple(buckets), Counter[str]()
    for bucket in buckets:
        cost.update(bucket.picodollars)
    return SpendSummary(
        usd=(cost.total() + picodollars(build.usd_judge)) / 10**12,
        usd_accepted=cost["accepted"] / 10**12,
        usd_rejected=cost["rejected"] / 10**12,
        usd_truncated=cost["truncated"] / 10**12,
        usd_duplicates=cost["duplicate"] / 10**12,
        usd_failed=cost["failed"] / 10**12,
        usd_uncertain=build.usd_uncertain,
        prompt_tokens=sum(bucket.prompt_tokens for bucket in buckets),
        completion_tokens=sum(bucket.completion_tokens for bucket in buckets),
        rejected_prompt_tokens=sum(bucket.other_prompt_tokens for bucket in buckets),
        rejected_completion_tokens=sum(bucket.other_completion_tokens for bucket in buckets),
        usd_judge=build.usd_judge,
    )


def _staged(buckets: Sequence[BucketShards]) -> Iterator[_Staged]:
    """Numbers the shards within each kind, class and split, in the order of their buckets."""
    yield from _partitioned("records", [part for b in buckets for part in b.partitions])
    yield from _partitioned("preferences", [part for b in buckets for part in b.preferences])
    rejected = [b.rejected for b in buckets if b.rejected]
    yield from _numbered("rejected", stem_of("rejected"), rejected)


def _partitioned(kind: Kind, parts: Iterable[Partition]) -> Iterator[_Staged]:
    def place_of(part: Partition) -> tuple[str, str]:
        return part.obligation_class, part.split

    for (name, split), group in groupby(sorted(parts, key=place_of), key=place_of):
        files = [part.shard for part in group]
        yield from _numbered(kind, stem_of(kind, name, split), files, name, split)


def _sources(staged: Iterable[_Staged], kind: Kind) -> list[Path]:
    return [part.source for part in staged if part.shard.kind == kind]


def _numbered(
    kind: Kind,
    stem: str,
    files: Sequence[ShardFile],
    obligation_class: str = "",
    split: str = "",
) -> Iterator[_Staged]:
    for number, file in enumerate(files):
        path = f"{stem}{number:05d}-of-{len(files):05d}-{file.sha256[:16]}.parquet"
        yield _Staged(
            Path(file.path),
            Shard(path, kind, split, obligation_class, file.records, file.bytes, file.sha256),
        )


def _manifest(
    build: Build, funnel: Funnel, staged: Sequence[_Staged], facts: Facts, spend: SpendSummary
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


def _show_version(
    folder: Path, manifest: Manifest, staged: Sequence[_Staged], facts: Facts
) -> None:
    """Builds a version out of sight and shows it by one rename."""
    hidden = folder.with_name(f".{folder.name}.partial")
    with explain_os_errors(folder):
        shutil.rmtree(hidden, ignore_errors=True)  # what a crash left
        for part in staged:
            link_or_copy(part.source, hidden / part.shard.path)
        _write_texts(Corpus(hidden, manifest), facts)
        for inner, _, _ in os.walk(hidden, topdown=False):
            make_durable(Path(inner))
        hidden.rename(folder)
        make_durable(folder.parent)


def _write_texts(corpus: Corpus, facts: Facts) -> None:
    write_file(corpus.folder / MANIFEST, json_bytes(unstructure(corpus.manifest)))
    write_file(corpus.folder / CARD, render_card(corpus.manifest, facts).encode())
    write_file(corpus.folder / CROISSANT, json_bytes(render_croissant(corpus.manifest, facts)))
    write_file(corpus.folder / REPORT, render_report(corpus, facts).encode())


def _intact(folder: Path) -> Manifest:
    """Returns the manifest of a version that is there already, after reading all of it."""
    corpus = open_corpus(folder)
    damaged = [] if version_of(corpus.manifest) == folder.name else [folder / MANIFEST]
    for shard in corpus.manifest.shards:
        path = corpus.path(shard)
        if not path.is_file() or sha256_of(path) != shard.sha256:
            damaged.append(path)
    if damaged:
        raise StillroomError(
            f"{damaged[0]}: differs from what was published\n"
            f"  move {folder} out of the way and run again: nothing is paid for twice"
        )
    return corpus.manifest


def _point(corpus: Path, version: str) -> None:
    manifest = f"{version}/{MANIFEST}"
    latest = Latest(version, manifest, sha256_of(corpus / manifest))
    write_file(corpus / LATEST, json_bytes(unstructure(latest)))


def json_bytes(value: Any) -> bytes:
    """Writes a JSON file as a person would like to read it."""
    return (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()
