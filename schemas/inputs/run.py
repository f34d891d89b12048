"""A run file: what a team wants, from which teachers, for which use, at what cost."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from schemas.addresses import is_address
from schemas.canonical import canonical_json
from schemas.inputs.budget import Budget
from schemas.inputs.parameters import JsonObject, WrittenParameters
from schemas.inputs.quality import (
    BestOf,
    Dedupe,
    EvaluationSet,
    FilterChoice,
    OfRecord,
    Preferences,
    Target,
)
from schemas.purpose import Licence, Purpose
from schemas.requests import EXTRA
from schemas.written import Absent, Filled, Flaw, Form, Many, OneOrMany, Text, Written

_IN_BUCKET = re.compile(r"gs://[^/]+/.*[^/]/?")
Mode = Literal["live", "batch"]

RunName = Annotated[
    str, Form("^[A-Za-z0-9][A-Za-z0-9._-]*$", "letters, digits, '-', '_' and '.', as gsm8k-tutor")
]
Split = Annotated[str, Form("^[a-z][a-z0-9_]*$", "a name in lower case, as train")]
Share = Annotated[float, Field(gt=0, le=1)]


class PromptSource(Written):
    """Files of prompts that share a licence and a source."""

    files: OneOrMany[Text] = Field(
        min_length=1,
        description="Paths or glob patterns, also in `gs://`: JSONL, Parquet, CSV or text.",
        examples=["data/*.jsonl"],
    )
    text: Absent[Text] = Field(
        default=None,
        description="Field of a plain prompt; in a text file each line is a prompt.",
        examples=["question"],
    )
    messages: Absent[Text] = Field(
        default=None,
        description="Field of a conversation, in place of `text`.",
        examples=["messages"],
    )
    license: Absent[Licence] = Field(
        default=None,
        description="SPDX expression or `LicenseRef-…` of the prompts; needed unless"
        " `license_field` is given: a prompt of unknown licence is refused.",
        examples=["MIT"],
    )
    license_field: Absent[Text] = Field(
        default=None,
        description="Field of a record's own licence; `license` is then for records without one.",
        examples=["license"],
    )
    source: Absent[Text] = Field(
        default=None,
        description="Where the prompts were taken from, an address or a name; needed unless"
        " `source_field` is given.",
        examples=["https://github.com/openai/grade-school-math"],
    )
    source_field: Absent[Text] = Field(
        default=None,
        description="Field of a record's own source; `source` is then for records without one.",
        examples=["source"],
    )
    answer: Absent[Text] = Field(
        default=None,
        description="Field of the right answer, for the rule `maths_answer`; it is never sent.",
        examples=["answer"],
    )
    limit: Absent[int] = Field(
        default=None,
        ge=1,
        description="Take so many records, from the first files in order of their names.",
        examples=[1000],
    )
    confidential: bool = Field(
        default=False,
        description="Whether the prompts may not reach a host that trains on its inputs.",
        examples=[True],
    )

    def flaws(self) -> Iterator[Flaw]:
        """Yields fields that are missing, or that exclude each other."""
        if self.text and self.messages:
            yield Flaw(what="text or messages, not both")
        if not (self.license or self.license_field):
            yield Flaw(
                what="the field 'license' is missing",
                expected="an SPDX expression or LicenseRef-…, or `license_field` for the field that"
                " holds it: a prompt of unknown licence is refused",
            )
        if not (self.source or self.source_field):
            yield Flaw(
                what="the field 'source' is missing",
                expected="where the prompts were taken from, or `source_field` for the field that"
                " holds it",
            )


class TeacherChoice(Written):
    """A teacher to ask."""

    id: Text = Field(description="Id of a route.", examples=["our-vllm/qwen3-8b"])
    samples: int = Field(
        default=1,
        ge=1,
        le=1024,
        description="How many answers to ask for each prompt.",
        examples=[2],
    )
    mode: Mode = Field(
        default="live",
        description="`live` sends each request by itself; `batch` sends jobs, which the provider"
        " ends within a day, at its batch price.",
        examples=["batch"],
    )
    parameters: WrittenParameters = Field(
        default={},
        description="Sampling parameters, by the names of OpenAI's chat API.",
        examples=[{"temperature": 0.7, "max_tokens": 400}],
    )
    extra: JsonObject = Field(
        default={},
        description="What the server takes beyond `parameters`: members of the request's body.",
        examples=[{"top_k": 20, "chat_template_kwargs": {"enable_thinking": False}}],
    )
    repair: bool = Field(
        default=True,
        description="Whether an answer that violates its `response_format` is asked for once more,"
        " with what is wrong; in live mode only.",
        examples=[False],
    )

    @property
    def settings(self) -> Mapping[str, Any]:
        """The parameters, with `extra` among them."""
        return {**self.parameters, EXTRA: self.extra} if self.extra else self.parameters


class Judge(Written):
    """A model that rates every answer that passed the filters."""

    teacher: TeacherChoice = Field(description="The model that rates; asked once a record.")
    criteria: Text = Field(
        description="What it is asked to rate, as a question.", examples=["Is the answer correct?"]
    )
    scale: Many[int] = Field(
        default=(1, 5),
        min_length=2,
        max_length=2,
        description="The worst score and the best.",
        examples=[[1, 10]],
    )
    minimum: Absent[float] = Field(
        default=None,
        description="Scores below it lead to `action`; left out, none do.",
        examples=[3],
    )
    action: OfRecord = Field(
        default="tag", description="What a score below the minimum leads to.", examples=["drop"]
    )
    unreadable: OfRecord = Field(
        default="quarantine",
        description="What follows where no score could be read, or where asking failed.",
        examples=["tag"],
    )

    @property
    def lowest(self) -> int:
        """The worst score."""
        return self.scale[0]

    @property
    def highest(self) -> int:
        """The best score."""
        return self.scale[1]

    @property
    def wants_json(self) -> bool:
        """Whether it is asked for JSON by a schema, from which its score is read."""
        return "response_format" in self.teacher.parameters

    def flaws(self) -> Iterator[Flaw]:
        """Yields a scale that is none, a minimum outside it, and what a judge is not asked for."""
        if self.lowest >= self.highest:
            yield Flaw(
                what="the best score is not above the worst",
                at=("scale",),
                found=f"[{self.lowest}, {self.highest}]",
                expected="the worst score, then the best, as [1, 5]",
            )
        elif self.minimum is not None and not self.lowest <= self.minimum <= self.highest:
            yield Flaw(
                what="not a score of the scale",
                at=("minimum",),
                found=f"{self.minimum:g}",
                expected=f"a number from {self.lowest} to {self.highest}",
            )
        if self.teacher.samples != 1:
            yield Flaw(
                what="a judge is asked once a record",
                at=("teacher", "samples"),
                found=f"{self.teacher.samples} samples",
                remedy="leave `samples` out",
            )
        yield from self._schema_flaws()

    def _schema_flaws(self) -> Iterator[Flaw]:
        """Yields a schema by which the judge need not give a score."""
        place = ("response_format", "json_schema", "schema")
        schema: Any = self.teacher.parameters
        for step in place:
            schema = schema.get(step, {})
        if self.wants_json and "score" not in schema.get("required", ()):
            yield Flaw(
                what="the schema asks for no score",
                at=("teacher", "parameters", *place),
                expected="`score` among what it requires; `rationale` is read too",
            )


class WrittenRun(Written):
    """What a team wants, from which teachers, for which use, at what cost."""

    name: RunName = Field(description="The run's name.", examples=["gsm8k-tutor"])
    registry: Absent[Text] = Field(
        default=None,
        description="Path of the team's own registry of routes, approvals and authorisations.",
        examples=["teachers.yaml"],
    )
    purpose: Purpose = Field(
        description="The declared use: the guard judges it, and every record carries it."
    )
    prompts: Filled[PromptSource] = Field(
        description="What to ask: one entry for each set of files with one licence and source.",
    )
    system: str = Field(
        default="",
        description="System prompt put before every prompt.",
        examples=["You are a patient tutor."],
    )
    teachers: Filled[TeacherChoice] = Field(
        description="Which teachers to ask: one entry for each."
    )
    budget: Budget = Field(
        default=Budget(), description="Our own cap on one execution, and on a month."
    )
    target: Absent[Target] = Field(
        default=None, description="How many records are wanted; left out, every prompt is asked."
    )
    unapproved: Literal["deny", "allow"] = Field(
        default="deny",
        description="Whether readings of terms may be used that the organisation did not sign off.",
        examples=["allow"],
    )
    max_reading_age_days: Absent[int] = Field(
        default=None,
        ge=0,
        description="How many days old a reading of terms may be when it is relied on.",
        examples=[365],
    )
    filters: Absent[Many[FilterChoice]] = Field(
        default=None, description="Rules, in the order of the report; left out, the default ones."
    )
    decontaminate: Many[EvaluationSet] = Field(
        default=(),
        description="Evaluation sets that the corpus must not contain."
        " Prompts that hold an item are not asked.",
    )
    judge: Absent[Judge] = Field(default=None, description="A model that rates the answers.")
    dedupe: Dedupe = Field(default=Dedupe(), description="What counts as the same record twice.")
    best_of: Absent[BestOf] = Field(
        default=None, description="Which samples of a prompt are kept; left out, all of them."
    )
    preferences: Absent[Preferences] = Field(
        default=None, description="Which pairs of samples are published; left out, none."
    )
    splits: Mapping[Split, Share] = Field(
        default={"train": 1.0},
        min_length=1,
        description="Share of the prompts in each split; the shares sum to 1.",
        examples=[{"train": 0.95, "validation": 0.05}],
    )
    corpus: Text = Field(
        description="Folder in which the corpus is published, or `gs://bucket/folder`.",
        examples=["corpora/gsm8k-tutor"],
    )
    ledger: Text = Field(
        description="Folder in which every response is kept, or `gs://bucket/folder`.",
        examples=["ledger"],
    )

    def flaws(self) -> Iterator[Flaw]:
        """Yields shares that are no whole, teachers given twice, and addresses of no use."""
        total = sum(self.splits.values())
        if not math.isclose(total, 1, abs_tol=1e-9):
            what = "the shares do not sum to 1"
            yield Flaw(what=what, at=("splits",), found=f"{total:g}", expected="1")
        yield from self._repeated_teachers()
        yield from self._mixed_modes()
        yield from self._addresses()

    def _repeated_teachers(self) -> Iterator[Flaw]:
        seen: dict[str, int] = {}
        for index, teacher in enumerate(self.teachers):
            question = canonical_json([teacher.id, teacher.settings])
            if question in seen:
                yield Flaw(
                    what=f"{teacher.id!r} is given twice with the same parameters",
                    at=("teachers", index),
                    found=f"the same as entry {seen[question] + 1}",
                    expected="each teacher and set of parameters once",
                    remedy="ask for more samples instead: `samples: 2`",
                )
            seen.setdefault(question, index)

    def _mixed_modes(self) -> Iterator[Flaw]:
        """Yields teachers that are to be asked in both ways: a route has one queue only."""
        first: dict[str, Mode] = {}
        for index, teacher in enumerate(self.teachers):
            if first.setdefault(teacher.id, teacher.mode) != teacher.mode:
                yield Flaw(
                    what=f"{teacher.id!r} is given two modes",
                    at=("teachers", index),
                    found=f"{first[teacher.id]} and {teacher.mode}",
                    expected="one mode for each route",
                )

    def _addresses(self) -> Iterator[Flaw]:
        for at, folder in enumerate(self.dedupe.against):
            if is_address(folder):
                yield Flaw(
                    what="only folders are supported",
                    at=("dedupe", "against", at),
                    found=folder,
                    expected="a path on this machine or on a file system that all workers share",
                )
        if self.corpus.rstrip("/") == self.ledger.rstrip("/"):
            yield Flaw(
                what="corpus and ledger are the same folder",
                at=("ledger",),
                found=self.ledger,
                expected="a folder of its own",
            )
        for name, place in (("corpus", self.corpus), ("ledger", self.ledger)):
            if is_address(place) and not _IN_BUCKET.fullmatch(place):
                yield Flaw(
                    what="the address cannot be used",
                    at=(name,),
                    found=place,
                    expected="a path, or gs://bucket/folder",
                )


class RunFile(WrittenRun):
    """A run file that was read, its folders absolute.

    Attributes:
        base: Folder of the run file: relative paths start here.
        path: The run file itself.
        config_digest: SHA-256 of the file's data, in canonical form.
    """

    base: str = ""
    path: str = ""
    config_digest: str = ""

    @property
    def batch_routes(self) -> frozenset[str]:
        """Ids of the routes that are asked through their provider's batch API."""
        return frozenset(teacher.id for teacher in self.teachers if teacher.mode == "batch")
