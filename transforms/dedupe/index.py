"""Indexes of published corpora: the sketches that later runs compare their records with.

    <corpus>/.index/<version>-<unit>/index.json
                                     sidecars/0000.arrow   one for each shard of accepted records

An index is made from a version's Parquet files alone, so it can be made for any version at any
time. It lies beside the versions, which never change. An index is used only if it is complete and
its sketches are what the current code would make. Otherwise it is refused; it is never rebuilt
unless the user asks for it.
"""

from __future__ import annotations

import shlex
import uuid
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from schemas.errors import InputError, Problem, StillroomError
from schemas.files import unstructure
from schemas.index import FORMAT, Index, IndexFile, IndexManifest, Unit
from schemas.manifest import Compared, Shard
from schemas.prompts import Message
from schemas.responses import ToolCall
from transforms.corpus.publish import json_bytes
from transforms.corpus.read import INDEXES, MANIFEST, Corpus, parse, read_bytes
from transforms.dedupe.golden import SKETCH_SPEC, golden_digest
from transforms.dedupe.keys import answer_text
from transforms.dedupe.sidecar import sidecar_file
from transforms.dedupe.sketch import sketch, write_sketches
from transforms.storage.files import (
    commit_folder,
    explain_os_errors,
    make_durable,
    sha256_of,
    write_file,
)
from transforms.work import open_work_folder, work_folder

INDEX = "index.json"

_COLUMNS = ("record_id", "messages", "completion", "tool_calls")


def index_folder(corpus: Corpus, unit: Unit) -> Path:
    """Returns the folder of a version's index, whether or not it exists."""
    return corpus.folder.parent / INDEXES / f"{corpus.manifest.version}-{unit}"


def make_index(corpus: Corpus, unit: Unit) -> None:
    """Makes the index of a version, or replaces the existing one; it is complete once visible.

    One shard is held in memory at a time.

    Args:
        corpus: The version.
        unit: What near-duplicates are compared by.

    Raises:
        StillroomError: A shard was changed, or the folder cannot be written.
    """
    target = index_folder(corpus, unit)
    work = work_folder(str(corpus.folder.parent), f"index-{uuid.uuid4().hex}")
    with explain_os_errors(target), open_work_folder(work):
        stale = target.exists()
        hidden = work / target.name
        files = tuple(_sketch_shards(corpus, unit, hidden))
        write_file(hidden / INDEX, json_bytes(unstructure(_manifest(corpus, unit, files))))
        target.parent.mkdir(exist_ok=True)
        if stale:
            target.rename(work / "stale")
        _commit(hidden, target)


def open_index(corpus: Corpus, unit: Unit, *, own: bool = False) -> Index | None:
    """Opens the index of a version after checking its settings and the digests of its files.

    Args:
        corpus: The version.
        unit: What near-duplicates are compared by.
        own: Whether the version is an earlier one of the corpus that is being built.

    Returns:
        The index, or None if there is none.

    Raises:
        InputError: It is damaged, of another version, or made by code with other results.
    """
    folder = index_folder(corpus, unit)
    if not folder.exists():
        return None
    place = shlex.quote(str(corpus.folder))
    remedy = f"rebuild it: stillroom index {place} --unit {unit} --rebuild"
    try:
        path = folder / INDEX
        manifest = parse(read_bytes(path), path, "index", IndexManifest)
        expected = _manifest(corpus, unit, manifest.files)
        problems = [*_differences(path, manifest, expected), *_damage(folder, manifest)]
        if problems:
            raise InputError(problems)
    except InputError as error:
        raise InputError(replace(problem, remedy=remedy) for problem in error.problems) from None
    version = Compared(
        name=manifest.name, version=manifest.version, sha256=manifest.manifest_sha256, own=own
    )
    return Index(folder=folder, files=manifest.files, version=version)


def _manifest(corpus: Corpus, unit: Unit, files: tuple[IndexFile, ...]) -> IndexManifest:
    """Returns the manifest that the current code gives an index."""
    return IndexManifest(
        format=FORMAT,
        name=corpus.manifest.name,
        version=corpus.manifest.version,
        manifest_sha256=sha256_of(corpus.folder / MANIFEST),
        unit=unit,
        spec=SKETCH_SPEC,
        golden=golden_digest(unit),
        records=sum(shard.records for shard in corpus.shards("records")),
        files=files,
    )


def _sketch_shards(corpus: Corpus, unit: Unit, folder: Path) -> Iterator[IndexFile]:
    for place, shard in enumerate(corpus.shards("records")):
        sketches = [
            sketch(row["record_id"], _prompt(row["messages"]), _answer(row), unit)
            for row in _rows(corpus, shard)
        ]
        path = sidecar_file(folder, place)
        write_sketches(path, sketches)
        make_durable(path)
        ids = [one.id.hex() for one in sketches]
        yield IndexFile(
            path=str(path.relative_to(folder)),
            records=len(sketches),
            first=min(ids),
            last=max(ids),
            bytes=path.stat().st_size,
            sha256=sha256_of(path),
        )


def _rows(corpus: Corpus, shard: Shard) -> Iterator[dict[str, Any]]:
    if not corpus.is_unchanged(shard):
        raise StillroomError(
            f"{corpus.path(shard)}: differs from the published file\n"
            "  restore the file and check it with `stillroom verify`"
        )
    for table in corpus.groups(shard, _COLUMNS):
        yield from table.to_pylist()


def _prompt(messages: list[dict[str, str]]) -> list[Message]:
    """Returns the turns before the completion."""
    return [Message(turn["role"], turn["content"]) for turn in messages[:-1]]


def _answer(row: dict[str, Any]) -> str:
    calls = (
        ToolCall(id=call["id"], name=call["name"], arguments=call["arguments"])
        for call in row["tool_calls"]
    )
    return answer_text(row["completion"], calls)


def _commit(hidden: Path, target: Path) -> None:
    try:
        commit_folder(hidden, target)
    except OSError:
        if not target.exists():  # an index that another run made meanwhile is as good
            raise


def _differences(path: Path, found: IndexManifest, expected: IndexManifest) -> Iterator[Problem]:
    """Yields a problem for each field of an index's manifest that differs."""
    for name, one, other in (*_fields(found, expected), *_fields(found.spec, expected.spec)):
        if one != other and name not in ("spec", "files"):
            yield Problem(
                f"the index does not fit: {name} differs",
                where=str(path),
                found=str(one),
                expected=str(other),
            )
    records = sum(file.records for file in found.files)
    if records != found.records:
        what = "the index is damaged: its files hold another number of records"
        yield Problem(what, where=str(path), found=str(records), expected=str(found.records))


def _fields(one: Any, other: Any) -> Iterator[tuple[str, Any, Any]]:
    for field in fields(one):
        yield field.name, getattr(one, field.name), getattr(other, field.name)


def _damage(folder: Path, manifest: IndexManifest) -> Iterator[Problem]:
    for file in manifest.files:
        path = folder / file.path
        if not path.is_file():
            yield Problem("the index is damaged: a file is missing", where=str(path))
        elif (digest := sha256_of(path)) != file.sha256:
            what = "the index is damaged: a file was changed"
            yield Problem(what, where=str(path), found=f"SHA-256 {digest}", expected=file.sha256)
