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
import pyarrow.parquet as pq

from schemas.files import unstructure
from schemas.manifest import Manifest
from schemas.run import Purpose
from schemas.terms import Verdict
from transforms.corpus.constraints import Violation
from transforms.corpus.facts import column, combinations
from transforms.guard.evaluate import Guard, decision_id

_COLUMNS = {
    "decision": ("provenance", "decision", "id"),
    "decided_at": ("provenance", "decision", "decided_at"),
    "route": ("provenance", "teacher", "route"),
    "license": ("provenance", "prompt", "license"),
}
_OF_A_DECISION = (
    "teacher", "on", "use", "authorisations", "terms", "duties", "obligation_class",
)  # fmt: skip


def gather_decisions(shards: Iterable[Path], guard: Guard, purpose: Purpose) -> tuple[Verdict, ...]:
    """Gathers the decisions that the records of some shards name.

    A record has a decision's id alone. The guard is asked the same question again and gives the
    same verdict. Whether the prompt was confidential a record does not tell, so both are tried.

    Args:
        shards: Shards of accepted records, read a row group at a time.
        guard: The guard that decided.
        purpose: The declared use.

    Returns:
        Each decision once, in the order of their ids.
    """
    found: dict[str, Verdict] = {}
    for decision, route, day, license_ in _questions(shards):
        if decision in found:
            continue
        for confidential in (False, True):
            verdict = guard.decide(
                route, purpose, day, prompt_license=license_, confidential=confidential
            )
            if verdict.decision_id == decision:
                found[decision] = verdict
    return tuple(found[name] for name in sorted(found))


def _questions(shards: Iterable[Path]) -> Iterator[tuple[str, str, date, str]]:
    """Yields what records were decided by: a decision's id, a route, a day (UTC), a licence."""
    names = [".".join(path) for path in _COLUMNS.values()]
    for shard in shards:
        with pq.ParquetFile(shard) as file:
            for group in range(file.num_row_groups):
                table = file.read_row_group(group, columns=names)
                columns = {name: column(table, path) for name, path in _COLUMNS.items()}
                columns["decided_at"] = columns["decided_at"].cast(pa.date32())
                for row in combinations(columns):
                    yield row["decision"], row["route"], row["decided_at"], row["license"]


def changed_decisions(manifest: Manifest) -> Iterator[str]:
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
        if verdict.use != manifest.purpose.use:
            yield f"{name} is about another use, {verdict.use}"
    for verdict in manifest.decisions:
        if not verdict.permits:
            yield f"the decision {verdict.decision_id[:16]} denies {verdict.teacher}"


def undecided(provenance: pa.StructArray, manifest: Manifest) -> Iterator[Violation]:
    """Finds records whose decision the manifest does not hold, or holds in other words.

    Args:
        provenance: That of a row group's records. One decision says the same in all of them.
        manifest: The corpus's manifest.

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
            "row": pa.array(range(len(provenance)), pa.int64()),
        }
    )
    first = table.group_by(["id", "day", "route"]).aggregate([("row", "min")])
    for row in sorted(first.column("row_min").to_pylist()):
        record = provenance[row].as_py()
        verdict = held.get(record["decision"]["id"])
        if verdict is None:
            yield Violation("provenance.decision.id", "is none of the manifest's decisions", [row])
        elif _said(record) != _meant(verdict):
            what = "names a decision of which the manifest says otherwise"
            yield Violation("provenance.decision.id", what, [row])


def _said(record: dict[str, Any]) -> dict[str, Any]:
    """Returns what a record's provenance says of its decision."""
    decision = record["decision"]
    return {
        "teacher": record["teacher"]["route"],
        "on": decision["decided_at"].date().isoformat(),
        "use": decision["use"],
        "authorisations": decision["authorisations"],
        "terms": record["terms"],
        "duties": record["duties"],
        "obligation_class": record["obligation_class"],
    }


def _meant(verdict: Verdict) -> dict[str, Any]:
    """Returns what the decision says of the same itself."""
    plain: dict[str, Any] = unstructure(verdict)
    return {name: plain[name] for name in _OF_A_DECISION}
