"""The guard's vocabulary: uses, layers, statuses, duties, and the verdict on one route."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Use = Literal["train_generative", "train_narrow", "select", "evaluate"]
Layer = Literal[
    "host",
    "aggregator",
    "service",
    "acceptable_use",
    "weights_licence",
    "base_model_licence",
    "prompt_licence",
    "order_form",
]
Status = Literal[
    "permitted",
    "permitted_if",
    "needs_authorisation",
    "prohibited",
    "silent",
    "unknown",
    "unapproved",
    "expired",
    "not_in_force",
]
DutyKind = Literal[
    "name_prefix",
    "attribution",
    "flow_down",
    "notice",
    "disclose",
    "delete_on_request",
    "share_alike",
    "keep_internal",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Duty:
    """What a permitted use still owes.

    Attributes:
        kind: What sort of duty.
        text: What to do or to show, in a sentence; for `name_prefix` the prefix alone.
        due: When it falls due: `collection`, `publication` (of the corpus), `release` (of the
            student) or `request` (of the provider).
        document: The document that asks for it.
    """

    kind: DutyKind
    text: str
    due: str
    document: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClauseStatus:
    """How one clause, or a document as a whole, answered the question.

    Attributes:
        document: Id of the document.
        version: Its version.
        clause: Section of the clause, or "" where the document as a whole answered.
        layer: Which part of the stack it binds.
        status: Its answer.
        summary: What it says, in our words, and what would have to be true for a yes.
    """

    document: str
    version: str
    clause: str
    layer: Layer
    status: Status
    summary: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TermsVersion:
    """A document at the version that bound a route on the day of the decision.

    Attributes:
        document: Id of the document.
        version: Its version.
        layer: Which part of the stack it binds.
        sha256: Digest of the text that was read; "" if none was read.
        status: What it answered as a whole.
    """

    document: str
    version: str
    layer: Layer
    sha256: str
    status: Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """May this route be asked, for this use, on this day?

    Attributes:
        teacher: Id of the route.
        decision: The answer. Everything but a full set of permissions is `deny`.
        status: The weakest of all layers' answers.
        clauses: What decided, most severe first.
        duties: What is owed if the route is used; empty on `deny`.
        terms: Every document that binds the route, at its version of the day.
        use: The declared use.
        on: The day asked about, ISO 8601, UTC.
        registry_digest: Digest of catalogue and registry together.
        authorisations: References of the authorisations that lifted a clause.
        obligation_class: Name of the set of duties: the corpus partition.
        decision_id: Digest of all of the above: the decision's name.
    """

    teacher: str
    decision: Literal["permit", "deny"]
    status: Status
    clauses: tuple[ClauseStatus, ...]
    duties: tuple[Duty, ...]
    terms: tuple[TermsVersion, ...]
    use: Use
    on: str
    registry_digest: str
    authorisations: tuple[str, ...]
    obligation_class: str
    decision_id: str

    @property
    def permits(self) -> bool:
        """Whether the route may be asked."""
        return self.decision == "permit"
