"""The state of each document a team relies on: approved, open, unapproved, superseded."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from schemas.inputs.documents import Effective, TermsDocument
from schemas.inputs.registry import Approval, ChangedTerms, Registry
from tests.transforms.guard.terms_builder import DAY, PURPOSE, READING, catalogue, route, terms
from transforms.guard.approvals import DocumentState, document_states
from transforms.guard.evaluate import Guard

CLOSED: dict[str, Any] = {"open_licence": False}


def stand(
    *documents: TermsDocument, approvals: tuple[Approval, ...] = (), **rules: Any
) -> list[DocumentState]:
    known = catalogue(*documents)
    return document_states(
        known, Registry(approvals=approvals), known.routes.values(), DAY, **rules
    )


def approval(expires: date | None = None, version: str = "1") -> Approval:
    return Approval(
        document="acme/terms", version=version, by="legal", on=date(2026, 1, 1), expires=expires
    )


@pytest.mark.parametrize(
    ("document", "approvals", "state"),
    [
        (terms(), (), "open"),
        (terms(**CLOSED), (), "unapproved"),
        (terms(**CLOSED), (approval(),), "approved"),
        (terms(**CLOSED), (approval(DAY - timedelta(1)),), "expired"),
        (terms(reading=None), (), "unknown"),
        (terms(effective=Effective(from_=date(2030, 1, 1))), (), "not_in_force"),
    ],
)
def test_the_state_of_a_document_agrees_with_the_guard(
    document: TermsDocument, approvals: tuple[Approval, ...], state: str
) -> None:
    (found,) = stand(document, approvals=approvals)
    assert found.state == state
    assert found.routes == ("acme/model",)


def test_a_reading_that_is_too_old_is_expired() -> None:
    assert stand(terms(), max_age_days=20)[0].state == "expired"
    assert stand(terms(), max_age_days=21)[0].state == "open"


@pytest.mark.parametrize(("days", "expiring"), [(0, True), (30, True), (31, False)])
def test_an_approval_that_ends_within_the_days_asked_about_is_expiring(
    days: int, expiring: bool
) -> None:
    ends = DAY + timedelta(days)
    (found,) = stand(terms(**CLOSED), approvals=(approval(ends),), within_days=30)
    assert (found.by, found.expires, found.expiring) == ("legal", ends, expiring)


def test_the_approval_that_lasts_longest_counts() -> None:
    approvals = (approval(DAY), approval(None), approval(DAY + timedelta(1)))
    (found,) = stand(terms(**CLOSED), approvals=approvals)
    assert (found.expires, found.expiring) == (None, False)


def test_an_approved_version_that_is_no_longer_in_force_is_superseded() -> None:
    old = terms(
        version="1", effective=Effective(from_=date(2024, 1, 1), to=date(2025, 12, 31)), **CLOSED
    )
    new = terms(version="2", effective=Effective(from_=date(2026, 1, 1)), **CLOSED)
    (found,) = stand(old, new, approvals=(approval(),))
    assert (found.version, found.state, found.superseded) == ("2", "unapproved", ("1",))


def test_only_what_binds_the_routes_in_use_is_listed() -> None:
    known = catalogue(
        terms("a/t"), terms("b/t"), routes=[route("b/t", id="x/1"), route("b/t", id="x/2")]
    )
    listed = document_states(known, Registry(), known.routes.values(), DAY)
    assert [(found.document, found.routes) for found in listed] == [("b/t", ("x/1", "x/2"))]


def changed(found: date, document: TermsDocument) -> ChangedTerms:
    return ChangedTerms(
        document="acme/terms",
        version="1",
        address="https://a.example",
        read=document.sha256,
        found="b" * 64,
        on=found,
    )


@pytest.mark.parametrize("rules", [CLOSED, {}], ids=["closed", "open-licence"])
@pytest.mark.parametrize(
    ("signed", "found", "state"),
    [
        (DAY - timedelta(9), DAY - timedelta(8), "expired"),
        (DAY - timedelta(9), DAY - timedelta(9), "expired"),
        (DAY - timedelta(8), DAY - timedelta(9), "approved"),
        (DAY - timedelta(9), DAY, "expired"),
        (DAY - timedelta(9), DAY + timedelta(1), "approved"),
    ],
    ids=["before", "the-same-day", "after", "found-today", "found-tomorrow"],
)
def test_an_approval_before_the_text_was_found_changed_no_longer_counts(
    rules: dict[str, Any], signed: date, found: date, state: str
) -> None:
    document = terms("acme/terms", **rules)
    known = catalogue(document)
    registry = Registry(
        approvals=(Approval(document="acme/terms", version="1", by="legal", on=signed),),
        changed=(changed(found, document),),
    )
    (of_document,) = document_states(known, registry, known.routes.values(), DAY)
    assert of_document.state == state
    assert of_document.changed == (found if found <= DAY else None)
    verdict = Guard(known, registry).decide("acme/model", PURPOSE, DAY)
    assert verdict.permits == (state == "approved")
    assert Guard(known, registry, unapproved="allow").decide("acme/model", PURPOSE, DAY).permits


def test_a_denial_for_a_changed_text_says_what_to_do() -> None:
    document = terms("acme/terms", **CLOSED)
    guard = Guard(catalogue(document), Registry(changed=(changed(DAY, document),)))
    (clause,) = guard.decide("acme/model", PURPOSE, DAY).clauses
    assert clause.status == "expired"
    assert "found changed on 2026-11-22" in clause.summary
    assert "approve this version on a later day" in clause.summary


def test_a_new_reading_is_not_touched_by_what_was_found_of_the_old_one() -> None:
    old = terms("acme/terms", **CLOSED)
    new = terms("acme/terms", reading=READING.model_copy(update={"sha256": "c" * 64}), **CLOSED)
    registry = Registry(
        approvals=(
            Approval(document="acme/terms", version="1", by="legal", on=DAY - timedelta(9)),
        ),
        changed=(changed(DAY - timedelta(1), old),),
    )
    assert not Guard(catalogue(old), registry).decide("acme/model", PURPOSE, DAY).permits
    assert Guard(catalogue(new), registry).decide("acme/model", PURPOSE, DAY).permits


def test_what_was_found_changed_is_part_of_the_registrys_digest() -> None:
    document = terms("acme/terms", **CLOSED)
    known = catalogue(document)
    noted = Registry(changed=(changed(DAY, document),))
    assert Guard(known, noted).registry_digest != Guard(known).registry_digest
