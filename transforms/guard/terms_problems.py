"""Finds problems with the terms that a team relies on: unapproved, expired, changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from schemas.codes import TermsProblemKind, TermsState
from schemas.inputs.registry import Registry
from transforms.guard.approvals import DocumentState, UnapprovedPolicy
from transforms.guard.catalogue.load import Catalogue

_GOOD = (TermsState.APPROVED, TermsState.OPEN)
_DETAILS = {
    TermsState.UNAPPROVED: "no one at the organisation has approved the reading",
    TermsState.EXPIRED: "the approval has ended, or the reading is too old",
    TermsState.UNKNOWN: "no one has read the text",
    TermsState.NOT_IN_FORCE: "no known version is in force",
}


@dataclass(frozen=True, slots=True)
class TermsProblem:
    """A problem that a person should look at.

    Attributes:
        document: Id of the document.
        version: The version in force, or "".
        what: Which problem it is.
        detail: A description for a person.
    """

    document: str
    version: str
    what: TermsProblemKind
    detail: str


def select_relied_on(
    states: Iterable[DocumentState], registry: Registry, catalogue: Catalogue
) -> list[DocumentState]:
    """Selects the documents that a team's registry names.

    Args:
        states: States of documents.
        registry: The team's registry.
        catalogue: The catalogue of all documents.

    Returns:
        The states of the documents that bind one of the registry's routes, or that it approves or
        authorises; all states if it names no document.
    """
    named = {approval.document for approval in registry.approvals}
    named |= {given.document for given in registry.authorisations}
    named |= {terms.document for route in registry.routes.values() for terms in route.terms}
    named &= catalogue.documents.keys()
    return [state for state in states if not named or state.document in named]


def find_terms_problems(
    states: Iterable[DocumentState],
    registry: Registry,
    day: date,
    *,
    within_days: int = 30,
    unapproved: UnapprovedPolicy = "deny",
) -> list[TermsProblem]:
    """Finds problems with documents and with the authorisations for them.

    Args:
        states: States of the documents that a team relies on.
        registry: The team's registry.
        day: The day in question.
        within_days: What ends within this many days is expiring.
        unapproved: `allow` if unapproved readings are used on purpose.

    Returns:
        The problems, by document.
    """
    relied = list(states)
    names = {state.document for state in relied}
    problems = [problem for state in relied for problem in _of_document(state, unapproved)]
    soon = day + timedelta(days=within_days)
    problems += (p for p in _of_authorisations(registry, day, soon) if p.document in names)
    return sorted(problems, key=lambda problem: (problem.document, problem.what))


def _of_document(state: DocumentState, unapproved: UnapprovedPolicy) -> Iterator[TermsProblem]:
    def problem(what: TermsProblemKind, detail: str) -> TermsProblem:
        return TermsProblem(state.document, state.version, what, detail)

    good = state.state in _GOOD
    on_purpose = state.state == TermsState.UNAPPROVED and unapproved == "allow"
    if state.changed and not good:
        detail = f"its text was found changed on {state.changed}: read it again"
        yield problem(TermsProblemKind.CHANGED, detail)
    elif not good and not on_purpose:
        yield problem(TermsProblemKind(state.state), _DETAILS[state.state])
    if state.superseded and not good:
        detail = f"the approval is of {', '.join(state.superseded)}"
        yield problem(TermsProblemKind.SUPERSEDED, detail)
    if state.expiring:
        detail = f"the approval by {state.by} ends on {state.expires}"
        yield problem(TermsProblemKind.EXPIRING, detail)


def _of_authorisations(registry: Registry, day: date, soon: date) -> Iterator[TermsProblem]:
    for given in registry.authorisations:
        if given.to < day:
            what, ends = TermsProblemKind.AUTHORISATION_ENDED, "ended"
        elif given.to <= soon:
            what, ends = TermsProblemKind.AUTHORISATION_EXPIRING, "ends"
        else:
            continue
        detail = f"{given.reference} {ends} on {given.to} (clause {given.clause})"
        yield TermsProblem(given.document, "", what, detail)
