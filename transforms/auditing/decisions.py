"""Gathers the decisions that records name, and checks them offline.

The id of a decision is the digest of its content, and a manifest holds every decision that its
records name. So it can be proven without catalogue or registry that

* no decision was changed,
* all decisions were made by one registry,
* each record repeats its decision: teacher, day, use, terms, duties, authorisations.

It cannot be proven that the registry of that digest gives this answer. For that, ask the guard
again (`decide --on`, `audit --on`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from schemas.codes import ModelRole
from schemas.files import unstructure
from schemas.manifest import Manifest
from schemas.purpose import Purpose
from schemas.terms import Verdict
from transforms.auditing.constraints import RowViolation
from transforms.corpus.facts import column, combinations
from transforms.guard.evaluate import Guard, decision_id
from transforms.guard.obligations import combine_verdicts

_OF_TEACHERS = {
    "decision": ("decision", "id"),
    "decided_at": ("decision", "decided_at"),
    "route": ("teacher", "route"),
    "license": ("prompt", "license"),
}
_OF_JUDGES = {"decision": "decision_id", "decided_at": "judged_at", "route": "route"}
_FIELDS = [
    *(".".join(path) for path in _OF_TEACHERS.values()),
    *(f"judgements.list.element.{name}" for name in _OF_JUDGES.values()),
]
_BETWEEN = "\x1f"


def gather_decisions(
    shards: Iterable[tuple[Path, str]], guard: Guard, purpose: Purpose
) -> tuple[Verdict, ...]:
    """Returns the decisions that the records of some shards name.

    A record holds only the ids of its decisions, so the guard decides each question again. Records
    do not say whether their prompt was confidential, which could only deny: their decisions permit.

    Args:
        shards: Shards of records or pairs, each with the name of its column of provenance.
        guard: The guard that decided.
        purpose: The declared use.

    Returns:
        Each decision once, sorted by id.
    """
    found: dict[str, Verdict] = {}
    for role, decision, route, day, license_ in _questions(shards):
        if decision in found:
            continue
        verdict = guard.decide(route, purpose.of(role), day, prompt_license=license_)
        if verdict.decision_id == decision:
            found[decision] = verdict
    return tuple(found[name] for name in sorted(found))


def _questions(
    shards: Iterable[tuple[Path, str]],
) -> Iterator[tuple[str, str, str, date, str]]:
    """Yields the questions of records: role, id of the decision, route, day (UTC), licence."""
    for shard, provenance in shards:
        with pq.ParquetFile(shard) as file:
            for group in range(file.num_row_groups):
                names = [f"{provenance}.{field}" for field in _FIELDS]
                table = file.read_row_group(group, columns=names)
                teachers = _of_teachers(table, provenance)
                judges = _of_judges(table, provenance, teachers["license"])
                yield from _of_role(ModelRole.TEACHER, teachers)
                yield from _of_role(ModelRole.JUDGE, judges)


def _of_role(
    role: str, columns: dict[str, pa.ChunkedArray]
) -> Iterator[tuple[str, str, str, date, str]]:
    columns["decided_at"] = columns["decided_at"].cast(pa.date32())
    for row in combinations(columns):
        yield role, row["decision"], row["route"], row["decided_at"], row["license"]


def _of_teachers(table: pa.Table, provenance: str) -> dict[str, pa.ChunkedArray]:
    return {name: column(table, (provenance, *path)) for name, path in _OF_TEACHERS.items()}


def _of_judges(
    table: pa.Table, provenance: str, licenses: pa.ChunkedArray
) -> dict[str, pa.ChunkedArray]:
    """Returns the columns of `_of_teachers` for judgements, one row for each judgement."""
    judgements = column(table, (provenance, "judgements")).combine_chunks()
    each = pc.list_flatten(judgements)
    columns = {name: each.field(path) for name, path in _OF_JUDGES.items()}
    columns["license"] = licenses.combine_chunks().take(pc.list_parent_indices(judgements))
    return {name: pa.chunked_array([values]) for name, values in columns.items()}


def decision_problems(manifest: Manifest) -> Iterator[str]:
    """Finds problems of the decisions in a manifest.

    Args:
        manifest: The manifest.

    Yields:
        One sentence for each problem.
    """
    for verdict in (*manifest.verdicts, *manifest.decisions):
        name = f"the decision {verdict.decision_id[:16]} on {verdict.teacher}"
        if decision_id(verdict) != verdict.decision_id:
            yield f"{name} was changed: its digest is {decision_id(verdict)[:16]}"
        if verdict.registry_digest != manifest.registry_digest:
            yield f"{name} was made by another registry, {verdict.registry_digest[:16]}"
        if verdict.use not in {
            manifest.purpose.of(role).use for role in (ModelRole.TEACHER, ModelRole.JUDGE)
        }:
            yield f"{name} is for another use, {verdict.use}"
    for verdict in manifest.decisions:
        if not verdict.permits:
            yield f"the decision {verdict.decision_id[:16]} denies {verdict.teacher}"


def decision_violations(
    provenance: pa.StructArray, manifest: Manifest, path: str
) -> Iterator[RowViolation]:
    """Finds records whose decisions are not in the manifest, or differ from those there.

    Args:
        provenance: Provenance of a row group. Of records with the same decisions, one is checked;
            `inspection` checks that they agree.
        manifest: The corpus's manifest.
        path: Name of the column of provenance.

    Yields:
        Each problem with the first record that has it.
    """
    held = {verdict.decision_id: verdict for verdict in manifest.decisions}
    decision = provenance.field("decision")
    table = pa.table(
        {
            "id": decision.field("id"),
            "day": decision.field("decided_at").cast(pa.date32()),
            "route": provenance.field("teacher").field("route"),
            "judges": _judges(provenance.field("judgements")),
            "row": pa.array(range(len(provenance)), pa.int64()),
        }
    )
    first = table.group_by(["id", "day", "route", "judges"]).aggregate([("row", "min")])
    for row in sorted(first.column("row_min").to_pylist()):
        record = provenance[row].as_py()
        named = _named(record)
        verdicts = [held[one["decision_id"]] for one in named if one["decision_id"] in held]
        if len(verdicts) < len(named):
            yield RowViolation(f"{path}.decision.id", "is not a decision of the manifest", [row])
        elif _recorded(record, named) != _expected(verdicts, named):
            what = "names a decision that differs in the manifest"
            yield RowViolation(f"{path}.decision.id", what, [row])


def _judges(judgements: pa.ListArray) -> pa.Array:
    """Returns one text for each record's judges, so that records can be grouped by them."""
    each = judgements.values
    day = each.field("judged_at").cast(pa.date32()).cast(pa.string())
    texts = pc.binary_join_element_wise(
        each.field("decision_id"), day, each.field("route"), _BETWEEN
    )
    return pc.binary_join(pa.ListArray.from_arrays(judgements.offsets, texts), _BETWEEN)


def _named(record: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns the fields of each decision that a record names, as the record has them."""
    decision = record["decision"]
    teacher = {
        "decision_id": decision["id"],
        "teacher": record["teacher"]["route"],
        "on": decision["decided_at"].date().isoformat(),
        "use": decision["use"],
        "authorisations": decision["authorisations"],
    }
    judges = [
        {
            "decision_id": judgement["decision_id"],
            "teacher": judgement["route"],
            "on": judgement["judged_at"].date().isoformat(),
            "use": "select",
        }
        for judgement in record["judgements"]
    ]
    return [teacher, *judges]


def _recorded(record: dict[str, Any], named: list[dict[str, Any]]) -> list[Any]:
    """Returns what a record holds of its decisions, and of their terms and duties together."""
    touched = [(model["route"], model["decision_id"]) for model in record["generators"]]
    return [named, touched, record["terms"], record["duties"], record["obligation_class"]]


def _expected(verdicts: list[Verdict], named: list[dict[str, Any]]) -> list[Any]:
    """Returns the same as `_recorded`, taken from the decisions themselves."""
    asked: dict[str, Any] = unstructure(combine_verdicts(verdicts))
    plain = [unstructure(verdict) for verdict in verdicts]
    return [
        [{name: one[name] for name in of} for of, one in zip(named, plain, strict=True)],
        [(verdict.teacher, verdict.decision_id) for verdict in verdicts],
        *(asked[name] for name in ("terms", "duties", "obligation_class")),
    ]
