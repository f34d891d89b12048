"""What one document answers: may the output be used so, and what is owed for it?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from schemas.inputs.documents import Clause, TermsDocument
from schemas.inputs.registry import Authorisation
from schemas.purpose import Purpose
from schemas.terms import ClauseStatus, Duty, Layer, Status
from transforms.guard.conditions import check_condition

# The most severe first: what it would take most to change stands before what takes less.
SEVERITY: tuple[Status, ...] = (
    "prohibited",  # only another use, or other terms, would help
    "needs_authorisation",  # the provider's word in writing would
    "unknown",  # somebody has to read the text
    "not_in_force",  # nobody knows which terms held that day
    "expired",  # somebody has to read it again, or to sign again
    "unapproved",  # somebody has to sign
    "silent",  # permits or not by whose the output is
    "permitted_if",
    "permitted",
)
_RANK = {status: severity for severity, status in enumerate(SEVERITY)}

_SAY_NO = ("prohibited", "needs_authorisation")
_UNREAD = "Nobody has read this text. For a yes: read it, and add the reading to the catalogue."
_LEAVES_OUTPUT = ("customer_owns", "no_claim")
_SILENCE = {
    "customer_owns": "The text says nothing of this use, and gives the output to the customer.",
    "no_claim": "The text says nothing of this use, and claims no right in the output.",
    "licensor_owns": "The text says nothing of this use, and keeps the output for the licensor. "
    "For a yes: a permission, in this document or another, that names the use.",
    "unstated": "What was read of the text says nothing of this use, nor whose the output is. "
    "For a yes: read the whole of it.",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What one layer answers.

    Attributes:
        status: Its answer as a whole.
        permits: Whether that is a yes.
        clauses: What it rests on.
        duties: What it asks for.
        authorisations: References of the authorisations that lifted a clause.
    """

    status: Status
    permits: bool
    clauses: tuple[ClauseStatus, ...]
    duties: tuple[Duty, ...] = ()
    authorisations: tuple[str, ...] = ()

    @property
    def policy(self) -> bool:
        """Whether it is a policy's, which takes away from what other layers grant."""
        return self.clauses[0].layer == "acceptable_use"


def severity(status: Status) -> int:
    """Returns a status's place in the order of severity, the most severe first."""
    return _RANK[status]


def deny(document: str, version: str, layer: Layer, status: Status, summary: str) -> Answer:
    """Returns the no of a document as a whole."""
    return Answer(
        status,
        False,
        (
            ClauseStatus(
                document=document,
                version=version,
                clause="",
                layer=layer,
                status=status,
                summary=summary,
            ),
        ),
    )


def ask_document(
    document: TermsDocument,
    layer: Layer,
    purpose: Purpose,
    model: str,
    authorisations: Iterable[Authorisation] = (),
) -> Answer:
    """Tells what a version of a document says of a declared use.

    A clause that says no or asks for something applies unless the facts speak against it; one
    that permits applies only where they speak for it. A prohibition wins. A document in which no
    clause permits is silent, whatever duties it asks for, and then permits only where it leaves
    the output to the customer.

    Args:
        document: The version in force.
        layer: The layer it binds here.
        purpose: What was declared.
        model: The route's model.
        authorisations: Permissions in writing for this document that hold on the day.

    Returns:
        Its answer, apart from anybody's sign-off.
    """
    if document.reading is None:
        return deny(document.document, document.version, layer, "unknown", _UNREAD)
    lifted = {given.clause: given.reference for given in authorisations}
    applied = [
        (clause, status)
        for clause in document.clauses
        if purpose.use in clause.uses
        and (status := _status(document, layer, clause, purpose, model, lifted))
    ]
    duties = tuple(
        Duty(
            kind=clause.duty.kind,
            text=clause.duty.text,
            due=clause.duty.due,
            document=document.document,
        )
        for clause, _ in applied
        if clause.duty
    )
    used = tuple(
        lifted[clause.clause]
        for clause, status in applied
        if clause.effect == "needs_authorisation" and status.status == "permitted_if"
    )
    return _fold(document, layer, applied, duties, used)


def _fold(
    document: TermsDocument,
    layer: Layer,
    applied: list[tuple[Clause, ClauseStatus]],
    duties: tuple[Duty, ...],
    used: tuple[str, ...],
) -> Answer:
    """Folds the clauses that apply into the document's answer."""
    clauses = tuple(status for _, status in applied)
    worst: Status = min((status.status for status in clauses), key=severity, default="silent")
    if worst in _SAY_NO:
        return Answer(worst, False, tuple(c for c in clauses if c.status in _SAY_NO))
    granted = {status.status for clause, status in applied if clause.effect != "duty"}
    if granted:
        outright = "permitted" in granted and not duties
        return Answer("permitted" if outright else "permitted_if", True, clauses, duties, used)
    silence = ClauseStatus(
        document=document.document,
        version=document.version,
        clause="",
        layer=layer,
        status="silent",
        summary=_SILENCE[document.outputs],
    )
    if document.outputs not in _LEAVES_OUTPUT:
        return Answer("silent", False, (silence,))
    return Answer("silent", True, (silence, *clauses), duties)


def _status(
    document: TermsDocument,
    layer: Layer,
    clause: Clause,
    purpose: Purpose,
    model: str,
    lifted: Mapping[str, str],
) -> ClauseStatus | None:
    """Returns what a clause says, or None where it does not apply."""
    finding = check_condition(clause.when, purpose, model)
    if finding.holds is False or (clause.effect == "permit" and finding.holds is None):
        return None
    status, remark = _effect(clause, lifted)
    said = [clause.summary]
    if finding.undeclared:
        said.append(f"It counts because nobody declared {' and '.join(finding.undeclared)}.")
    summary = " ".join([*said, remark]).rstrip()
    return ClauseStatus(
        document=document.document,
        version=document.version,
        clause=clause.clause,
        layer=layer,
        status=status,
        summary=summary,
    )


def _effect(clause: Clause, lifted: Mapping[str, str]) -> tuple[Status, str]:
    """Returns what a clause does where it applies, and what is to be said besides."""
    match clause.effect:
        case "permit":
            return ("permitted_if" if clause.when else "permitted"), ""
        case "duty":
            return "permitted_if", ""
        case "needs_authorisation" if clause.clause in lifted:
            return "permitted_if", f"Lifted by {lifted[clause.clause]}."
        case "needs_authorisation":
            return "needs_authorisation", f"For a yes: {clause.yes_if}"
        case "forbid":
            return "prohibited", f"For a yes: {clause.yes_if}"
