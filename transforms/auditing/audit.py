"""Audits a corpus: which of its records would the terms of a day not permit, and by which clause?

What is asked is the question of a build: the purpose that the manifest declares, every model that
touched a record, the licence of its prompt. Records are read as a stream, and the guard is asked
once for each combination of these. What records do not tell is not asked: whether a prompt was
confidential mattered when it was sent, and that is done.
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

# What a row's question is read from.
COLUMNS = ("provenance.generators", "provenance.prompt.license")
_OF_A_MODEL = ("provenance.generators", "provenance.teacher")

_BEFORE_LICENCE = "\x1d"


@dataclass(frozen=True, slots=True)
class Denial:
    """A clause that says no to some records.

    Attributes:
        document: Id of the document.
        version: Its version.
        clause: Section of the clause, or "" where the document as a whole says no.
        teacher: The route asked.
        records: How many records. One that several clauses deny counts with each of them.
        status: What the clause answers.
        summary: What it says, and what would have to be true for a yes.
        sides: How many worse sides of pairs, which need not be records of the corpus.
    """

    document: str
    version: str
    clause: str
    teacher: str
    records: int
    status: Status
    summary: str
    sides: int


@dataclass(frozen=True, slots=True)
class Audit:
    """What an audit found.

    Attributes:
        version: The corpus's version.
        on: The day asked about.
        records: Accepted records.
        permitted: Those that the terms of that day permit.
        denied: The others.
        preferences: Pairs of answers.
        preferences_denied: Those of which a side is denied.
        by_clause: What says no, the clause with most records first.
        questions: The questions that were denied, as `questions_of` writes them.
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
        """Returns the audit as the command line prints it."""
        plain: dict[str, Any] = unstructure(self)
        del plain["questions"]
        return plain


def audit(corpus: Corpus, guard: Guard, on: date) -> Audit:
    """Asks the guard about every record of a corpus.

    A route that no registry knows any longer is judged by the documents that it was decided by.

    Args:
        corpus: The corpus; its shards are read as a stream.
        guard: Decides: with today's catalogue and registry, as a rule.
        on: The day asked about, UTC.

    Returns:
        What was found.

    Raises:
        InputError: A route is in no registry, and in none of the manifest's decisions.
    """
    counts = _count(corpus.tables("records", COLUMNS))
    sides = _count(read_side(corpus, "rejected", COLUMNS))
    asked = counts | sides
    gone = {route for question in asked for _, route in _read(question)[0]} - set(guard.routes)
    if gone:
        guard = guard.with_routes(_recorded_routes(corpus, gone))
    denied = {
        question: verdicts
        for question in asked
        if (verdicts := _denials(question, guard, corpus.manifest.purpose, on))
    }
    lost = sum(counts[question] for question in denied)
    return Audit(
        version=corpus.manifest.version,
        on=on,
        records=counts.total(),
        permitted=counts.total() - lost,
        denied=lost,
        preferences=sides.total(),
        preferences_denied=_pairs_denied(corpus, denied),
        by_clause=_by_clause(denied, counts, sides),
        questions=frozenset(denied),
    )


def _count(tables: Iterable[pa.Table]) -> Counter[str]:
    """Counts the rows that each question is about."""
    counts: Counter[str] = Counter()
    for table in tables:
        for row in combinations({"question": questions_of(table)}):
            counts[row["question"]] += row["count"]
    return counts


def _pairs_denied(corpus: Corpus, denied: Collection[str]) -> int:
    lost = 0
    if denied:
        names = pa.array(sorted(denied), pa.string())
        sides = (read_side(corpus, side, COLUMNS) for side in SIDES)
        for one, other in zip(*sides, strict=True):
            marks = (pc.is_in(questions_of(table), value_set=names) for table in (one, other))
            lost += pc.sum(pc.or_(*marks)).as_py() or 0
    return lost


def questions_of(table: pa.Table) -> pa.ChunkedArray:
    """Returns what is to be asked about each row: its models' roles and routes, and the licence.

    Args:
        table: Rows with the columns `COLUMNS`.

    Returns:
        A text a row; equal ones are one question.
    """
    licenses = column(table, ("provenance", "prompt", "license"))
    models = generators_of(table, "role", "route")
    return pc.binary_join_element_wise(models, licenses, _BEFORE_LICENCE)


def denied_rows(table: pa.Table, found: Audit) -> pa.ChunkedArray:
    """Marks the rows that an audit found to be denied; see `questions_of`."""
    return pc.is_in(questions_of(table), value_set=pa.array(sorted(found.questions), pa.string()))


def denied_ids(corpus: Corpus, found: Audit) -> Iterator[str]:
    """Yields the ids of the records that an audit of the corpus found to be denied.

    The worse sides of pairs are among them, be they records of the corpus or not.
    """
    names = ("record_id", *COLUMNS)
    for table in chain(corpus.tables("records", names), read_side(corpus, "rejected", names)):
        yield from table.column("record_id").filter(denied_rows(table, found)).to_pylist()


def _read(question: str) -> tuple[list[list[str]], str]:
    """Returns the role and route of each model of a question, and the licence."""
    models, _, license_ = question.partition(_BEFORE_LICENCE)
    return read_generators(models), license_


def _denials(question: str, guard: Guard, purpose: Purpose, on: date) -> list[Verdict]:
    models, license_ = _read(question)
    verdicts = dict.fromkeys(
        guard.decide(route, purpose.of(role), on, prompt_license=license_) for role, route in models
    )
    return [verdict for verdict in verdicts if not verdict.permits]


def _recorded_routes(corpus: Corpus, names: Collection[str]) -> Iterator[Route]:
    """Yields routes as a corpus tells of them: their model, and the documents that bound them."""
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
    """Returns the model of each route: as it was asked for, or as a judge told its own name."""
    told: dict[str, str] = {}
    asked: dict[str, str] = {}
    sides = read_side(corpus, "rejected", _OF_A_MODEL)
    for table in chain(corpus.tables("records", _OF_A_MODEL), sides):
        columns = {
            "models": generators_of(table, "route", "model"),
            "route": column(table, ("provenance", "teacher", "route")),
            "asked": column(table, ("provenance", "teacher", "requested_model")),
        }
        for row in combinations(columns):
            told.update(dict(read_generators(row["models"])))
            asked[row["route"]] = row["asked"]
    return told | asked


def _by_clause(
    denied: Mapping[str, list[Verdict]], counts: Counter[str], sides: Counter[str]
) -> tuple[Denial, ...]:
    records: Counter[tuple[str, str, str, str]] = Counter()
    worse: Counter[tuple[str, str, str, str]] = Counter()
    said: dict[tuple[str, str, str, str], tuple[Status, str]] = {}
    for question, verdicts in denied.items():
        told = {
            (clause.document, clause.version, clause.clause, verdict.teacher): clause
            for verdict in verdicts
            for clause in reversed(verdict.clauses)  # of one section, the most severe stands
        }
        records.update(dict.fromkeys(told, counts[question]))
        worse.update(dict.fromkeys(told, sides[question]))
        said |= {key: (clause.status, clause.summary) for key, clause in told.items()}
    ordered = sorted(said, key=lambda key: (-records[key], -worse[key], key))
    return tuple(Denial(*key, records[key], *said[key], worse[key]) for key in ordered)
