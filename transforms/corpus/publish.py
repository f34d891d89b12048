"""Publishes a corpus: shards first, manifest next, the pointer last.

A version is put together in a hidden folder and shown by one rename, so a reader sees all of it or
nothing. A crash at any moment leaves the version that was there before.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from schemas.errors import InputError, StillroomError
from schemas.files import unstructure
from schemas.manifest import Latest, Manifest, version_of
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
    explain_os_errors,
    link_or_copy,
    make_durable,
    partial_file,
    sha256_of,
    write_file,
)

_PROBE_BYTES = 1 << 16  # a disk with less room than this is full


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
    funnel = make_funnel(ordered, build)
    check_balance(funnel)
    staged = list(number_shards(ordered))
    facts = gather_facts(*(sources_of(staged, kind) for kind in ("records", "preferences")))
    manifest = make_manifest(build, funnel, staged, facts, make_spend(ordered, build))
    folder = corpus / manifest.version
    if folder.exists():
        manifest = _read_unchanged(folder)
    else:
        _commit_version(folder, manifest, staged, facts)
    _write_pointer(corpus, manifest.version)
    return manifest


def _commit_version(
    folder: Path, manifest: Manifest, staged: Sequence[StagedShard], facts: Facts
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


def _read_unchanged(folder: Path) -> Manifest:
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


def _write_pointer(corpus: Path, version: str) -> None:
    manifest = f"{version}/{MANIFEST}"
    latest = Latest(version, manifest, sha256_of(corpus / manifest))
    write_file(corpus / LATEST, json_bytes(unstructure(latest)))


def json_bytes(value: Any) -> bytes:
    """Writes a JSON file as a person would like to read it."""
    return (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()
