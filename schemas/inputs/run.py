"""A run file: what a team wants, from whom, for which use, at what cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from schemas.index import Unit
from schemas.purpose import Purpose

Action = Literal["drop", "quarantine", "redact", "tag"]
OfRecord = Literal["drop", "quarantine", "tag"]  # what may follow for a record as a whole
Mode = Literal["live", "batch"]
Prefer = Literal["highest", "lowest"]

JUDGE = "judge"  # what scores answers, where no rule is named

DEFAULT_SCALE = (1, 5)  # of a judge: the worst score and the best


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptSource:
    """Files of prompts that share a licence and a source.

    Attributes:
        files: Paths or glob patterns, relative to the run file; JSONL, Parquet, CSV or text.
        license: SPDX expression or `LicenseRef-…`: of every record, or of those whose
            `license_field` is empty. None where each record names its own.
        source: Where the prompts were taken from; the same.
        text: Field of a plain prompt.
        messages: Field of a conversation; exactly one of `text` and `messages` is given, or
            neither for text files, where each line is a prompt.
        limit: Take the first so many records of the files in order of their names.
        confidential: Whether the prompts may not reach a host that trains on inputs.
        license_field: Field of a record's own licence.
        source_field: Field of a record's own source.
        answer: Field of the right answer, which the rule `maths_answer` holds answers to.
    """

    files: tuple[str, ...]
    license: str | None = None
    source: str | None = None
    text: str | None = None
    messages: str | None = None
    limit: int | None = None
    confidential: bool = False
    license_field: str | None = None
    source_field: str | None = None
    answer: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TeacherChoice:
    """A teacher to ask.

    Attributes:
        id: Id of the route.
        samples: How many answers to each prompt.
        mode: `live`: each request is answered as it is sent. `batch`: they are sent in jobs, which
            the provider works off within a day, at its batch price. No part of a request's
            identity: the same question has the same answer.
        parameters: Sampling parameters, by the names of OpenAI's chat API.
        repair: Whether an answer that violates its JSON Schema is asked for once more.
    """

    id: str
    samples: int = 1
    mode: Mode = "live"
    parameters: dict[str, Any] = field(default_factory=dict)
    repair: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """A model that rates every answer that passed the filters.

    Attributes:
        teacher: The model, asked once a record. Where its parameters ask for JSON by a schema,
            `score` is read from it, and `rationale`.
        criteria: What it is asked to rate.
        scale: The worst and the best score.
        minimum: What scores below it have found against them; None finds against none.
        action: What a score below the minimum leads to. An opinion is a column by default: it
            tags.
        unreadable: What it leads to that no score could be read, or that asking failed.
    """

    teacher: TeacherChoice
    criteria: str
    scale: tuple[int, ...] = DEFAULT_SCALE
    minimum: float | None = None
    action: OfRecord = "tag"
    unreadable: OfRecord = "quarantine"

    @property
    def lowest(self) -> int:
        """The worst score."""
        return self.scale[0]

    @property
    def highest(self) -> int:
        """The best score."""
        return self.scale[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Our own cap on one execution of the run, and on a month of them. None means no cap.

    Attributes:
        usd: US dollars.
        requests: Attempts sent to teachers.
        tokens: Tokens of prompts and completions together.
        usd_per_month: US dollars that all runs with the same ledger spend in a month, UTC.
    """

    usd: float | None = None
    requests: int | None = None
    tokens: int | None = None
    usd_per_month: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterChoice:
    """A rule to apply.

    Attributes:
        rule: Its name.
        action: What a finding leads to; None for the rule's own default.
        settings: The rule's settings, where they differ from its defaults.
    """

    rule: str
    action: Action | None = None
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationSet:
    """An evaluation set that the corpus must not contain."""

    files: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NearDedupe:
    """How alike two records may be before one of them goes.

    Attributes:
        threshold: Jaccard similarity of their shingles, from 0.5 to 1.
        unit: What is compared.
    """

    threshold: float = 0.8
    unit: Unit = "completion"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dedupe:
    """What counts as the same record twice. Exact duplicates of a pair always go.

    Attributes:
        near: How alike two records may be, or None to look for exact duplicates alone.
        against: Folders of earlier corpora or of versions of them, absolute: a record that
            duplicates one of theirs goes.
    """

    near: NearDedupe | None = None
    against: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """How many records are wanted: the run goes on asking until so many are accepted.

    Attributes:
        accepted: Records of the corpus.
        extra_samples: How many samples of a prompt each teacher may be asked for beyond its own
            number of them, before further prompts are asked.
    """

    accepted: int
    extra_samples: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class BestOf:
    """Of the samples of each prompt, the best ones are kept.

    Attributes:
        by: What scores them: `judge`, or the name of a rule of this run.
        keep: How many are kept.
        prefer: Which scores are better; None for a judge's highest and a rule's lowest, since
            rules find defects.
    """

    by: str
    keep: int = 1
    prefer: Prefer | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences:
    """Pairs of a better and a worse answer to one prompt are published beside the records.

    Attributes:
        by: What scores the answers, as in `BestOf`.
        gap: By how much the better one's score is better, at least.
        prefer: Which scores are better, as in `BestOf`.
        pairs: `one` a prompt, the best with the worst; or `all`, the best with each worse one.
    """

    by: str
    gap: float
    prefer: Prefer | None = None
    pairs: Literal["one", "all"] = "one"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFile:
    """A whole run file, checked.

    Attributes:
        name: The run's name.
        purpose: The declared use.
        prompts: What to ask.
        teachers: Whom.
        corpus: Folder of the corpus, absolute or a `gs://` address.
        ledger: Folder of the ledger, the same.
        registry: Path of the team's registry, or None.
        system: System prompt, or "".
        budget: Our cap.
        target: How many records are wanted; None to ask every prompt.
        unapproved: Whether readings that nobody at the organisation signed off may be used.
        max_reading_age_days: How old a reading may be on the day it is relied on; None for any
            age.
        filters: Rules, in the order of the report; None for the default ones.
        decontaminate: Evaluation sets to keep out.
        judge: Who rates the answers, or None.
        dedupe: What counts as the same.
        best_of: Which samples of a prompt are kept; None for all of them.
        preferences: Which pairs of samples are published; None for no pairs.
        splits: Share of the prompts in each split; sums to 1.
        base: Folder of the run file: relative paths start here.
        path: The run file itself.
        config_digest: SHA-256 of what the file says, in canonical form.
    """

    name: str
    purpose: Purpose
    prompts: tuple[PromptSource, ...]
    teachers: tuple[TeacherChoice, ...]
    corpus: str
    ledger: str
    registry: str | None = None
    system: str = ""
    budget: Budget = field(default_factory=Budget)
    target: Target | None = None
    unapproved: Literal["deny", "allow"] = "deny"
    max_reading_age_days: int | None = None
    filters: tuple[FilterChoice, ...] | None = None
    decontaminate: tuple[EvaluationSet, ...] = ()
    judge: Judge | None = None
    dedupe: Dedupe = field(default_factory=Dedupe)
    best_of: BestOf | None = None
    preferences: Preferences | None = None
    splits: dict[str, float] = field(default_factory=lambda: {"train": 1.0})
    base: str = ""
    path: str = ""
    config_digest: str = ""

    @property
    def batch_routes(self) -> frozenset[str]:
        """Ids of the routes that are asked through their provider's batch API."""
        return frozenset(teacher.id for teacher in self.teachers if teacher.mode == "batch")
