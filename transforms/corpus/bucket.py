"""A corpus in a bucket: published object by object, and copied to this machine to be read.

A bucket has no folder that could be renamed, so order takes its place: first the shards, then the
manifest, which is created only where there is none, then the texts that are made from it, last the
pointer. Readers begin at the pointer. Of two publishers of one version, both write what the first
one's manifest says.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from os import fspath
from pathlib import Path
from typing import TYPE_CHECKING

from schemas.addresses import AnyPath, is_address, join_address
from schemas.errors import InputError, StillroomError
from schemas.manifest import Manifest, version_of
from transforms.corpus.read import LATEST, MANIFEST, open_corpus, parse, parse_latest
from transforms.storage.home import open_bucket
from transforms.storage.inputs import scratch_folder

if TYPE_CHECKING:
    from transforms.storage.gcs import Store

_WHAT = "the corpus"


def check_bucket(address: str) -> None:
    """Checks that a corpus can be published to a bucket: creates, lists, reads, deletes an object.

    Raises:
        InputError: The bucket is not there, or one of these is not permitted.
        StillroomError: It cannot be reached.
    """
    name = f".probe-{uuid.uuid4().hex}"
    with closing(open_bucket(address, _WHAT)) as bucket:
        generation = bucket.put(name, b"probe")
        found = [each.name for each in bucket.list(name)]
        read = bucket.get_with_generation(name)
        bucket.delete(name, generation or 0)
        if found != [name] or read != (b"probe", generation):
            raise StillroomError(f"{address}: an object that was just written is not found")


def publish_to_bucket(
    address: str,
    folder: Path,
    manifest: bytes,
    write_texts: Callable[[Manifest], None],
    point_to: Callable[[str, bytes], bytes],
) -> Manifest:
    """Publishes a version and makes it the current one.

    Args:
        address: The corpus's address.
        folder: The version's shards on this machine, in a folder of the version's name.
        manifest: Its manifest.
        write_texts: Writes the card and the other texts of a manifest beside the shards.
        point_to: Returns the pointer to a version, given its name and its manifest's bytes.

    Returns:
        The manifest of the version: an earlier one, if it was published before.

    Raises:
        StillroomError: An object differs from what is to be published, another run published
            meanwhile, or the bucket cannot be reached. The current version stays current.
    """
    version = folder.name
    with closing(open_bucket(address, _WHAT)) as bucket:
        before = bucket.get_with_generation(LATEST)
        for path in _files(folder):
            _upload(bucket, f"{version}/{path.relative_to(folder)}", path)
        bucket.put(f"{version}/{MANIFEST}", manifest)
        found = bucket.get(f"{version}/{MANIFEST}")
        if found is None:
            raise StillroomError(f"{address}/{version}/{MANIFEST}: was removed meanwhile")
        published = _checked(found, address, version)
        shards = set(_files(folder))
        write_texts(published)
        for path in (path for path in _files(folder) if path not in shards):
            # What is there stays: a published version never changes.
            bucket.put_file(f"{version}/{path.relative_to(folder)}", path)
        _point(bucket, version, point_to(version, found), before)
    return published


def _upload(bucket: Store, name: str, path: Path) -> None:
    if not bucket.put_file(name, path):
        raise StillroomError(
            f"{bucket.address}/{name}: differs from the published file\n"
            f"  move version {name.partition('/')[0]} elsewhere and run again; answers are read "
            "from the ledger"
        )


def _checked(data: bytes, address: str, version: str) -> Manifest:
    path = join_address(address, f"{version}/{MANIFEST}")
    manifest = parse(data, path, "manifest", Manifest)
    if version_of(manifest) != version:
        raise StillroomError(f"{path}: differs from the published file")
    return manifest


def _point(bucket: Store, version: str, pointer: bytes, before: tuple[bytes, int] | None) -> None:
    if before and before[0] == pointer:
        return
    if bucket.put(LATEST, pointer, before[1] if before else 0) is not None:
        return
    now = bucket.get(LATEST)
    if now != pointer:
        raise StillroomError(
            f"{bucket.address}: another run published a version meanwhile\n"
            f"  version {version} is complete but not the current one; run again to make it that"
        )


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


@contextmanager
def local_corpus(address: AnyPath, version: str | None = None) -> Iterator[Path]:
    """Yields a corpus's path on this machine; one in a bucket is copied, and removed afterwards.

    Args:
        address: A path; or, in a bucket, the corpus or one version of it.
        version: Name of the version to copy; the newest by default.

    Raises:
        InputError: There is no corpus.
        StillroomError: The bucket cannot be reached, or the disk is full.
    """
    address = fspath(address).rstrip("/")
    if not is_address(address):
        yield Path(address)
        return
    with scratch_folder() as folder, closing(open_bucket(address, _WHAT)) as bucket:
        prefix = ""
        if version is not None or bucket.get(MANIFEST) is None:
            pointer = bucket.get(LATEST)  # once: another run may publish meanwhile
            prefix = f"{version or parse_latest(pointer, address).version}/"
            if pointer is not None:
                (folder / LATEST).write_bytes(pointer)
        for each in [*bucket.list(prefix)]:
            bucket.download(each.name, _place(folder, each.name))
        yield folder


def corpus_name(address: str) -> str | None:
    """Returns the name of the corpus at an address, a folder or in a bucket; None without one.

    Raises:
        InputError: What is there is no corpus that can be read.
    """
    if not is_address(address):
        return open_corpus(Path(address)).manifest.name if Path(address, LATEST).exists() else None
    with closing(open_bucket(address, _WHAT)) as bucket:
        pointer = bucket.get(LATEST)
        if pointer is None:
            return None
        name = parse_latest(pointer, bucket.address).manifest
        data = bucket.get(name) or b""
        return parse(data, f"{bucket.address}/{name}", "manifest", Manifest).name


def is_version(address: str) -> bool:
    """Returns whether a folder, or a folder in a bucket, is a version of a corpus."""
    if not is_address(address):
        return Path(address, MANIFEST).exists()
    with closing(open_bucket(address, _WHAT)) as bucket:
        return bucket.get(MANIFEST) is not None


def newest_in_bucket(address: str) -> str:
    """Returns the address of the current version of a corpus in a bucket.

    Raises:
        InputError: There is no corpus.
    """
    with closing(open_bucket(address, _WHAT)) as bucket:
        version = parse_latest(bucket.get(LATEST), bucket.address).version
        return join_address(bucket.address, version)


def _place(folder: Path, name: str) -> Path:
    path = folder / name
    if ".." in path.parts:
        raise InputError("a corpus has no object of such a name", found=name)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
