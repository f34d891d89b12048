"""Verifies a corpus offline: files match the manifest, and every record is complete.

`transforms.auditing.decisions` says what can be proven about the guard's decisions.

Shards are read a row group at a time. Memory grows with the number of decisions and obligation
classes, and by 16 bytes for each preference pair, not with the number of records.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.arrow import PREFERENCES, RECORDS, REJECTED, SCHEMA_VERSION
from schemas.canonical import sha256
from schemas.codes import RowKind
from schemas.errors import InputError
from schemas.manifest import Manifest, Shard, version_of
from transforms.auditing.constraints import RowViolation
from transforms.auditing.decisions import decision_problems
from transforms.auditing.inspection import (
    InspectionState,
    inspect_pairs,
    inspect_records,
    inspect_rejected,
)
from transforms.auditing.withdrawn_rows import ids_digest, withdrawal_detail
from transforms.corpus.pairs import missing_sides
from transforms.corpus.read import (
    LATEST,
    MANIFEST,
    Corpus,
    ManifestFile,
    find_manifest,
    parse,
    read_bytes,
    stem_of,
)
from transforms.storage.files import sha256_of

_VERSION = re.compile(r"[0-9a-f]{16}")  # a copy may be in a folder with any other name
_SCHEMAS = {"records": RECORDS, "preferences": PREFERENCES, "rejected": REJECTED}


@dataclass(frozen=True, slots=True)
class FileProblem:
    """A problem with one file of a version.

    Attributes:
        file: The file, relative to the version's folder.
        what: The problem.
    """

    file: str
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """The result of verifying a version.

    Attributes:
        ok: Whether there are no problems.
        version: The version that was verified.
        records: Number of accepted records in the manifest.
        shards: Number of files in the manifest.
        problems: All problems.
    """

    ok: bool
    version: str
    records: int
    shards: int
    problems: tuple[FileProblem, ...]


def verify(path: Path, version: str | None = None) -> Verification:
    """Verifies a version of a corpus.

    Args:
        path: The corpus's folder, a version's folder, or a manifest.
        version: Name of the version, for a corpus's folder; the newest by default.

    Returns:
        The result. A manifest that cannot be parsed is a problem, not an error.

    Raises:
        InputError: There is no corpus or no such version.
    """
    found = find_manifest(path, version)
    folder = found.path.parent
    manifest = _manifest(found)
    if isinstance(manifest, FileProblem):
        return Verification(
            ok=False, version=folder.name, records=0, shards=0, problems=(manifest,)
        )
    corpus = Corpus(folder, manifest)
    problems = tuple(_problems(corpus))
    return Verification(
        ok=not problems,
        version=manifest.version,
        records=manifest.rows("records"),
        shards=len(manifest.shards),
        problems=problems,
    )


def _manifest(found: ManifestFile) -> Manifest | FileProblem:
    file = found.path.name
    try:
        data = read_bytes(found.path)
        if found.sha256 not in (None, sha256(data)):
            return FileProblem(file, f"SHA-256 is {sha256(data)}, in {LATEST} it is {found.sha256}")
        return parse(data, found.path, "manifest", Manifest)
    except InputError as error:
        return FileProblem(file, str(error))


def _problems(corpus: Corpus) -> Iterator[FileProblem]:
    yield from _content_problems(corpus)
    yield from _unlisted_files(corpus)
    state, readable, complete = InspectionState(), [], True
    for shard in corpus.manifest.shards:
        found = list(_file_problems(corpus, shard))
        if not found:
            readable.append(shard)
            found = list(_row_problems(corpus, shard, state))
        yield from found
        complete = complete and not found
    yield from _id_problems(corpus, readable, "record", ("record_id",))
    yield from _id_problems(corpus, readable, "pair", ("chosen_id", "rejected_id"))
    if len(readable) == len(corpus.manifest.shards):
        yield from _funnel_problems(corpus.manifest, state)
        yield from _removal_problems(corpus.manifest, state)
    if complete:
        yield from (FileProblem(file, what) for file, what in missing_sides(corpus))


def _content_problems(corpus: Corpus) -> Iterator[FileProblem]:
    manifest, file = corpus.manifest, MANIFEST
    if version_of(manifest) != manifest.version:
        yield FileProblem(
            file, f"the digest of its content is {version_of(manifest)}, not {manifest.version}"
        )
    if _VERSION.fullmatch(corpus.folder.name) and corpus.folder.name != manifest.version:
        yield FileProblem(file, f"version {manifest.version} is in folder {corpus.folder.name}")
    yield from (FileProblem(file, what) for what in decision_problems(manifest))
    if not manifest.funnel.balances:
        ended = manifest.funnel.ended
        yield FileProblem(
            file, f"does not balance: {manifest.funnel.requests} requests, {ended} ended"
        )


def _unlisted_files(corpus: Corpus) -> Iterator[FileProblem]:
    listed = {corpus.path(shard) for shard in corpus.manifest.shards}
    for part in ("data", "preferences", "rejected"):
        for path in sorted((corpus.folder / part).rglob("*")):
            if not path.is_dir() and path not in listed:
                yield FileProblem(
                    str(path.relative_to(corpus.folder)), "is not listed in the manifest"
                )


def _file_problems(corpus: Corpus, shard: Shard) -> Iterator[FileProblem]:
    """Compares a shard's size and digest with the manifest, without parsing it."""
    path = corpus.path(shard)
    if not path.is_file():
        yield FileProblem(shard.path, "is missing")
        return
    try:
        size, found = path.stat().st_size, sha256_of(path)
    except OSError as error:
        yield FileProblem(shard.path, f"cannot be read: {error.strerror}")
        return
    if size != shard.bytes:
        yield FileProblem(shard.path, f"has {size} bytes, in the manifest {shard.bytes}")
    if found != shard.sha256:
        yield FileProblem(shard.path, f"SHA-256 is {found}, in the manifest {shard.sha256}")


def _row_problems(corpus: Corpus, shard: Shard, state: InspectionState) -> Iterator[FileProblem]:
    stem = stem_of(shard.kind, shard.obligation_class, shard.split)
    if not shard.path.startswith(stem):
        yield FileProblem(shard.path, f"its name does not start with {stem}")
    try:
        with pq.ParquetFile(corpus.path(shard), page_checksum_verification=True) as file:
            yield from _parquet_problems(file, corpus.manifest, shard, state)
    except (pa.ArrowInvalid, OSError) as error:
        yield FileProblem(shard.path, f"cannot be read as Parquet: {error}")


def _parquet_problems(
    file: pq.ParquetFile, manifest: Manifest, shard: Shard, state: InspectionState
) -> Iterator[FileProblem]:
    if file.metadata.num_rows != shard.records:
        rows = file.metadata.num_rows
        yield FileProblem(shard.path, f"has {rows} records, in the manifest {shard.records}")
    if not file.schema_arrow.equals(_SCHEMAS[shard.kind], check_metadata=True):
        yield FileProblem(
            shard.path, f"its schema is not stillroom's schema version {SCHEMA_VERSION}"
        )
        return
    broken: dict[tuple[str, str], tuple[int, str]] = {}
    for group in range(file.num_row_groups):
        table = file.read_row_group(group)
        for violation in _violations(table, shard, manifest, state):
            key = (violation.path, violation.what)
            count, first = broken.get(key, (0, _name(table, violation)))
            broken[key] = (count + len(violation.rows), first)
    for (path, what), (count, first) in broken.items():
        more = f" and {count - 1} more" if count > 1 else ""
        yield FileProblem(shard.path, f"{path} {what}: {first}{more}")


def _violations(
    table: pa.Table, shard: Shard, manifest: Manifest, state: InspectionState
) -> Iterator[RowViolation]:
    if shard.kind == "records":
        return inspect_records(table, shard, manifest, state)
    if shard.kind == "preferences":
        return inspect_pairs(table, shard, manifest, state)
    return inspect_rejected(table, manifest, state)


def _name(table: pa.Table, violation: RowViolation) -> str:
    row, pairs = violation.rows[0], "pair_id" in table.column_names
    name = table.column("pair_id" if pairs else "record_id")[row].as_py()
    return f"{'pair' if pairs else 'record'} {name or f'in row {row}'}"


def _id_problems(
    corpus: Corpus, shards: Iterable[Shard], what: str, columns: Sequence[str]
) -> Iterator[FileProblem]:
    """Finds ids that are out of order or occur twice, by merging the ids of all partitions."""

    def partition(shard: Shard) -> tuple[str, str]:
        return shard.obligation_class, shard.split

    disorder: dict[str, str] = {}
    named = [shard for shard in shards if columns[0] in _SCHEMAS[shard.kind].names]
    ordered = sorted(named, key=lambda shard: (partition(shard), shard.path))
    parts = [list(part) for _, part in groupby(ordered, key=partition)]
    streams = [_ids(corpus, part, columns, disorder) for part in parts]
    twice: dict[str, str] = {}
    for (before, one), (after, other) in pairwise(heapq.merge(*streams)):
        if before == after:
            twice.setdefault(other, f"{after} is in {one} too")
    yield from (FileProblem(file, f"{what} {text}") for file, text in (disorder | twice).items())


def _ids(
    corpus: Corpus, shards: Iterable[Shard], columns: Sequence[str], disorder: dict[str, str]
) -> Iterator[tuple[str, str]]:
    """Yields ids with their files; adds each file's first id out of order to `disorder`."""
    last = ""
    for shard in shards:
        with pq.ParquetFile(corpus.path(shard)) as file:
            for group in range(file.num_row_groups):
                table = file.read_row_group(group, columns=columns)
                ids = zip(*(table.column(name).to_pylist() for name in columns), strict=True)
                for name in filter(None, map("-".join, ids)):
                    if name < last:
                        disorder.setdefault(shard.path, f"{name} is out of order")
                    last = name
                    yield name, shard.path


def _funnel_problems(manifest: Manifest, state: InspectionState) -> Iterator[FileProblem]:
    """Compares the counts of the manifest with the rows of the files."""
    funnel = manifest.funnel
    accepted = sum(shard.records for shard in manifest.shards if shard.kind == "records")
    for what, counted, found in (
        ("accepted", funnel.accepted, accepted),
        ("rejected", funnel.rejected, state.reasons(RowKind.REJECTED)),
        ("duplicates", funnel.duplicates, sum(state.reasons(RowKind.DUPLICATE).values())),
        ("failed", funnel.failed, state.reasons(RowKind.FAILED)),
        ("unread", funnel.unread, state.reasons(RowKind.UNREAD)),
    ):
        if counted != found:
            yield FileProblem(MANIFEST, f"counts {counted} {what}, the files hold {found}")


def _removal_problems(manifest: Manifest, state: InspectionState) -> Iterator[FileProblem]:
    """Compares the withdrawal in the manifest with the withdrawn rows of the files."""
    removed = manifest.removed
    if removed is None:
        return
    ids = state.withdrawn.get(withdrawal_detail(manifest.parent or "", removed.where), [])
    found = ids_digest(ids)
    if (len(ids), found) != (removed.records, removed.sha256):
        listed = f"{removed.records} withdrawn records with digest {removed.sha256[:16]}"
        held = f"{len(ids)} with digest {found[:16]}"
        yield FileProblem(MANIFEST, f"lists {listed}, the files hold {held}")
