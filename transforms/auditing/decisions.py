"""Gathers the decisions that records name, and proves them offline.

A decision's id is the digest of all that it says. A manifest holds every decision that its records
name, so without catalogue or registry it can be proven that none was changed, that all were made
by one registry, and that each record says of its decision what the decision says itself: teacher,
day, use, terms, duties, authorisations. What cannot be proven so is that the registry of that
digest does give this answer; for that, ask it again (`decide --on`, `audit --on`).
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
    """Gathers the decisions that the records of some shards name.

    A record has its decisions' ids alone. The guard is asked the same question again and gives the
    same verdict. Whether the prompt was confidential a record does not tell, so both are tried.

    Args:
        shards: Shards of records, or of pairs of them, read a row group at a time; each with the
            column of provenance that is looked at.
        guard: The guard that decided.
        purpose: The declared use.

    Returns:
        Each decision once, in the order of their ids.
    """
    found: dict[str, Verdict] = {}
    for role, decision, route, day, license_ in _questions(shards):
        if decision in found:
            continue
        for confidential in (False, True):
            verdict = guard.decide(
                route, purpose.of(role), day, prompt_license=license_, confidential=confidential
            )
            if verdict.decision_id == decision:
                found[decision] = verdict
    return tuple(found[name] for name in sorted(found))


def _questions(
    shards: Iterable[tuple[Path, str]],
) -> Iterator[tuple[str, str, str, date, str]]:
    """Yields what records were decided by: role, decision's id, route, day (UTC), licence."""
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
    """Returns the same columns of the records' judgements, a row each."""
    judgements = column(table, (provenance, "judgements")).combine_chunks()
    each = pc.list_flatten(judgements)
    columns = {name: each.field(path) for name, path in _OF_JUDGES.items()}
    columns["license"] = licenses.combine_chunks().take(pc.list_parent_indices(judgements))
    return {name: pa.chunked_array([values]) for name, values in columns.items()}


def decision_problems(manifest: Manifest) -> Iterator[str]:
    """Finds what is wrong with the decisions that a manifest holds.

    Args:
        manifest: The manifest.

    Yields:
        What is wrong with each verdict, in a sentence.
    """
    for verdict in (*manifest.verdicts, *manifest.decisions):
        name = f"the decision {verdict.decision_id[:16]} on {verdict.teacher}"
        if decision_id(verdict) != verdict.decision_id:
            yield f"{name} was changed: it digests to {decision_id(verdict)[:16]}"
        if verdict.registry_digest != manifest.registry_digest:
            yield f"{name} was made by another registry, {verdict.registry_digest[:16]}"
        if verdict.use not in {
            manifest.purpose.of(role).use for role in (ModelRole.TEACHER, ModelRole.JUDGE)
        }:
            yield f"{name} is about another use, {verdict.use}"
    for verdict in manifest.decisions:
        if not verdict.permits:
            yield f"the decision {verdict.decision_id[:16]} denies {verdict.teacher}"


def decision_violations(
    provenance: pa.StructArray, manifest: Manifest, path: str
) -> Iterator[RowViolation]:
    """Finds records whose decisions the manifest does not hold, or holds in other words.

    Args:
        provenance: That of a row group's records. The same decisions say the same in all of them.
        manifest: The corpus's manifest.
        path: Name of the column.

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
            yield RowViolation(f"{path}.decision.id", "is none of the manifest's decisions", [row])
        elif _recorded(record, named) != _expected(verdicts, named):
            what = "names a decision of which the manifest says otherwise"
            yield RowViolation(f"{path}.decision.id", what, [row])


def _judges(judgements: pa.ListArray) -> pa.Array:
    """Makes one text of each record's judges, so that records can be grouped by them."""
    each = judgements.values
    day = each.field("judged_at").cast(pa.date32()).cast(pa.string())
    texts = pc.binary_join_element_wise(
        each.field("decision_id"), day, each.field("route"), _BETWEEN
    )
    return pc.binary_join(pa.ListArray.from_arrays(judgements.offsets, texts), _BETWEEN)


def _named(record: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns what a record's provenance says of each decision that it names."""
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
    """Returns what a record says of its decisions, and of what they ask for together."""
    touched = [(model["route"], model["decision_id"]) for model in record["generators"]]
    return [named, touched, record["terms"], record["duties"], record["obligation_class"]]


def _expected(verdicts: list[Verdict], named: list[dict[str, Any]]) -> list[Any]:
    """Returns what the decisions say of the same themselves."""
    asked: dict[str, Any] = unstructure(combine_verdicts(verdicts))
    plain = [unstructure(verdict) for verdict in verdicts]
    return [
        [{name: one[name] for name in said} for said, one in zip(named, plain, strict=True)],
        [(verdict.teacher, verdict.decision_id) for verdict in verdicts],
        *(asked[name] for name in ("terms", "duties", "obligation_class")),
    ]
