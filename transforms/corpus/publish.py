"""Publishes a corpus: shards first, manifest next, the pointer last.

A version is built in a hidden folder and renamed when complete, so a reader sees all of it or
nothing. A crash at any moment leaves the previous version current.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Sequence
from os import fspath
from pathlib import Path
from typing import Any

from schemas.addresses import AnyPath, is_address
from schemas.canonical import sha256
from schemas.errors import InputError, StillroomError
from schemas.files import unstructure
from schemas.manifest import Latest, Manifest, version_of
from transforms.corpus.bucket import check_bucket, publish_to_bucket
from transforms.corpus.card import render_card
from transforms.corpus.croissant import render_croissant
from transforms.corpus.facts import Facts, gather_facts
from transforms.corpus.manifest import (
    Build,
    StagedShard,
    check_balance,
    make_funnel,
    make_manifest,
    make_spend,
    number_shards,
    sources_of,
)
from transforms.corpus.read import (
    CARD,
    CROISSANT,
    LATEST,
    MANIFEST,
    REPORT,
    Corpus,
    open_corpus,
)
from transforms.corpus.report import render_report
from transforms.corpus.shards import BucketShards
from transforms.storage.files import (
    commit_folder,
    explain_os_errors,
    link_or_copy,
    partial_file,
    write_file,
)
from transforms.storage.inputs import scratch_folder

_PROBE_BYTES = 1 << 16  # a disk with less free space counts as full


def preflight(corpus: str) -> None:
    """Checks that a corpus can be published here, before any request is paid for.

    Args:
        corpus: The corpus's folder, created if missing; or its address in a bucket.

    Raises:
        InputError: It cannot be written.
        StillroomError: The bucket cannot be reached.
    """
    if is_address(corpus):
        check_bucket(corpus)
        return
    try:
        with partial_file(Path(corpus)) as probe:
            probe.write_bytes(bytes(_PROBE_BYTES))
    except StillroomError as error:
        raise InputError(
            "the corpus's folder cannot be written",
            where=corpus,
            found=str(error.__cause__),
            remedy="name another folder under `corpus:` in the run file, or free disk space",
        ) from None


def publish(buckets: Iterable[BucketShards], corpus: AnyPath, build: Build) -> Manifest:
    """Publishes the shards of all buckets as a version of a corpus and makes it the current one.

    The name of a version is a digest of its content. If the version exists already, it is checked
    and kept.

    Args:
        buckets: What `write_bucket` returned, once for each bucket, in any order.
        corpus: The corpus's folder, or its address in a bucket.
        build: The manifest's facts about the run.

    Returns:
        The manifest of the version.

    Raises:
        StillroomError: The requests do not balance, the existing version is damaged, or the folder
            cannot be written. The current version stays current.
    """
    ordered = sorted(buckets, key=lambda bucket: bucket.bucket)
    funnel = make_funnel(ordered, build)
    check_balance(funnel)
    staged = list(number_shards(ordered))
    facts = gather_facts(*(sources_of(staged, kind) for kind in ("records", "preferences")))
    manifest = make_manifest(build, funnel, staged, facts, make_spend(ordered, build))
    if is_address(fspath(corpus)):
        return _publish_to_bucket(fspath(corpus), manifest, staged, facts)
    folder = Path(corpus) / manifest.version
    if folder.exists():
        manifest = _read_unchanged(folder)
    else:
        _commit_version(folder, manifest, staged, facts)
    data = (folder / MANIFEST).read_bytes()
    write_file(Path(corpus) / LATEST, _pointer(manifest.version, data))
    return manifest


def _publish_to_bucket(
    corpus: str, manifest: Manifest, staged: Sequence[StagedShard], facts: Facts
) -> Manifest:
    with scratch_folder() as scratch:
        folder = scratch / manifest.version
        for part in staged:
            link_or_copy(part.source, folder / part.shard.path)
        return publish_to_bucket(
            corpus,
            folder,
            json_bytes(unstructure(manifest)),
            lambda published: _write_texts(Corpus(folder, published), facts),
            _pointer,
        )


def _commit_version(
    folder: Path, manifest: Manifest, staged: Sequence[StagedShard], facts: Facts
) -> None:
    """Builds a version in a hidden folder, fsyncs it, then renames the folder."""
    hidden = folder.with_name(f".{folder.name}.partial")
    with explain_os_errors(folder):
        shutil.rmtree(hidden, ignore_errors=True)  # left by a crash
        for part in staged:
            link_or_copy(part.source, hidden / part.shard.path)
        write_file(hidden / MANIFEST, json_bytes(unstructure(manifest)))
        _write_texts(Corpus(hidden, manifest), facts)
        commit_folder(hidden, folder)


def _write_texts(corpus: Corpus, facts: Facts) -> None:
    write_file(corpus.folder / CARD, render_card(corpus.manifest, facts).encode())
    write_file(corpus.folder / CROISSANT, json_bytes(render_croissant(corpus.manifest, facts)))
    write_file(corpus.folder / REPORT, render_report(corpus, facts).encode())


def _read_unchanged(folder: Path) -> Manifest:
    """Returns the manifest of an existing version after checking the digest of every shard."""
    corpus = open_corpus(folder)
    damaged = [] if version_of(corpus.manifest) == folder.name else [folder / MANIFEST]
    damaged += [corpus.path(s) for s in corpus.manifest.shards if not corpus.is_unchanged(s)]
    if damaged:
        raise StillroomError(
            f"{damaged[0]}: differs from the published file\n"
            f"  move {folder} elsewhere and run again; answers are read from the ledger"
        )
    return corpus.manifest


def _pointer(version: str, manifest: bytes) -> bytes:
    """Returns the pointer to a version, given its manifest's bytes."""
    latest = Latest(version=version, manifest=f"{version}/{MANIFEST}", sha256=sha256(manifest))
    return json_bytes(unstructure(latest))


def json_bytes(value: Any) -> bytes:
    """Returns a value as indented JSON in UTF-8, ending with a newline."""
    return (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()
