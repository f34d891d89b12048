"""A document of terms at one version, as a catalogue file has it (`terms.schema.json`)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Annotated, Literal
from urllib.parse import quote

from pydantic import AfterValidator, Field

from schemas.purpose import CorpusDistribution, StudentDistribution
from schemas.terms import DutyKind, Layer, Use
from schemas.written import Absent, Day, Flaw, Form, Many, Text, Written, flawed

Effect = Literal["permit", "forbid", "needs_authorisation", "duty"]
Outputs = Literal["customer_owns", "no_claim", "licensor_owns", "unstated"]
InputsUse = Literal["no", "opt_out", "yes", "unstated"]
Confidence = Literal["high", "medium", "low"]
Modality = Literal["text", "image", "audio", "video", "3d"]

DocumentId = Annotated[
    str,
    Form(
        r"^[a-z0-9][a-z0-9._-]*/[a-z0-9][a-z0-9._-]*$",
        "provider and document, as meta/llama-3.1-license",
    ),
]
Version = Annotated[
    str,
    Form(
        r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
        "the date the text names, as 2024-07-23, or its own label; `unread` where nothing is known",
    ),
]
Sha256 = Annotated[str, Form("^[0-9a-f]{64}$", "the 64 hex digits of a SHA-256")]
Commit = Annotated[str, Form("^[0-9a-f]{40}$", "the 40 hex digits of a git commit")]
Address = Annotated[str, Form("^https?://[^ ]+$", "an http or https address")]
Repository = Annotated[str, Form("^[^/ ]+/[^/ ]+$", "owner and name, as acme/terms")]
Name = Annotated[str, Form("^[a-z0-9][a-z0-9._-]*$", "a name in lower case, as openai")]
Region = Annotated[str, Form("^([A-Z]{2}|EEA)$", "a country's two letters, or EU or EEA")]


def _once_each(uses: tuple[Use, ...]) -> tuple[Use, ...]:
    if len(set(uses)) < len(uses):
        raise flawed(Flaw(what="a use is named twice", found=", ".join(uses)))
    return uses


class Condition(Written):
    """Facts that must all hold for a clause to apply. What is left out is not asked."""

    competes_with: Many[Name] = Field(
        default=(), description="The student competes with any of these providers."
    )
    student_distribution: Many[StudentDistribution] = Field(
        default=(), description="Who gets the student is one of these."
    )
    corpus_distribution: Many[CorpusDistribution] = Field(
        default=(), description="Who gets the corpus is one of these."
    )
    student_license: Many[Text] = Field(
        default=(),
        description="The student's licence matches one of these patterns; `*` for anything.",
    )
    commercial: Absent[bool] = Field(default=None, description="Whether the use is commercial.")
    domicile_in: Many[Region] = Field(
        default=(), description="The organisation's country is one of these, or in `EU` or `EEA`."
    )
    domicile_not_in: Many[Region] = Field(
        default=(), description="The organisation's country is none of these."
    )
    monthly_active_users_over: Absent[int] = Field(
        default=None, ge=0, description="It has more users a month than this."
    )
    annual_revenue_usd_over: Absent[int] = Field(
        default=None, ge=0, description="It has more revenue than this, US dollars a year."
    )
    model: Many[Text] = Field(
        default=(), description="The route's model matches one of these patterns."
    )
    model_not: Many[Text] = Field(default=(), description="It matches none of these.")
    modality: Many[Modality] = Field(default=(), description="What is asked for is one of these.")
    feature: Many[Name] = Field(
        default=(), description="Any of these features of the service is used."
    )
    any_of: Many[Condition] = Field(
        default=(), description="At least one of these conditions holds."
    )

    def flaws(self) -> Iterator[Flaw]:
        """Yields a condition that asks for nothing, and a choice of less than two."""
        if not self.model_fields_set:
            yield Flaw(what="the condition has no fact", expected="at least one")
        for name in self.model_fields_set:
            if getattr(self, name) == ():
                yield Flaw(what="the list is empty", at=(name,), expected="at least one")
        if len(self.any_of) == 1:
            yield Flaw(what="there is no choice", at=("any_of",), expected="at least two")


class ClauseDuty(Written):
    """What a clause asks for."""

    kind: DutyKind = Field(description="What sort of duty.")
    text: Text = Field(
        description="What to do or to show, in a sentence; for `name_prefix` the prefix alone."
    )
    due: Literal["collection", "publication", "release", "request"] = Field(
        description="When it is due: at the collection, at the publication of the corpus, at the"
        " release of the student, or at the provider's request."
    )


class Clause(Written):
    """One rule of a document. Several may share a section."""

    clause: Text = Field(
        description="Its name: the section's number where there is one, or a short word."
    )
    section: str = Field(
        default="", description="The section's heading, where `clause` is a word of ours."
    )
    uses: Annotated[Many[Use], AfterValidator(_once_each)] = Field(
        min_length=1, description="The uses that it is about."
    )
    when: Absent[Condition] = Field(
        default=None, description="What must be true for it to apply; left out, it always does."
    )
    effect: Effect = Field(description="What it does where it applies.")
    duty: Absent[ClauseDuty] = Field(
        default=None, description="What it asks for, where its effect is a duty."
    )
    summary: Text = Field(description="What it says, in our own words.")
    yes_if: str = Field(
        default="", description="For a clause that says no: what would have to be true for a yes."
    )

    def flaws(self) -> Iterator[Flaw]:
        """Yields what the effect asks for and is missing, or does not go with it."""
        for name, effects in (
            ("duty", ("duty",)),
            ("yes_if", ("forbid", "needs_authorisation")),
        ):
            given = bool(getattr(self, name))
            if self.effect in effects and not given:
                yield Flaw(
                    what=f"the field {name!r} is missing",
                    expected=str(type(self).model_fields[name].description),
                )
            elif given and self.effect not in effects:
                yield Flaw(
                    what="not for this effect",
                    at=(name,),
                    found=f"effect {self.effect}",
                    expected=f"effect {' or '.join(effects)}",
                )


class Archive(Written):
    """Where a dated copy of the text is kept: a file of a public git repository at a commit."""

    repository: Repository = Field(description="The repository on GitHub.")
    path: Text = Field(description="The file's path in it.")
    commit: Commit = Field(description="The commit.")
    recorded: Day = Field(description="The day on which the copy was made.")

    @property
    def newest(self) -> str:
        """Address of the newest copy there, in the same form as the one that was read."""
        return f"https://raw.githubusercontent.com/{self.repository}/HEAD/{quote(self.path)}"


class Reading(Written):
    """Who read which text, when."""

    on: Day = Field(description="The day it was read.")
    by: Text = Field(description="Who read it.")
    confidence: Confidence = Field(description="How sure the reader is of it.")
    archive: Absent[Archive] = Field(default=None, description="The copy that was read.")
    sha256: Sha256 = Field(
        default="",
        description="Digest of the plain text of that copy; left out where only passages of it"
        " were at hand.",
    )
    quote_sha256: Sha256 = Field(default="", description="Then the digest of those passages.")


class Effective(Written):
    """First and last day in force, both included."""

    from_: Day = Field(
        validation_alias="from", serialization_alias="from", description="The first day."
    )
    to: Absent[Day] = Field(
        default=None, description="The last day; left out while no end is known."
    )

    def flaws(self) -> Iterator[Flaw]:
        """Yields days in the wrong order."""
        if self.to and self.to < self.from_:
            yield Flaw(what="the document ends before it begins", at=("to",))


class WrittenTerms(Written):
    """One version of one document that binds teachers, as read by an engineer."""

    document: DocumentId = Field(description="Its id, provider first.")
    version: Version = Field(
        description="The date that the text names, or its own label; `unread` where nothing is"
        " known."
    )
    title: Text = Field(description="What its publisher calls it.")
    publisher: Text = Field(description="Who publishes it.")
    layer: Layer = Field(description="Which part of the stack it binds.")
    effective: Absent[Effective] = Field(
        default=None, description="When it is in force; left out, it always is."
    )
    announced: Absent[Day] = Field(
        default=None,
        description="The day it was published, where that is not the first day in force.",
    )
    spdx: str = Field(default="", description="SPDX identifier, for a licence that has one.")
    open_licence: bool = Field(
        default=False,
        description="Whether it is an open licence, the reading of which needs no approval.",
    )
    outputs: Outputs = Field(default="unstated", description="Whose the outputs are, by this text.")
    provider_uses_inputs: InputsUse = Field(
        default="unstated", description="Whether the provider trains on what it is sent."
    )
    address: Address = Field(default="", description="Where its newest text can be fetched.")
    note: str = Field(default="", description="What else a reader should know.")
    reading: Absent[Reading] = Field(
        default=None,
        description="Who read it; left out where it was not read: its answer is `unknown`.",
    )
    clauses: Many[Clause] = Field(default=(), description="Its rules.")

    def flaws(self) -> Iterator[Flaw]:
        """Yields what is claimed of a text that was not read."""
        given = self.model_fields_set
        for name, needed in (
            ("reading", "outputs"),
            ("clauses", "reading"),
            ("open_licence", "reading"),
        ):
            if name in given and needed not in given:
                yield Flaw(what=f"the field {needed!r} is missing", expected=f"it beside {name!r}")


class TermsDocument(WrittenTerms):
    """A document of terms with its file and line, for messages."""

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
        """Digest of what was read, or "" where nothing was."""
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
