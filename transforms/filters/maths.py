"""Compares answers to sums with the right answers.

The right answer comes with the prompt, in the field that the run file names as `answer:`.
math-verify, an optional extra, reads and compares both in a process that can be killed; it knows
that 1/2 is 0.5 and that x = 3 is 3.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from schemas.errors import Problem
from transforms.filters.child import Child, ChildDied, ChildHung
from transforms.filters.rules import Candidate, Finding, Rule

_NEEDS = "math_verify"
_MAX_CHARACTERS = 8_000  # of the end of the answer, where the result is
# The limit is on CPU time; this one on real time is for a machine that is extremely busy.
_WALL_FACTOR = 60


@dataclass(frozen=True, slots=True)
class MathsAnswerSettings:
    """Settings of `maths_answer`.

    Attributes:
        gold_after: The mark between working and result in a right answer, as in GSM8K. A right
            answer without it is taken whole; so are all with "".
        timeout_seconds: CPU time for one answer. Sums take milliseconds; the limit is a thousand
            times that, so that it applies to the same formulas on almost every machine.
    """

    gold_after: str = "####"
    timeout_seconds: float = 10.0

    def __post_init__(self) -> None:
        """Checks the range."""
        if self.timeout_seconds <= 0:
            raise ValueError("timeout_seconds must be more than 0")


_DETAILS = {
    "wrong": ("wrong_answer", "the answer does not come to what is known to be right"),
    "no_answer": ("no_answer", "the answer holds nothing that can be read as a result"),
    "gold_unreadable": (
        "gold_unreadable",
        "the right answer cannot be read as a number or formula",
    ),
    "failed": ("maths_failed", "the answer could not be compared with the right one"),
    "timeout": ("maths_timeout", "comparing the answer with the right one took too long"),
}
_CHILD = Child(Path(__file__).with_name("maths_child.py"))


def find_maths_answer(candidate: Candidate, settings: MathsAnswerSettings) -> Iterator[Finding]:
    """Finds an answer that is wrong or cannot be compared; none without a right answer."""
    if not candidate.gold:
        return
    gold = candidate.gold
    if settings.gold_after and settings.gold_after in gold:
        gold = gold.rpartition(settings.gold_after)[2]
    verdict = _judge(gold.strip(), candidate.completion[-_MAX_CHARACTERS:], settings)
    if verdict != "right":
        yield Finding(*_DETAILS[verdict])


def _judge(gold: str, answer: str, settings: MathsAnswerSettings) -> str:
    seconds = settings.timeout_seconds
    try:
        return str(_CHILD.ask((gold, answer, seconds), seconds * _WALL_FACTOR))
    except ChildHung:
        return "timeout"
    except ChildDied:
        return "failed"


def _not_installed(settings: MathsAnswerSettings) -> Problem | None:
    if find_spec(_NEEDS) is not None:
        return None
    return Problem(
        "the rule 'maths_answer' needs the package math-verify, which is not installed",
        remedy="install stillroom with its extra: pip install 'stillroom[maths]'",
    )


MATHS_ANSWER = Rule(
    "maths_answer",
    1,
    "tag",
    tuple(code for code, _ in _DETAILS.values()),
    find_maths_answer,
    MathsAnswerSettings(),
    always_tag=("gold_unreadable", "maths_failed", "maths_timeout"),
    check=_not_installed,
)
