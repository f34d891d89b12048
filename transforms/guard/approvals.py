"""Checks which readings of terms an organisation has approved, and until when."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from schemas.codes import TermsState
from schemas.inputs.documents import TermsDocument
from schemas.inputs.registry import Approval, ChangedTerms, Registry, Route
from schemas.terms import Status
from transforms.guard.catalogue.load import Catalogue

UnapprovedPolicy = Literal["deny", "allow"]

_READ_AGAIN = (
    " For a yes: read it again, and approve this version on a later day, or use a catalogue that "
    "has the new one."
)


@dataclass(frozen=True, slots=True)
class ApprovalProblem:
    """Why a reading is not approved.

    Attributes:
        status: `unapproved` or `expired`.
        summary: What is missing, and how to correct it.
        denies: Whether the reading may not be used because of it.
    """

    status: Status
    summary: str
    denies: bool


class Approvals:
    """An organisation's approvals, and its rules for readings without one.

    Args:
        approvals: The approvals.
        changed: Texts that changed since they were read: earlier approvals no longer count.
        unapproved: Whether a reading without approval may be used.
        max_age_days: How old a reading may be on the day in question; None for any age.
    """

    def __init__(
        self,
        approvals: Iterable[Approval],
        *,
        changed: Iterable[ChangedTerms] = (),
        unapproved: UnapprovedPolicy = "deny",
        max_age_days: int | None = None,
    ) -> None:
        self.unapproved = unapproved
        self.max_age_days = max_age_days
        self._approvals: dict[tuple[str, str], list[Approval]] = defaultdict(list)
        for approval in approvals:
            self._approvals[approval.document, approval.version].append(approval)
        self._changed = {(entry.document, entry.version): entry for entry in changed}

    def approval(self, document: TermsDocument, day: date) -> Approval | None:
        """Returns the approval of a reading that is valid on a day and lasts longest, or None.

        From the day a text was found changed, approvals given until that day are not valid: they
        may be about either text.
        """
        change = self.change_by(document, day)
        valid = [
            approval
            for approval in self._approvals.get((document.document, document.version), ())
            if approval.on <= day
            and (approval.expires is None or day <= approval.expires)
            and (change is None or approval.on > change.on)
        ]
        return max(valid, key=lambda approval: approval.expires or date.max, default=None)

    def change_by(self, document: TermsDocument, day: date) -> ChangedTerms | None:
        """Returns the change of a document's text that was found by a day, or None."""
        entry = self._changed.get((document.document, document.version))
        known = entry is not None and entry.read == document.sha256 and entry.on <= day
        return entry if known else None

    def was_approved(self, document: TermsDocument) -> bool:
        """Returns whether the reading of a version was ever approved."""
        return (document.document, document.version) in self._approvals

    def problem(self, document: TermsDocument, day: date) -> ApprovalProblem | None:
        """Returns why the reading of a document may not be used, or None if it may.

        The reading of an open licence needs no approval unless the text has changed since.

        Args:
            document: The version in force.
            day: The day in question.
        """
        if self._too_old(document, day):
            return ApprovalProblem(
                "expired",
                f"It was read more than {self.max_age_days} days ago. For a yes: read it again.",
                True,
            )
        change = self.change_by(document, day)
        if self.approval(document, day) or (document.open_licence and change is None):
            return None
        denies = self.unapproved == "deny"
        if change:
            summary = f"Its text was found changed on {change.on}, since it was read."
            return ApprovalProblem("expired", f"{summary}{_READ_AGAIN if denies else ''}", denies)
        ended = [
            approval.expires
            for approval in self._approvals.get((document.document, document.version), ())
            if approval.expires and approval.expires < day
        ]
        remedy = " For a yes: approve this version in the registry." if denies else ""
        if ended:
            return ApprovalProblem(
                "expired", f"Its approval ended on {max(ended)}.{remedy}", denies
            )
        return ApprovalProblem(
            "unapproved",
            f"Nobody at the organisation has signed this reading off.{remedy}",
            denies,
        )

    def _too_old(self, document: TermsDocument, day: date) -> bool:
        if self.max_age_days is None or document.reading is None:
            return False
        return day - document.reading.on > timedelta(days=self.max_age_days)


@dataclass(frozen=True, slots=True)
class DocumentState:
    """The state of a document that a team relies on, on a day.

    Attributes:
        document: Its id.
        version: The version in force, or "".
        routes: The team's routes that it binds.
        state: Whether its reading may be used.
        by: Who approved it, or "".
        expires: The last day of the approval, or None.
        expiring: Whether the approval ends soon.
        superseded: Versions that were approved and are no longer in force.
        changed: The day on which the text was found changed, or None.
    """

    document: str
    version: str
    routes: tuple[str, ...]
    state: TermsState
    by: str
    expires: date | None
    expiring: bool
    superseded: tuple[str, ...]
    changed: date | None = None


def document_states(
    catalogue: Catalogue,
    registry: Registry,
    routes: Iterable[Route],
    day: date,
    *,
    within_days: int = 30,
    max_age_days: int | None = None,
) -> list[DocumentState]:
    """Returns the state of every document that binds some routes.

    Args:
        catalogue: The documents.
        registry: The team's approvals.
        routes: The routes.
        day: The day in question.
        within_days: An approval that ends within this many days is expiring.
        max_age_days: How old a reading may be; None for any age.

    Returns:
        One state for each document, by its id.
    """
    bound: dict[str, set[str]] = defaultdict(set)
    for route in routes:
        for terms in route.terms:
            bound[terms.document].add(route.id)
    approvals = Approvals(registry.approvals, max_age_days=max_age_days, changed=registry.changed)
    soon = day + timedelta(days=within_days)
    return [
        _document_state(catalogue.documents[name], approvals, tuple(sorted(users)), day, soon)
        for name, users in sorted(bound.items())
    ]


def _document_state(
    versions: tuple[TermsDocument, ...],
    approvals: Approvals,
    routes: tuple[str, ...],
    day: date,
    soon: date,
) -> DocumentState:
    version = next((v for v in versions if v.in_force(day)), None)
    approval = approvals.approval(version, day) if version else None
    change = approvals.change_by(version, day) if version else None
    expires = approval.expires if approval else None
    return DocumentState(
        document=versions[0].document,
        version=version.version if version else "",
        routes=routes,
        state=_state(version, approvals, day),
        by=approval.by if approval else "",
        expires=expires,
        expiring=expires is not None and expires <= soon,
        superseded=tuple(v.version for v in versions if v.ended(day) and approvals.was_approved(v)),
        changed=change.on if change else None,
    )


def _state(version: TermsDocument | None, approvals: Approvals, day: date) -> TermsState:
    if version is None:
        return TermsState.NOT_IN_FORCE
    if version.reading is None:
        return TermsState.UNKNOWN
    if problem := approvals.problem(version, day):
        return TermsState(problem.status)
    return TermsState.APPROVED if approvals.approval(version, day) else TermsState.OPEN
