"""Reads a judge's opinion out of its answer: a score on the scale, and why."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from schemas.inputs.run import Judge
from schemas.responses import Completion
from transforms.judging.question import wants_json

_DECORATION = r"[\s*_`#>\"']*"
_NUMBER = r"(?P<score>[-+]?[0-9]{1,9}(?:\.[0-9]{1,9})?)(?:\s*(?:/|out of)\s*(?P<of>[0-9]{1,9}))?"
_NAMED = rf"(?:(?:final|overall)\s+)?score{_DECORATION}[:=]"
# A line that gives a score and says nothing else.
_SCORE = re.compile(
    rf"{_DECORATION}{_NAMED}{_DECORATION}{_NUMBER}{_DECORATION}\.?{_DECORATION}", re.IGNORECASE
)
_BARE = re.compile(rf"{_DECORATION}{_NUMBER}{_DECORATION}\.?{_DECORATION}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Opinion:
    """What a judge said.

    Attributes:
        score: A number on the scale; None where none could be read.
        rationale: What it said beside the score.
    """

    score: float | None
    rationale: str


def read_opinion(completion: Completion, judge: Judge) -> Opinion:
    """Reads an opinion out of a judge's answer. Never raises, whatever the answer holds.

    The last score counts: a judge that quotes one before it comes to its own is read right. One
    that is off the scale is none, and no earlier one takes its place.

    Args:
        completion: The judge's answer.
        judge: What it was asked for.

    Returns:
        The opinion.
    """
    read = _read_json if wants_json(judge) else _read_text
    return read(completion, judge)


def _read_text(completion: Completion, judge: Judge) -> Opinion:
    lines = completion.text.strip().splitlines()
    if completion.finish_reason == "length":
        lines = lines[:-1]  # it was cut, and a score in it may lack a digit
    for index in range(len(lines) - 1, -1, -1):
        last = index == len(lines) - 1
        found = _SCORE.fullmatch(lines[index]) or (_BARE.fullmatch(lines[index]) if last else None)
        if found:
            rationale = "\n".join((*lines[:index], *lines[index + 1 :])).strip()
            return Opinion(_on_scale(found, judge), rationale)
    return Opinion(None, completion.text.strip())


def _on_scale(found: re.Match[str], judge: Judge) -> float | None:
    """Returns a score that is on the scale: `8/10` is none on a scale that ends at 5."""
    if found["of"] and int(found["of"]) != judge.highest:
        return None
    return _within(float(found["score"]), judge)


def _read_json(completion: Completion, judge: Judge) -> Opinion:
    try:
        said = json.loads(completion.text)
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        return Opinion(None, completion.text.strip())
    score, rationale = said.get("score"), said.get("rationale")
    return Opinion(_within(score, judge), rationale.strip() if isinstance(rationale, str) else "")


def _within(score: object, judge: Judge) -> float | None:
    if isinstance(score, bool) or not isinstance(score, int | float):
        return None
    return float(score) if judge.lowest <= score <= judge.highest else None
