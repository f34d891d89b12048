"""What one document of terms answers: may the output be used this way, and what is owed?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from schemas.inputs.documents import Clause, TermsDocument
from schemas.inputs.registry import Authorisation
from schemas.purpose import Purpose
from schemas.terms import ClauseStatus, Duty, Layer, Status
from transforms.guard.conditions import check_condition

# Most severe first: by how much it takes to turn the answer into a yes.
SEVERITY: tuple[Status, ...] = (
    "prohibited",  # needs another use, or other terms
    "needs_authorisation",  # needs the provider's permission in writing
    "unknown",  # someone must read the text
    "not_in_force",  # no known version was in force that day
    "expired",  # someone must read it or approve it again
    "unapproved",  # someone must approve it
    "silent",  # permits if the output belongs to the customer
    "permitted_if",
    "permitted",
)
_RANK = {status: severity for severity, status in enumerate(SEVERITY)}

# Texts of clauses and summaries are part of a decision's id: a change renames decisions.
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
    """The answer of one layer.

    Attributes:
        status: The answer as a whole.
        permits: Whether it is a yes.
        clauses: The clauses that decided.
        duties: What the layer asks for.
        authorisations: References of the authorisations that lifted a clause.
    """

    status: Status
    permits: bool
    clauses: tuple[ClauseStatus, ...]
    duties: tuple[Duty, ...] = ()
    authorisations: tuple[str, ...] = ()

    @property
    def policy(self) -> bool:
        """Whether the layer is a use policy, which only restricts what other layers permit."""
        return self.clauses[0].layer == "acceptable_use"


def severity(status: Status) -> int:
    """Returns the position of a status in `SEVERITY`: the lower, the more severe."""
    return _RANK[status]


def deny(document: str, version: str, layer: Layer, status: Status, summary: str) -> Answer:
    """Returns a denial by a document as a whole, not by one of its clauses."""
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
    """Returns what a version of a document answers about a declared use.

    A clause that forbids or asks for something applies unless the declared facts exclude it; a
    clause that permits applies only if they confirm it. A prohibition wins. A document without a
    clause that permits is silent, whatever duties it has, and then permits only if it leaves the
    output to the customer.

    Args:
        document: The version in force.
        layer: The layer it binds here.
        purpose: The declared use.
        model: The route's model.
        authorisations: Written permissions for this document that are valid on the day.

    Returns:
        Its answer, before approvals are checked.
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
    return _combine(document, layer, applied, duties, used)


def _combine(
    document: TermsDocument,
    layer: Layer,
    applied: list[tuple[Clause, ClauseStatus]],
    duties: tuple[Duty, ...],
    used: tuple[str, ...],
) -> Answer:
    """Combines the clauses that apply into the document's answer."""
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
    """Returns the status of a clause, or None if it does not apply."""
    result = check_condition(clause.when, purpose, model)
    if result.holds is False or (clause.effect == "permit" and result.holds is None):
        return None
    status, remark = _effect(clause, lifted)
    said = [clause.summary]
    if result.undeclared:
        said.append(f"It counts because nobody declared {' and '.join(result.undeclared)}.")
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
    """Returns the status of a clause that applies, and a remark for its summary."""
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
