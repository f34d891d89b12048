"""What needs somebody's attention among the terms that a team relies on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from schemas.inputs.registry import Registry
from transforms.guard.approvals import DocumentState, UnapprovedPolicy
from transforms.guard.catalogue.load import Catalogue

_WHAT_TO_DO = {
    "unapproved": "nobody at the organisation has signed the reading off",
    "expired": "the approval has ended, or the reading is too old",
    "unknown": "nobody has read the text",
    "not_in_force": "no version that we know of is in force",
}


@dataclass(frozen=True, slots=True)
class TermsProblem:
    """Something that needs attention.

    Attributes:
        document: Id of the document.
        version: The version in force, or "".
        what: `unapproved`, `expired`, `unknown`, `not_in_force`, `changed`, `superseded`,
            `expiring`, or of an authorisation `authorisation_expiring`, `authorisation_ended`;
            `unreachable` where its newest text could not be fetched.
        detail: The same for a person.
    """

    document: str
    version: str
    what: str
    detail: str


def select_relied_on(
    document_states: Iterable[DocumentState], registry: Registry, catalogue: Catalogue
) -> list[DocumentState]:
    """Returns how those documents stand that a registry shows its team to rely on.

    Args:
        document_states: How documents stand.
        registry: The team's registry.
        catalogue: What every document is in.

    Returns:
        Those that bind one of its own routes, or are approved or authorised; all of them where
        the registry names none.
    """
    named = {approval.document for approval in registry.approvals}
    named |= {given.document for given in registry.authorisations}
    named |= {terms.document for route in registry.routes.values() for terms in route.terms}
    named &= catalogue.documents.keys()
    return [standing for standing in document_states if not named or standing.document in named]


def find_terms_problems(
    document_states: Iterable[DocumentState],
    registry: Registry,
    day: date,
    *,
    within_days: int = 30,
    unapproved: UnapprovedPolicy = "deny",
) -> list[TermsProblem]:
    """Finds what needs attention.

    Args:
        document_states: How the documents stand that a team relies on.
        registry: The team's registry.
        day: The day asked about.
        within_days: What ends in so many days is expiring.
        unapproved: Whether readings that nobody signed off are used on purpose.

    Returns:
        The findings, by document.
    """
    relied = list(document_states)
    names = {standing.document for standing in relied}
    findings = [flaw for standing in relied for flaw in _flaws(standing, unapproved)]
    soon = day + timedelta(days=within_days)
    findings += (flaw for flaw in _endings(registry, day, soon) if flaw.document in names)
    return sorted(findings, key=lambda flaw: (flaw.document, flaw.what))


def _flaws(standing: DocumentState, unapproved: UnapprovedPolicy) -> Iterator[TermsProblem]:
    def flaw(what: str, detail: str) -> TermsProblem:
        return TermsProblem(standing.document, standing.version, what, detail)

    good = standing.state in ("approved", "open")
    if standing.changed:
        if not good:
            yield flaw(
                "changed", f"its text was found changed on {standing.changed}: read it again"
            )
    elif not good and not (standing.state == "unapproved" and unapproved == "allow"):
        yield flaw(standing.state, _WHAT_TO_DO[standing.state])
    if standing.superseded and not good:
        yield flaw("superseded", f"approved was {', '.join(standing.superseded)}")
    if standing.expiring:
        yield flaw("expiring", f"the approval by {standing.by} ends on {standing.expires}")


def _endings(registry: Registry, day: date, soon: date) -> Iterator[TermsProblem]:
    for given in registry.authorisations:
        if given.to < day:
            what, detail = "authorisation_ended", f"{given.reference} ended on {given.to}"
        elif given.to <= soon:
            what, detail = "authorisation_expiring", f"{given.reference} ends on {given.to}"
        else:
            continue
        yield TermsProblem(given.document, "", what, f"{detail} (clause {given.clause})")
