"""Asks the built-in guard about open weights, for one released and one internal student."""

from __future__ import annotations

from datetime import date
from typing import Any

from schemas.purpose import CorpusPurpose, Organisation, Purpose, Student
from schemas.terms import Use, Verdict
from transforms.guard.answer import Answer, ask_document
from transforms.guard.catalogue import load_catalogue
from transforms.guard.evaluate import Guard

CATALOGUE = load_catalogue()
GUARD = Guard(CATALOGUE, unapproved="allow")
TODAY = date(2026, 11, 21)
USES: tuple[Use, ...] = ("train_generative", "train_narrow", "select", "evaluate")
OWN_MACHINES = ("self-hosted/", "embedded/")

# What one cell of the reference's table comes to. C is P where nothing is owed, as in the house.
ANSWERS = {
    "P": ("permit", "permitted"),
    "C": ("permit", "permitted_if"),
    "s": ("permit", "silent"),
    "?": ("deny", "silent"),  # passages were read that do not tell
    "X": ("deny", "prohibited"),
    "A": ("deny", "needs_authorisation"),
    "U": ("deny", "unknown"),
}


ORGANISATION = Organisation(
    name="Example Ltd",
    commercial=True,
    domicile="US",
    monthly_active_users=12_000,
    annual_revenue_usd=4_000_000,
)


def purpose(use: Use, *, released: bool, **changes: Any) -> Purpose:
    """Returns one of the two purposes of the table, with facts of its organisation changed."""
    return Purpose(
        use=use,
        student=Student(
            name="tutor",
            distribution="released" if released else "internal",
            license="Apache-2.0",
            competes_with=CATALOGUE.providers if released else (),
        ),
        organisation=ORGANISATION.model_copy(update={**changes}),
        corpus=CorpusPurpose(distribution="public" if released else "internal"),
    )


def ask(
    route: str,
    use: Use = "train_generative",
    *,
    on: date = TODAY,
    released: bool = True,
    **changes: Any,
) -> Verdict:
    """Asks the guard, as the table does, with facts of the organisation changed."""
    return GUARD.decide(route, purpose(use, released=released, **changes), on)


def ask_alone(name: str, asked: Purpose, model: str = "some-model") -> Answer:
    """Asks the newest version of a document, apart from any route and sign-off."""
    document = CATALOGUE.documents[name][-1]
    return ask_document(document, document.layer, asked, model)


def kinds(answer: Verdict | Answer) -> set[str]:
    """Returns the kinds of what is owed."""
    return {duty.kind for duty in answer.duties}


def given(verdict: Verdict) -> tuple[str, str]:
    """Returns a verdict's answer, as a cell of the table."""
    return verdict.decision, verdict.status
