"""What a run keeps of the answers: how many, by which rules, and which of several."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import ConfigDict, Field

from schemas.index import Unit
from schemas.written import Absent, Many, OneOrMany, Text, Written

Action = Literal["drop", "quarantine", "redact", "tag"]
OfRecord = Literal["drop", "quarantine", "tag"]  # what may follow for a record as a whole
Prefer = Literal["highest", "lowest"]

JUDGE = "judge"  # what scores answers, where no rule is named


class FilterChoice(Written):
    """A rule to apply; further keys are the rule's own settings."""

    model_config = ConfigDict(extra="allow")

    if TYPE_CHECKING:

        def __init__(self, *, rule: str, action: Action | None = None, **settings: Any) -> None:
            """Takes the settings of any rule."""

    rule: Text = Field(description="Name of the rule.", examples=["language"])
    action: Absent[Action] = Field(
        default=None,
        description="What a finding leads to; left out, the rule's own default. `redact` puts a"
        " placeholder in place of what was found.",
        examples=["drop"],
    )

    @property
    def settings(self) -> Mapping[str, Any]:
        """The rule's settings, where they differ from its defaults."""
        return self.model_extra or {}


class EvaluationSet(Written):
    """An evaluation set that the corpus must not contain."""

    files: OneOrMany[Text] = Field(
        min_length=1,
        description="Paths or glob patterns, also in `gs://`.",
        examples=["data/gsm8k_test.jsonl"],
    )
    text: Text = Field(description="Field of the evaluation item.", examples=["question"])


class NearDedupe(Written):
    """How alike two records may be before one of them is removed."""

    threshold: float = Field(
        default=0.8,
        ge=0.5,
        le=1,
        description="Jaccard similarity of their shingles, from which they are duplicates.",
        examples=[0.7],
    )
    unit: Unit = Field(default="completion", description="What is compared.", examples=["pair"])


class Dedupe(Written):
    """What counts as the same record twice. Exact duplicates of a pair are always removed."""

    near: Absent[NearDedupe] = Field(
        default=None,
        description="How alike two records may be; left out, only exact duplicates count.",
    )
    against: Many[Text] = Field(
        default=(),
        description="Folders of earlier corpora, or of their versions: a record that duplicates one"
        " of theirs is removed.",
        examples=[["corpora/last-year"]],
    )


class Target(Written):
    """How many records are wanted: the run asks until so many are accepted."""

    accepted: int = Field(ge=1, description="Records of the corpus.", examples=[10000])
    extra_samples: int = Field(
        default=3,
        ge=0,
        le=1024,
        description="How many samples of a prompt each teacher may be asked for beyond its own"
        " number of them, before further prompts are asked.",
        examples=[0],
    )


By = Annotated[Text, Field(examples=[JUDGE])]


class BestOf(Written):
    """Of the samples of each prompt, the best ones are kept."""

    by: By = Field(description="What scores them: `judge`, or the name of a rule of this run.")
    keep: int = Field(default=1, ge=1, description="How many are kept.", examples=[2])
    prefer: Absent[Prefer] = Field(
        default=None,
        description="Which scores are better; left out, a judge's highest and a rule's lowest,"
        " since rules find defects.",
        examples=["lowest"],
    )


class Preferences(Written):
    """Pairs of a better and a worse answer to one prompt are published beside the records."""

    by: By = Field(description="What scores them: `judge`, or the name of a rule of this run.")
    gap: float = Field(
        gt=0, description="By how much the better answer's score is better, at least.", examples=[2]
    )
    prefer: Absent[Prefer] = Field(
        default=None,
        description="Which scores are better; left out, a judge's highest and a rule's lowest.",
        examples=["lowest"],
    )
    pairs: Literal["one", "all"] = Field(
        default="one",
        description="`one` a prompt, the best with the worst; or `all`, the best with each worse"
        " one.",
        examples=["all"],
    )
