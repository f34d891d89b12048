"""Reads the score and the reason out of a judge's answer."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from schemas.inputs.run import Judge
from schemas.responses import Completion

_DECORATION = r"[\s*_`#>\"']*"
_NUMBER = r"(?P<score>[-+]?[0-9]{1,9}(?:\.[0-9]{1,9})?)(?:\s*(?:/|out of)\s*(?P<of>[0-9]{1,9}))?"
_NAMED = rf"(?:(?:final|overall)\s+)?score{_DECORATION}[:=]"
# A line with a score and nothing else.
_SCORE = re.compile(
    rf"{_DECORATION}{_NAMED}{_DECORATION}{_NUMBER}{_DECORATION}\.?{_DECORATION}", re.IGNORECASE
)
_BARE = re.compile(rf"{_DECORATION}{_NUMBER}{_DECORATION}\.?{_DECORATION}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Opinion:
    """A judge's opinion of an answer.

    Attributes:
        score: A number on the scale; None if none could be read.
        rationale: The rest of the judge's text.
    """

    score: float | None
    rationale: str


def read_opinion(completion: Completion, judge: Judge) -> Opinion:
    """Reads an opinion out of a judge's answer. Raises nothing.

    The last score in a text counts, as a judge may quote another one first. If the last one is off
    the scale, there is no score.

    Args:
        completion: The judge's answer.
        judge: The judge's entry in the run file.

    Returns:
        The opinion.
    """
    read = _read_json if judge.wants_json else _read_text
    return read(completion, judge)


def _read_text(completion: Completion, judge: Judge) -> Opinion:
    lines = completion.text.strip().splitlines()
    if completion.finish_reason == "length":
        lines = lines[:-1]  # cut short: a score in it may lack a digit
    for index in range(len(lines) - 1, -1, -1):
        last = index == len(lines) - 1
        found = _SCORE.fullmatch(lines[index]) or (_BARE.fullmatch(lines[index]) if last else None)
        if found:
            rationale = "\n".join((*lines[:index], *lines[index + 1 :])).strip()
            return Opinion(_on_scale(found, judge), rationale)
    return Opinion(None, completion.text.strip())


def _on_scale(found: re.Match[str], judge: Judge) -> float | None:
    """Returns a score on the scale, else None: `8/10` is not on a scale that ends at 5."""
    if found["of"] and int(found["of"]) != judge.highest:
        return None
    return _within(float(found["score"]), judge)


def _read_json(completion: Completion, judge: Judge) -> Opinion:
    try:
        answer = json.loads(completion.text)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        return Opinion(None, completion.text.strip())
    score, rationale = answer.get("score"), answer.get("rationale")
    return Opinion(_within(score, judge), rationale.strip() if isinstance(rationale, str) else "")


def _within(score: object, judge: Judge) -> float | None:
    if isinstance(score, bool) or not isinstance(score, int | float):
        return None
    return float(score) if judge.lowest <= score <= judge.highest else None
