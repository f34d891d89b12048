"""Audits a corpus: finds the records that the terms of a day do not permit, and the clauses.

The guard is asked what a build asks: for the purpose in the manifest, about every model that
touched a record and the licence of its prompt. Records are read as a stream, and each combination
of models and licence is asked once. Whether a prompt was confidential is not asked: records do not
say so, and it mattered only when the prompt was sent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import chain
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from schemas.files import unstructure
from schemas.inputs.registry import BindingTerms, Route
from schemas.purpose import Purpose
from schemas.terms import Status, Verdict
from transforms.corpus.facts import column, combinations, generators_of, read_generators
from transforms.corpus.pairs import SIDES, read_side
from transforms.corpus.read import Corpus
from transforms.guard.evaluate import Guard

# The columns that a row's question depends on.
COLUMNS = ("provenance.generators", "provenance.prompt.license")
_OF_A_MODEL = ("provenance.generators", "provenance.teacher")

_BEFORE_LICENCE = "\x1d"


@dataclass(frozen=True, slots=True, kw_only=True)
class Denial:
    """A clause that denies some records.

    Attributes:
        document: Id of the document.
        version: Version of the document.
        clause: Section of the clause, or "" where the whole document denies.
        teacher: The route.
        records: Number of records. A record that several clauses deny counts for each of them.
        status: The clause's status.
        summary: The clause in our words, and what would make it permit.
        sides: Number of rejected sides of pairs, which need not be records of the corpus.
    """

    document: str
    version: str
    clause: str
    teacher: str
    records: int
    status: Status
    summary: str
    sides: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """The result of an audit.

    Attributes:
        version: The corpus's version.
        on: The day whose terms were applied.
        records: Number of accepted records.
        permitted: Number of records that the terms permit.
        denied: Number of records that they do not permit.
        preferences: Number of preference pairs.
        preferences_denied: Number of pairs with a denied side.
        by_clause: The clauses that deny, the one with most records first.
        questions: The denied questions, as `questions_of` returns them.
    """

    version: str
    on: date
    records: int
    permitted: int
    denied: int
    preferences: int
    preferences_denied: int
    by_clause: tuple[Denial, ...]
    questions: frozenset[str]

    def as_json(self) -> dict[str, Any]:
        """Returns the audit as `stillroom audit --json` prints it."""
        plain: dict[str, Any] = unstructure(self)
        del plain["questions"]
        return plain


def audit(corpus: Corpus, guard: Guard, on: date) -> Audit:
    """Asks the guard about every record of a corpus.

    A route that is in no registry any more is judged by the documents of its recorded decisions.

    Args:
        corpus: The corpus; its shards are read as a stream.
        guard: The guard, usually with today's catalogue and registry.
        on: The day whose terms apply, UTC.

    Returns:
        The result.

    Raises:
        InputError: A route is in no registry, and in none of the manifest's decisions.
    """
    counts = _count(corpus.tables("records", COLUMNS))
    sides = _count(read_side(corpus, "rejected", COLUMNS))
    asked = counts | sides
    routes = {route for question in asked for _, route in _parse(question)[0]}
    unknown = routes - set(guard.routes)
    if unknown:
        guard = guard.with_routes(_recorded_routes(corpus, unknown))
    denied = {
        question: verdicts
        for question in asked
        if (verdicts := _denials(question, guard, corpus.manifest.purpose, on))
    }
    denials = sum(counts[question] for question in denied)
    return Audit(
        version=corpus.manifest.version,
        on=on,
        records=counts.total(),
        permitted=counts.total() - denials,
        denied=denials,
        preferences=sides.total(),
        preferences_denied=_pairs_denied(corpus, denied),
        by_clause=_by_clause(denied, counts, sides),
        questions=frozenset(denied),
    )


def _count(tables: Iterable[pa.Table]) -> Counter[str]:
    """Counts rows by their question."""
    counts: Counter[str] = Counter()
    for table in tables:
        for row in combinations({"question": questions_of(table)}):
            counts[row["question"]] += row["count"]
    return counts


def _pairs_denied(corpus: Corpus, denied: Collection[str]) -> int:
    count = 0
    if denied:
        names = pa.array(sorted(denied), pa.string())
        sides = (read_side(corpus, side, COLUMNS) for side in SIDES)
        for one, other in zip(*sides, strict=True):
            marks = (pc.is_in(questions_of(table), value_set=names) for table in (one, other))
            count += pc.sum(pc.or_(*marks)).as_py() or 0
    return count


def questions_of(table: pa.Table) -> pa.ChunkedArray:
    """Returns the question of each row: its models' roles and routes, and the prompt's licence.

    Args:
        table: Rows with the columns `COLUMNS`.

    Returns:
        One text for each row; rows with equal texts have the same question.
    """
    licenses = column(table, ("provenance", "prompt", "license"))
    models = generators_of(table, "role", "route")
    return pc.binary_join_element_wise(models, licenses, _BEFORE_LICENCE)


def denied_rows(table: pa.Table, found: Audit) -> pa.ChunkedArray:
    """Marks the rows whose question an audit denied."""
    return pc.is_in(questions_of(table), value_set=pa.array(sorted(found.questions), pa.string()))


def denied_ids(corpus: Corpus, found: Audit) -> Iterator[str]:
    """Yields the ids of the records that an audit of the corpus denied.

    Rejected sides of pairs are included, even if they are not records of the corpus.
    """
    names = ("record_id", *COLUMNS)
    for table in chain(corpus.tables("records", names), read_side(corpus, "rejected", names)):
        yield from table.column("record_id").filter(denied_rows(table, found)).to_pylist()


def _parse(question: str) -> tuple[list[list[str]], str]:
    """Returns the role and route of each model of a question, and the licence."""
    models, _, license_ = question.partition(_BEFORE_LICENCE)
    return read_generators(models), license_


def _denials(question: str, guard: Guard, purpose: Purpose, on: date) -> list[Verdict]:
    models, license_ = _parse(question)
    verdicts = dict.fromkeys(
        guard.decide(route, purpose.of(role), on, prompt_license=license_) for role, route in models
    )
    return [verdict for verdict in verdicts if not verdict.permits]


def _recorded_routes(corpus: Corpus, names: Collection[str]) -> Iterator[Route]:
    """Yields routes as a corpus recorded them: their model and the documents that bind them."""
    bound: dict[str, dict[BindingTerms, None]] = {}
    for decision in corpus.manifest.decisions:
        if decision.teacher in names:
            documents = bound.setdefault(decision.teacher, {})
            documents.update(
                (BindingTerms(document=terms.document, layer=terms.layer), None)
                for terms in decision.terms
                if terms.layer != "prompt_licence"
            )
    models = _models(corpus)
    for name in sorted(bound):
        yield Route(id=name, api="openai-chat", model=models[name], terms=tuple(bound[name]))


def _models(corpus: Corpus) -> dict[str, str]:
    """Returns the model of each route: the requested one, or for a judge the reported one."""
    reported: dict[str, str] = {}
    requested: dict[str, str] = {}
    sides = read_side(corpus, "rejected", _OF_A_MODEL)
    for table in chain(corpus.tables("records", _OF_A_MODEL), sides):
        columns = {
            "models": generators_of(table, "route", "model"),
            "route": column(table, ("provenance", "teacher", "route")),
            "requested": column(table, ("provenance", "teacher", "requested_model")),
        }
        for row in combinations(columns):
            reported.update(dict(read_generators(row["models"])))
            requested[row["route"]] = row["requested"]
    return reported | requested


def _by_clause(
    denied: Mapping[str, list[Verdict]], counts: Counter[str], sides: Counter[str]
) -> tuple[Denial, ...]:
    records: Counter[tuple[str, str, str, str]] = Counter()
    rejected: Counter[tuple[str, str, str, str]] = Counter()
    answers: dict[tuple[str, str, str, str], tuple[Status, str]] = {}
    for question, verdicts in denied.items():
        found = {
            (clause.document, clause.version, clause.clause, verdict.teacher): clause
            for verdict in verdicts
            for clause in reversed(verdict.clauses)  # the first of a section is the most severe
        }
        records.update(dict.fromkeys(found, counts[question]))
        rejected.update(dict.fromkeys(found, sides[question]))
        answers |= {key: (clause.status, clause.summary) for key, clause in found.items()}
    ordered = sorted(answers, key=lambda key: (-records[key], -rejected[key], key))
    return tuple(_denial(key, records[key], rejected[key], answers[key]) for key in ordered)


def _denial(
    key: tuple[str, str, str, str], records: int, sides: int, answer: tuple[Status, str]
) -> Denial:
    document, version, clause, teacher = key
    status, summary = answer
    return Denial(
        document=document,
        version=version,
        clause=clause,
        teacher=teacher,
        records=records,
        status=status,
        summary=summary,
        sides=sides,
    )
