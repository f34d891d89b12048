"""What one document answers."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from schemas.inputs.documents import Clause
from schemas.inputs.registry import Authorisation
from schemas.terms import Status
from tests.transforms.guard.terms_builder import (
    ASK,
    FORBID,
    OWE,
    PERMIT,
    PURPOSE,
    UNDECLARED,
    terms,
    when,
)
from transforms.guard.answer import SEVERITY, ask_document, severity

LEAVE = Authorisation(
    document="acme/terms",
    clause="3",
    reference="MSA-1",
    from_=date(2026, 1, 1),
    to=date(2027, 1, 1),
)
IF_RELEASED = when(student_distribution=("released",))
IF_INTERNAL = when(student_distribution=("internal",))


@pytest.mark.parametrize(
    ("clauses", "changes", "status", "permits"),
    [
        ((PERMIT,), {}, "permitted", True),
        ((PERMIT, OWE), {}, "permitted_if", True),
        ((PERMIT.model_copy(update={"when": IF_INTERNAL}),), {}, "permitted_if", True),
        ((PERMIT, FORBID), {}, "prohibited", False),
        ((PERMIT, ASK), {}, "needs_authorisation", False),
        ((ASK, FORBID), {}, "prohibited", False),
        ((), {}, "silent", True),
        ((), {"outputs": "no_claim"}, "silent", True),
        ((), {"outputs": "unstated"}, "silent", False),
        ((), {"outputs": "licensor_owns"}, "silent", False),
        ((OWE,), {}, "silent", True),
        ((PERMIT,), {"outputs": "licensor_owns"}, "permitted", True),
        ((PERMIT,), {"reading": None}, "unknown", False),
        ((), {"reading": None}, "unknown", False),
    ],
)
def test_a_document_answers_by_its_clauses(
    clauses: tuple[Clause, ...], changes: dict[str, Any], status: Status, permits: bool
) -> None:
    answer = ask_document(terms("acme/terms", *clauses, **changes), "service", PURPOSE, "m")
    assert (answer.status, answer.permits) == (status, permits)


@pytest.mark.parametrize("clause", [PERMIT, FORBID, ASK, OWE], ids=lambda clause: clause.effect)
def test_a_clause_about_another_use_does_not_apply(clause: Clause) -> None:
    document = terms("acme/terms", clause.model_copy(update={"uses": ("evaluate",)}))
    assert ask_document(document, "service", PURPOSE, "m").status == "silent"


@pytest.mark.parametrize("clause", [PERMIT, FORBID, ASK, OWE], ids=lambda clause: clause.effect)
def test_a_clause_whose_condition_is_not_met_does_not_apply(clause: Clause) -> None:
    document = terms("acme/terms", clause.model_copy(update={"when": IF_RELEASED}))
    answer = ask_document(document, "service", PURPOSE, "m")
    assert (answer.status, answer.duties) == ("silent", ())


@pytest.mark.parametrize(
    ("clause", "status"), [(FORBID, "prohibited"), (ASK, "needs_authorisation"), (OWE, "silent")]
)
def test_an_undeclared_fact_counts_against_the_use(clause: Clause, status: Status) -> None:
    answer = ask_document(
        terms("acme/terms", clause.model_copy(update={"when": IF_RELEASED})),
        "service",
        UNDECLARED,
        "m",
    )
    assert answer.status == status
    assert "nobody declared student.distribution" in answer.clauses[-1].summary
    assert bool(answer.duties) == (clause is OWE)


def test_an_undeclared_fact_permits_nothing() -> None:
    document = terms("acme/terms", PERMIT.model_copy(update={"when": IF_INTERNAL}))
    assert ask_document(document, "service", UNDECLARED, "m").status == "silent"


def test_an_authorisation_lifts_the_clause_that_it_names_and_is_listed() -> None:
    answer = ask_document(terms("acme/terms", ASK), "service", PURPOSE, "m", [LEAVE])
    assert (answer.status, answer.permits, answer.authorisations) == (
        "permitted_if",
        True,
        ("MSA-1",),
    )
    assert "MSA-1" in answer.clauses[0].summary


def test_an_authorisation_lifts_no_other_clause() -> None:
    other = ASK.model_copy(update={"clause": "5"})
    answer = ask_document(terms("acme/terms", ASK, other), "service", PURPOSE, "m", [LEAVE])
    assert answer.status == "needs_authorisation"
    assert [clause.clause for clause in answer.clauses] == ["5"]


def test_an_authorisation_does_not_lift_a_prohibition_or_a_duty_of_the_same_name() -> None:
    forbids = FORBID.model_copy(update={"clause": "3"})
    owes = OWE.model_copy(update={"clause": "3"})
    refused = ask_document(terms("acme/terms", ASK, forbids), "service", PURPOSE, "m", [LEAVE])
    assert refused.status == "prohibited"
    allowed = ask_document(terms("acme/terms", ASK, owes), "service", PURPOSE, "m", [LEAVE])
    assert [duty.kind for duty in allowed.duties] == ["attribution"]


def test_a_no_shows_the_clauses_that_say_no_and_what_would_make_it_a_yes() -> None:
    answer = ask_document(terms("acme/terms", PERMIT, OWE, ASK, FORBID), "service", PURPOSE, "m")
    assert {clause.clause for clause in answer.clauses} == {"2", "3"}
    assert all("For a yes: " in clause.summary for clause in answer.clauses)


def test_a_duty_names_the_document_that_asks_for_it() -> None:
    (duty,) = ask_document(terms("acme/terms", PERMIT, OWE), "service", PURPOSE, "m").duties
    assert (duty.kind, duty.text, duty.due, duty.document) == (
        "attribution",
        "Name us.",
        "release",
        "acme/terms",
    )


def test_an_answer_binds_the_layer_that_it_is_asked_for() -> None:
    answer = ask_document(terms("acme/terms", PERMIT), "base_model_licence", PURPOSE, "m")
    assert answer.clauses[0].layer == "base_model_licence"


def test_every_no_is_more_severe_than_every_yes() -> None:
    assert max(severity(status) for status in SEVERITY[:6]) < severity("silent")
    assert SEVERITY[0] == "prohibited"
    assert SEVERITY[-1] == "permitted"
