"""Selects records of a corpus by route, document, source, id or audit."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from schemas.errors import InputError, nearest
from schemas.manifest import Kind
from transforms.auditing.audit import Audit, denied_rows
from transforms.corpus.facts import Facts, column, gather_facts
from transforms.corpus.read import Corpus, read_bytes

FORMS = "route=ID, document=ID[@VERSION], source=SOURCE, records=FILE, audit"

_KINDS: tuple[Kind, ...] = ("records", "preferences")

RowMask = Callable[[pa.Table], pa.ChunkedArray]


@dataclass(frozen=True, slots=True)
class Selection:
    """Some records of a corpus.

    Attributes:
        where: The selection, as the user wrote it.
        mask: Returns a boolean for each row of a table with `record_id` and `provenance`: accepted
            records, or one side of pairs.
    """

    where: str
    mask: RowMask


def select(corpus: Corpus, where: str, audited: Callable[[], Audit]) -> Selection:
    """Parses a selection.

    Args:
        corpus: The corpus to select from.
        where: `route=ID`, `document=ID[@VERSION]`, `source=SOURCE`, `records=FILE` (one id per
            line) or `audit` (records that an audit denies).
        audited: Audits the corpus; called for `audit` alone.

    Returns:
        The selection.

    Raises:
        InputError: It has another form, or no record of the corpus matches it.
    """
    if where == "audit":
        found = audited()
        return Selection(f"audit on {found.on}", lambda table: denied_rows(table, found))
    kind, separator, value = where.partition("=")
    if not (separator and value) or kind not in ("route", "document", "source", "records"):
        raise InputError("no such selection", where="--where", found=where, expected=FORMS)
    if kind == "records":
        return Selection(where, _with_ids(_read_ids(Path(value))))
    facts = gather_facts(*(map(corpus.path, corpus.shards(kind)) for kind in _KINDS))
    _check_known(kind, value, _known(kind, facts))
    by = {"route": _by_route, "document": _by_document, "source": _by_source}[kind]
    return Selection(where, by(value))


def _known(kind: str, facts: Facts) -> set[str]:
    """Returns the values that select a record or a rejected side of a pair."""
    sides = _known(kind, facts.rejected_sides) if facts.rejected_sides else set()
    if kind == "source":
        return sides | set(facts.sources)
    if kind == "route":
        teachers = {teacher.route for teacher in facts.teachers}
        return sides | teachers | {other.route for other in facts.others}
    names = {terms.document for terms in facts.terms}
    return sides | names | {f"{terms.document}@{terms.version}" for terms in facts.terms}


def _check_known(kind: str, value: str, known: Collection[str]) -> None:
    if value not in known:
        raise InputError(
            f"no record of the corpus has this {kind}",
            where="--where",
            found=repr(value),
            remedy=nearest(value, known),
        )


def _by_route(value: str) -> RowMask:
    """Selects records that a model of the route touched in any role."""

    def mask(table: pa.Table) -> pa.ChunkedArray:
        return _any(table, "generators", lambda each: pc.equal(each.field("route"), value))

    return mask


def _by_document(value: str) -> RowMask:
    document, at, version = value.partition("@")

    def bound(each: pa.StructArray) -> pa.Array:
        named = pc.equal(each.field("document"), document)
        return pc.and_(named, pc.equal(each.field("version"), version)) if at else named

    return lambda table: _any(table, "terms", bound)


def _by_source(value: str) -> RowMask:
    return lambda table: pc.equal(column(table, ("provenance", "prompt", "source")), value)


def _with_ids(ids: pa.Array) -> RowMask:
    return lambda table: pc.is_in(table.column("record_id"), value_set=ids)


def _any(
    table: pa.Table, name: str, holds: Callable[[pa.StructArray], pa.Array]
) -> pa.ChunkedArray:
    """Marks the rows whose provenance has a list with at least one entry that holds."""
    chunks = []
    for lists in column(table, ("provenance", name)).chunks:
        parents = pc.list_parent_indices(lists).filter(holds(pc.list_flatten(lists)))
        rows = pa.array(range(len(lists)), parents.type)
        chunks.append(pc.is_in(rows, value_set=parents))
    return pa.chunked_array(chunks, pa.bool_())


def _read_ids(path: Path) -> pa.Array:
    lines = read_bytes(path).decode("utf-8", "replace").split()
    for number, line in enumerate(lines, 1):
        if len(line) != 64 or line.strip("0123456789abcdef"):
            raise InputError(
                "not the id of a record",
                where=f"{path}:{number}",
                found=repr(line[:80]),
                expected="64 hex digits, one per line, as `stillroom audit --ids FILE` writes them",
            )
    return pa.array(sorted(set(lines)), pa.string())
