"""Opens a published corpus and reads its shards as a stream."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.canonical import sha256
from schemas.errors import InputError, nearest
from schemas.files import check, structure
from schemas.manifest import Kind, Latest, Manifest, Shard
from schemas.money import from_column
from transforms.storage.files import sha256_of

LATEST = "LATEST.json"
MANIFEST = "manifest.json"
CARD = "README.md"
CROISSANT = "croissant.json"
REPORT = "report.html"
INDEXES = ".index"  # folder of the indexes for later runs, beside the versions

T = TypeVar("T")

_FOLDERS: dict[Kind, str] = {"records": "data", "preferences": "preferences"}


def stem_of(kind: Kind, obligation_class: str = "", split: str = "") -> str:
    """Returns the beginning of the paths of some shards, relative to the version's folder.

    Args:
        kind: What the shards hold.
        obligation_class: Obligation class of their rows; ignored for rejected rows.
        split: Split of their rows; ignored for rejected rows.
    """
    if kind == "rejected":
        return "rejected/rejected-"
    return f"{_FOLDERS[kind]}/{obligation_class}/{split}-"


@dataclass(frozen=True, slots=True)
class Corpus:
    """One version of a corpus.

    Attributes:
        folder: The version's folder.
        manifest: Its manifest.
    """

    folder: Path
    manifest: Manifest

    def shards(self, kind: Kind) -> list[Shard]:
        """Returns the shards of accepted or rejected records, or of pairs, by path."""
        return [shard for shard in self.manifest.shards if shard.kind == kind]

    def path(self, shard: Shard) -> Path:
        """Returns the path of a shard."""
        return self.folder / shard.path

    def is_unchanged(self, shard: Shard) -> bool:
        """Whether a shard is the published file, by its SHA-256."""
        path = self.path(shard)
        return path.is_file() and sha256_of(path) == shard.sha256

    def tables(self, kind: Kind, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """Reads records, pairs or rejected rows, a row group of at most 4,096 rows at a time.

        Args:
            kind: Which rows.
            columns: Names of columns, or dotted names of fields within them; all by default.

        Yields:
            Tables, in the order of paths and, within a shard, of ids.
        """
        for shard in self.shards(kind):
            yield from self.groups(shard, columns)

    def groups(self, shard: Shard, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """Reads the row groups of one shard; see `tables`."""
        with pq.ParquetFile(self.path(shard)) as file:
            for group in range(file.num_row_groups):
                yield file.read_row_group(group, columns=columns)


@dataclass(frozen=True, slots=True)
class ManifestFile:
    """The path of a manifest, and the digest that it should have.

    Attributes:
        path: The manifest.
        sha256: Its SHA-256 in `LATEST.json`; None where `LATEST.json` names another version.
    """

    path: Path
    sha256: str | None


def open_corpus(path: Path, version: str | None = None) -> Corpus:
    """Opens a version of a corpus.

    Args:
        path: The corpus's folder, a version's folder, or a manifest.
        version: Name of the version, for a corpus's folder; the newest by default.

    Returns:
        The version. Its shards are not opened; `verify` checks them.

    Raises:
        InputError: There is no corpus or no such version, or the manifest was changed.
    """
    found = find_manifest(path, version)
    data = read_bytes(found.path)
    if found.sha256 not in (None, sha256(data)):
        raise InputError(
            f"the manifest is not the one that {LATEST} points to",
            where=str(found.path),
            found=f"SHA-256 {sha256(data)}",
            expected=str(found.sha256),
            remedy="restore the file, or publish the corpus again",
        )
    return Corpus(found.path.parent, parse(data, found.path, "manifest", Manifest))


def find_manifest(path: Path, version: str | None = None) -> ManifestFile:
    """Finds a manifest; see `open_corpus`."""
    if path.is_file() and path.name != LATEST:
        return ManifestFile(path, None)
    folder = path.parent if path.is_file() else path
    if version is None and (folder / MANIFEST).is_file():
        return ManifestFile(folder / MANIFEST, None)
    latest = read_latest(folder)
    if version in (None, latest.version):
        return ManifestFile(folder / latest.manifest, latest.sha256)
    manifest = folder / version / MANIFEST
    if not manifest.is_file():
        known = [found.parent.name for found in folder.glob(f"[!.]*/{MANIFEST}")]
        raise InputError(
            f"the corpus has no version {version!r}",
            where=str(folder),
            remedy=nearest(version, known),
        )
    return ManifestFile(manifest, None)


def read_latest(folder: Path) -> Latest:
    """Returns the pointer of a corpus's folder; raises `InputError` where there is none."""
    path = folder / LATEST
    return parse_latest(read_bytes(path) if path.is_file() else None, str(folder))


def parse_latest(data: bytes | None, address: str) -> Latest:
    """Parses the pointer of a corpus.

    Args:
        data: Its bytes; None where there is none.
        address: The corpus's address, for messages.

    Raises:
        InputError: There is none, or it cannot be read.
    """
    if data is None:
        raise InputError(
            "there is no corpus here",
            where=address,
            expected=f"a folder with a {LATEST}",
            remedy="publish one with `stillroom run`",
        )
    return parse(data, f"{address}/{LATEST}", "latest", Latest)


def read_bytes(path: Path) -> bytes:
    """Returns the content of a small file.

    Raises:
        InputError: It is missing or cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            "the file cannot be read", where=str(path), found=error.strerror or str(error)
        ) from None


def parse(data: bytes, path: Path | str, schema: str, kind: type[T]) -> T:
    """Parses a JSON file that stillroom wrote.

    Args:
        data: The file's bytes.
        path: The file or its address, for messages.
        schema: Name of its JSON Schema.
        kind: The dataclass to return.

    Returns:
        An instance of `kind`.

    Raises:
        InputError: It is not JSON, or does not match the schema.
    """
    try:
        content = json.loads(data)
    except ValueError as error:
        raise InputError("the file is not valid JSON", where=str(path), found=str(error)) from None
    check(content, schema, str(path))
    return structure(content, kind)


def plain(value: Any) -> Any:
    """Converts a row from Arrow to plain JSON.

    Times become milliseconds since 1970 UTC; a NaN, which is an unknown cost, becomes None.
    """
    if isinstance(value, float):
        return from_column(value)
    if isinstance(value, datetime):
        return round(value.timestamp() * 1000)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value
