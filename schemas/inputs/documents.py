"""A document of terms at one version, as a catalogue file has it (`terms.schema.json`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Literal
from urllib.parse import quote

from schemas.terms import DutyKind, Layer, Use

Effect = Literal["permit", "forbid", "needs_authorisation", "duty"]
Outputs = Literal["customer_owns", "no_claim", "licensor_owns", "unstated"]
InputsUse = Literal["no", "opt_out", "yes", "unstated"]
Confidence = Literal["high", "medium", "low"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Facts that must all hold for a clause to apply. What is left empty is not asked.

    Attributes:
        competes_with: The student competes with any of these providers.
        student_distribution: Who gets the student is one of these.
        corpus_distribution: Who gets the corpus is one of these.
        student_license: The student's licence is like one of these patterns (`*` for anything).
        commercial: Whether the use is commercial.
        domicile_in: The organisation's country is one of these, or in `EU` or `EEA`.
        domicile_not_in: It is none of these.
        monthly_active_users_over: It has more users a month than this.
        annual_revenue_usd_over: It has more revenue than this, US dollars a year.
        model: The route's model is like one of these patterns.
        model_not: It is like none of these.
        modality: What is asked for is one of these.
        feature: Any of these features of the service is used.
        any_of: At least one of these conditions holds.
    """

    competes_with: tuple[str, ...] = ()
    student_distribution: tuple[str, ...] = ()
    corpus_distribution: tuple[str, ...] = ()
    student_license: tuple[str, ...] = ()
    commercial: bool | None = None
    domicile_in: tuple[str, ...] = ()
    domicile_not_in: tuple[str, ...] = ()
    monthly_active_users_over: int | None = None
    annual_revenue_usd_over: int | None = None
    model: tuple[str, ...] = ()
    model_not: tuple[str, ...] = ()
    modality: tuple[str, ...] = ()
    feature: tuple[str, ...] = ()
    any_of: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ClauseDuty:
    """What a clause asks for; see `schemas.terms.Duty`."""

    kind: DutyKind
    text: str
    due: Literal["collection", "publication", "release", "request"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """One rule of a document. Several may share a section.

    Attributes:
        clause: Its name: the section's number where there is one, or a short word.
        uses: The uses it speaks to.
        effect: What it does where it applies.
        summary: What it says, in our own words.
        when: What must be true for it to apply; None for always.
        duty: What it asks for, where its effect is a duty.
        yes_if: For a clause that says no: what would have to be true for a yes.
        section: The section's heading, where `clause` is a word of ours.
    """

    clause: str
    uses: tuple[Use, ...]
    effect: Effect
    summary: str
    when: Condition | None = None
    duty: ClauseDuty | None = None
    yes_if: str = ""
    section: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """Where a dated copy of the text is kept: a file of a public git repository at a commit."""

    repository: str
    path: str
    commit: str
    recorded: date

    @property
    def newest(self) -> str:
        """Address of the newest copy there, in the same form as the one that was read."""
        return f"https://raw.githubusercontent.com/{self.repository}/HEAD/{quote(self.path)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Who read which text, when.

    Attributes:
        on: The day it was read.
        by: Who read it.
        confidence: How sure the reader is of it.
        archive: The copy that was read.
        sha256: Digest of the plain text of that copy (`transforms.guard.texts`); "" where only
            passages of it were at hand.
        quote_sha256: Then the digest of those passages.
    """

    on: date
    by: str
    confidence: Confidence
    archive: Archive | None = None
    sha256: str = ""
    quote_sha256: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effective:
    """First and last day in force, both included; `to` is None while no end is known."""

    from_: date
    to: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TermsDocument:
    """One version of one document that binds teachers.

    Attributes:
        document: Its id, provider first: `meta/llama-3.1-license`.
        version: Its version: the date that the text names, or its own label.
        title: What its publisher calls it.
        publisher: Who publishes it.
        layer: Which part of the stack it binds.
        effective: When it is in force; None for always.
        announced: The day it was published, where that is not the first day in force.
        spdx: SPDX identifier, for a licence that has one.
        open_licence: Whether it is an open licence, the reading of which needs no approval.
        outputs: Whose the outputs are, by this text.
        provider_uses_inputs: Whether the provider trains on what it is sent.
        address: Where its newest text can be fetched.
        note: What else a reader should know.
        reading: Who read it; None where nobody has: every answer is then `unknown`.
        clauses: Its rules.
        where: File and line, for messages.
    """

    document: str
    version: str
    title: str
    publisher: str
    layer: Layer
    effective: Effective | None = None
    announced: date | None = None
    spdx: str = ""
    open_licence: bool = False
    outputs: Outputs = "unstated"
    provider_uses_inputs: InputsUse = "unstated"
    address: str = ""
    note: str = ""
    reading: Reading | None = None
    clauses: tuple[Clause, ...] = field(default=())
    where: str = ""

    @property
    def provider(self) -> str:
        """The provider's name, as `competes_with` uses it."""
        return self.document.partition("/")[0]

    @property
    def name(self) -> str:
        """Document and version, as a message names them."""
        return f"{self.document}@{self.version}"

    @property
    def sha256(self) -> str:
        """Digest of what was read, or "" where nobody has read anything."""
        return (self.reading.sha256 or self.reading.quote_sha256) if self.reading else ""

    def in_force(self, day: date) -> bool:
        """Whether it is in force on a day."""
        if self.effective is None:
            return True
        return self.effective.from_ <= day and (
            self.effective.to is None or day <= self.effective.to
        )

    def ended(self, day: date) -> bool:
        """Whether its last day is past."""
        return bool(self.effective and self.effective.to and self.effective.to < day)
