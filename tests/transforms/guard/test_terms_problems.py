"""What needs attention among the terms that a team relies on."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from schemas.inputs.documents import Effective, TermsDocument
from schemas.inputs.registry import Approval, Authorisation, ChangedTerms, Registry
from tests.transforms.guard.terms_builder import ASK, DAY, catalogue, terms
from transforms.guard.approvals import document_states
from transforms.guard.terms_problems import find_terms_problems, select_relied_on

CLOSED: dict[str, Any] = {"open_licence": False}


def flaws(
    *documents: TermsDocument, registry: Registry | None = None, **rules: Any
) -> list[tuple[str, str]]:
    known, own = catalogue(*documents), registry or Registry()
    found = document_states(known, own, known.routes.values(), DAY, within_days=30)
    return [(flaw.what, flaw.detail) for flaw in find_terms_problems(found, own, DAY, **rules)]


def approved(expires: date | None = None, **changes: Any) -> Registry:
    return Registry(
        approvals=(
            Approval(
                document="acme/terms", version="1", by="legal", on=date(2026, 1, 1), expires=expires
            ),
        ),
        **changes,
    )


def leave(to: date) -> Registry:
    return Registry(
        authorisations=(
            Authorisation(
                document="acme/terms", clause="3", reference="MSA-1", from_=date(2026, 1, 1), to=to
            ),
        )
    )


OLD = terms(effective=Effective(from_=date(2024, 1, 1), to=date(2025, 12, 31)), **CLOSED)
NEW = terms(version="2", effective=Effective(from_=date(2026, 1, 1)), **CLOSED)


@pytest.mark.parametrize(
    ("documents", "registry", "expected"),
    [
        ([terms()], None, []),
        ([terms(**CLOSED)], None, ["unapproved"]),
        ([terms(**CLOSED)], approved(), []),
        ([terms(**CLOSED)], approved(DAY - timedelta(1)), ["expired"]),
        ([terms(**CLOSED)], approved(DAY + timedelta(30)), ["expiring"]),
        ([terms(**CLOSED)], approved(DAY + timedelta(31)), []),
        ([terms(reading=None)], None, ["unknown"]),
        ([terms(effective=Effective(from_=date(2030, 1, 1)))], None, ["not_in_force"]),
        ([OLD, NEW], approved(), ["superseded", "unapproved"]),
        ([terms("acme/terms", ASK)], leave(DAY - timedelta(1)), ["authorisation_ended"]),
        ([terms("acme/terms", ASK)], leave(DAY), ["authorisation_expiring"]),
        ([terms("acme/terms", ASK)], leave(DAY + timedelta(31)), []),
    ],
)
def test_each_problem_is_reported(
    documents: list[TermsDocument], registry: Registry | None, expected: list[str]
) -> None:
    assert [what for what, _ in flaws(*documents, registry=registry)] == expected


def test_an_approval_of_a_version_whose_successor_is_approved_too_is_history() -> None:
    both = tuple(
        Approval(document="acme/terms", version=v, by="legal", on=date(2026, 1, 1))
        for v in ("1", "2")
    )
    assert flaws(OLD, NEW, registry=Registry(approvals=both)) == []


def test_unapproved_readings_that_are_used_on_purpose_need_no_attention() -> None:
    assert flaws(terms(**CLOSED), unapproved="allow") == []


def test_a_changed_text_is_reported_until_it_is_approved_again() -> None:
    document = terms(**CLOSED)
    change = ChangedTerms(
        document="acme/terms",
        version="1",
        address="https://a.example",
        read=document.sha256,
        found="b" * 64,
        on=DAY - timedelta(2),
    )
    ((what, detail),) = flaws(document, registry=approved(changed=(change,)))
    assert what == "changed"
    assert "2026-11-20" in detail
    again = (Approval(document="acme/terms", version="1", by="legal", on=DAY),)
    assert flaws(document, registry=Registry(approvals=again, changed=(change,))) == []


def test_a_registry_relies_on_what_it_names_and_an_empty_one_on_everything() -> None:
    known = catalogue(terms("acme/terms"), terms("acme/policy"))
    found = document_states(known, Registry(), known.routes.values(), DAY)
    named = [one.document for one in select_relied_on(found, approved(), known)]
    assert named == ["acme/terms"]
    assert select_relied_on(found, Registry(), known) == found
