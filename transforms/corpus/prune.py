"""Removes old versions of a corpus, on a disk or in a bucket."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterable
from contextlib import closing
from os import fspath
from pathlib import Path

from schemas.addresses import AnyPath, is_address
from schemas.manifest import Manifest
from transforms.corpus.read import (
    INDEXES,
    LATEST,
    MANIFEST,
    parse,
    parse_latest,
    read_bytes,
    read_latest,
)
from transforms.storage.files import explain_os_errors
from transforms.storage.home import open_bucket


def prune(corpus: AnyPath, keep: int, *, dry: bool = False) -> list[str]:
    """Removes all versions but the newest ones. The current version always stays.

    Args:
        corpus: The corpus's folder, or its address in a bucket.
        keep: How many versions stay: those that were published last, by their manifests.
        dry: Whether to remove nothing.

    Returns:
        The names of the versions that were removed (or would be), the oldest first.

    Raises:
        InputError: There is no corpus.
        StillroomError: A version cannot be removed.
    """
    address = fspath(corpus).rstrip("/")
    if is_address(address):
        return _prune_bucket(address, keep, dry)
    folder = Path(address)
    current = read_latest(folder).version
    manifests = (
        parse(read_bytes(path), path, "manifest", Manifest)
        for path in folder.glob(f"[!.]*/{MANIFEST}")
    )
    old = _old(manifests, current, keep)
    for version in () if dry else old:
        _remove_folder(folder, version)
    return old


def _old(manifests: Iterable[Manifest], current: str, keep: int) -> list[str]:
    """Returns the versions that do not stay, the oldest first."""
    by_age = sorted((manifest.created_at, manifest.version) for manifest in manifests)
    others = [version for _, version in by_age if version != current]
    return others[: max(0, len(others) - (keep - 1))]


def _remove_folder(corpus: Path, version: str) -> None:
    """Removes a version: it is hidden first, so that no reader finds half of it."""
    hidden = corpus / f".{version}-{uuid.uuid4().hex}.pruned"
    with explain_os_errors(corpus / version):
        (corpus / version).rename(hidden)
        for path in (*corpus.glob(f"{INDEXES}/{version}-*"), *corpus.glob(".*.pruned")):
            shutil.rmtree(path)


def _prune_bucket(address: str, keep: int, dry: bool) -> list[str]:
    with closing(open_bucket(address, "the corpus")) as bucket:
        current = parse_latest(bucket.get(LATEST), address).version
        names = [each.name for each in bucket.list()]
        manifests = [name for name in names if name.endswith(f"/{MANIFEST}")]
        found = (
            parse(data, f"{address}/{name}", "manifest", Manifest)
            for name in manifests
            if (data := bucket.get(name))
        )
        old = _old(found, current, keep)
        for version in () if dry else old:
            # The manifest first: without one it is no version.
            for name in (f"{version}/{MANIFEST}", *names):
                if name.startswith(f"{version}/"):
                    bucket.remove(name)
        return old
