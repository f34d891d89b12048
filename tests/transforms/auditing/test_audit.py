"""An audit asks for every record what a build would ask, and names the clause that denies it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from schemas.codes import ModelRole
from schemas.errors import InputError
from schemas.inputs.documents import Clause, Effective, TermsDocument
from schemas.inputs.registry import BindingTerms, Route
from schemas.records import Generator, Record
from tests.corpus_builder import make_build, make_record, publish_rows
from tests.transforms.guard.terms_builder import FORBID, PERMIT, catalogue, terms
from transforms.auditing.audit import Audit, audit, denied_ids
from transforms.corpus.read import open_corpus
from transforms.guard.evaluate import Guard

TODAY = date(2027, 11, 22)
QWEN, LLAMA = "our-vllm/qwen", "our-vllm/llama"


def route(name: str, *documents: str) -> Route:
    bound = tuple(BindingTerms(document=document) for document in documents)
    return Route(
        id=name, api="openai-chat", model="m", terms=bound, endpoint="https://vllm.internal/v1"
    )


def until(last: date, *clauses: Clause) -> TermsDocument:
    return terms(
        "llama/license",
        *clauses,
        effective=Effective(from_=date(2020, 1, 1), to=last),
        version="3.1",
    )


NEXT = terms("llama/license", FORBID, effective=Effective(from_=date(2027, 1, 1)), version="4")
GUARD = Guard(
    catalogue(
        terms("apache/license", PERMIT, version="2.0"),
        until(date(2026, 12, 31), PERMIT),
        NEXT,
        routes=[route(QWEN, "apache/license"), route(LLAMA, "llama/license")],
    )
)


def audited(folder: Path, records: Sequence[Record], guard: Guard = GUARD, **at: Any) -> Audit:
    publish_rows(folder, records)
    return audit(open_corpus(folder), guard, at.get("on", TODAY))


RECORDS = [make_record(n, llama=n % 4 == 0) for n in range(20)]


def test_a_version_that_came_into_force_since_denies_its_records(tmp_path: Path) -> None:
    found = audited(tmp_path, RECORDS)
    assert (found.records, found.permitted, found.denied) == (20, 15, 5)
    (denial,) = found.by_clause
    assert (denial.document, denial.version, denial.clause) == ("llama/license", "4", "2")
    assert (denial.teacher, denial.records, denial.status) == (LLAMA, 5, "prohibited")
    assert "For a yes: other terms." in denial.summary
    ids = set(denied_ids(open_corpus(tmp_path), found))
    assert ids == {record.record_id for record in RECORDS if record.provenance.duties}


def test_on_another_day_other_terms_count(tmp_path: Path) -> None:
    found = audited(tmp_path, RECORDS, on=date(2026, 11, 22))
    assert (found.permitted, found.denied, found.by_clause) == (20, 0, ())
    assert not list(denied_ids(open_corpus(tmp_path), found))


def test_the_licence_of_a_prompt_counts_too(tmp_path: Path) -> None:
    rows = [make_record(1), make_record(2, license="CC-BY-NC-4.0"), make_record(3, license="X")]
    found = audited(tmp_path, rows)
    assert found.denied == 2
    assert {(d.document, d.status) for d in found.by_clause} == {
        ("CC-BY-NC-4.0", "prohibited"),
        ("X", "unknown"),
    }


def test_every_model_that_touched_a_record_is_asked_about(tmp_path: Path) -> None:
    record = make_record(1)
    judge = Generator(
        role=ModelRole.JUDGE, route=LLAMA, model="m", decision_id=record.provenance.decision.id
    )
    generators = (*record.provenance.generators, judge)
    judged = replace(record, provenance=replace(record.provenance, generators=generators))
    found = audited(tmp_path, [judged, make_record(2)])
    assert [(d.teacher, d.records) for d in found.by_clause] == [(LLAMA, 1)]
    (denied,) = denied_ids(open_corpus(tmp_path), found)
    assert denied == record.record_id


def test_a_route_that_is_gone_is_judged_by_the_documents_of_its_records(tmp_path: Path) -> None:
    known = Guard(replace(GUARD_CATALOGUE, routes={}))
    assert audited(tmp_path, RECORDS, known) == audit(open_corpus(tmp_path), GUARD, TODAY)


GUARD_CATALOGUE = catalogue(
    terms("apache/license", PERMIT, version="2.0"), until(date(2026, 12, 31), PERMIT), NEXT
)


def test_a_document_that_is_gone_is_not_in_force(tmp_path: Path) -> None:
    found = audited(tmp_path, RECORDS, Guard(catalogue(terms("apache/license", PERMIT), routes=[])))
    assert [(d.document, d.status) for d in found.by_clause] == [("llama/license", "not_in_force")]


def test_a_judge_that_is_in_no_registry_is_wrong_input(tmp_path: Path) -> None:
    record = make_record(1)
    judge = Generator(
        role=ModelRole.JUDGE,
        route="our-vllm/judge",
        model="m",
        decision_id=record.provenance.decision.id,
    )
    generators = (*record.provenance.generators, judge)
    judged = replace(record, provenance=replace(record.provenance, generators=generators))
    with pytest.raises(InputError, match="our-vllm/judge"):
        audited(tmp_path, [judged])


def test_the_declared_purpose_is_the_manifests(tmp_path: Path) -> None:
    build = make_build(len(RECORDS))
    competing = FORBID.model_copy(update={"when": None, "uses": ("evaluate",)})
    guard = Guard(
        catalogue(terms("a/t", competing, PERMIT), routes=[route(QWEN, "a/t"), route(LLAMA, "a/t")])
    )
    publish_rows(tmp_path, RECORDS, build=build)
    assert audit(open_corpus(tmp_path), guard, TODAY).denied == 0
    other = replace(build, purpose=build.purpose.model_copy(update={"use": "evaluate"}))
    publish_rows(tmp_path / "other", RECORDS, build=other)
    assert audit(open_corpus(tmp_path / "other"), guard, TODAY).denied == 20
