"""Who at the organisation has signed off which reading, and until when."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

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
    """What is wrong with the sign-off of a reading.

    Attributes:
        status: `unapproved` or `expired`.
        summary: What is missing, and what would make it good.
        denies: Whether the reading may not be used for it.
    """

    status: Status
    summary: str
    denies: bool


class Approvals:
    """An organisation's approvals, and how strict it is about them.

    Args:
        approvals: Its approvals.
        unapproved: Whether a reading that nobody has signed off may be used.
        max_age_days: How old a reading may be on the day asked about; None for any age.
        changed: Texts that changed since they were read: what was signed off before counts no
            longer.
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
        """Returns the approval of a reading that is in force on a day and lasts longest.

        One that was given before the text was found changed, or on the very day, is in force no
        longer from that day on: nobody can tell which text it meant.
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
        """Returns how the text that was read had changed by a day, or None where it had not."""
        entry = self._changed.get((document.document, document.version))
        known = entry is not None and entry.read == document.sha256 and entry.on <= day
        return entry if known else None

    def was_approved(self, document: TermsDocument) -> bool:
        """Tells whether a version's reading has ever been approved."""
        return (document.document, document.version) in self._approvals

    def problem(self, document: TermsDocument, day: date) -> ApprovalProblem | None:
        """Tells what is wrong with the sign-off of a document that was read.

        Args:
            document: The version in force.
            day: The day asked about.

        Returns:
            The flaw, or None where the reading is signed off, or needs no signature since the
            licence is an open one.
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
    """How a document that a team relies on stands on a day.

    Attributes:
        document: Its id.
        version: The version in force, or "" where none is.
        routes: The team's routes that it binds.
        state: `approved`, `open` (an open licence), `unapproved`, `expired`, `unknown` or
            `not_in_force`.
        by: Who approved it, or "".
        expires: When the approval ends, or None.
        expiring: Whether that is within the days asked about.
        superseded: Versions that were approved and are no longer in force.
        changed: The day on which the text was found to be another than was read, or None.
    """

    document: str
    version: str
    routes: tuple[str, ...]
    state: str
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
    """Tells how everything that a team relies on stands.

    Args:
        catalogue: The documents.
        registry: The team's approvals.
        routes: The routes that it uses.
        day: The day asked about.
        within_days: An approval that ends in so many days is expiring.
        max_age_days: How old a reading may be; None for any age.

    Returns:
        One standing for each document that binds one of the routes, by its id.
    """
    bound: dict[str, set[str]] = defaultdict(set)
    for route in routes:
        for terms in route.terms:
            bound[terms.document].add(route.id)
    signed = Approvals(registry.approvals, max_age_days=max_age_days, changed=registry.changed)
    soon = day + timedelta(days=within_days)
    return [
        _standing(catalogue.documents[name], signed, tuple(sorted(users)), day, soon)
        for name, users in sorted(bound.items())
    ]


def _standing(
    versions: tuple[TermsDocument, ...],
    signed: Approvals,
    routes: tuple[str, ...],
    day: date,
    soon: date,
) -> DocumentState:
    version = next((v for v in versions if v.in_force(day)), None)
    approval = signed.approval(version, day) if version else None
    change = signed.change_by(version, day) if version else None
    expires = approval.expires if approval else None
    return DocumentState(
        document=versions[0].document,
        version=version.version if version else "",
        routes=routes,
        state=_state(version, signed, day),
        by=approval.by if approval else "",
        expires=expires,
        expiring=expires is not None and expires <= soon,
        superseded=tuple(v.version for v in versions if v.ended(day) and signed.was_approved(v)),
        changed=change.on if change else None,
    )


def _state(version: TermsDocument | None, signed: Approvals, day: date) -> str:
    if version is None:
        return "not_in_force"
    if version.reading is None:
        return "unknown"
    if flaw := signed.problem(version, day):
        return flaw.status
    return "approved" if signed.approval(version, day) else "open"
