"""Reads the score and the reason out of a judge's answer."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from schemas.inputs.run import Judge
from schemas.responses import Completion
from transforms.markdown import fences

_DECORATION = r"[\s*_`#>\"']*"
_DIGITS = r"[0-9]{1,9}(?:\.[0-9]{1,9})?"
_NUMBER = rf"(?P<score>[-+]?{_DIGITS})(?:\s*(?:/|out of)\s*(?P<of>{_DIGITS}))?"
_NAMED = rf"(?:(?:final|overall)\s+)?(?:score|rating){_DECORATION}[:=]"
_REMARK = r"(?:\([^()0-9]*\))?"
# A line that ends with a sentence with a score and nothing else, but for a remark without digits.
_SCORE = re.compile(
    rf"(?P<before>.*[.!?;]\s)?"
    rf"{_DECORATION}{_NAMED}{_DECORATION}{_NUMBER}{_DECORATION}{_REMARK}\.?{_DECORATION}",
    re.IGNORECASE,
)
_MENTIONED = re.compile(rf"{_NAMED}{_DECORATION}{_NUMBER}", re.IGNORECASE)
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
            before = (found.groupdict().get("before") or "").strip()
            kept = (*lines[:index], *filter(None, [before]), *lines[index + 1 :])
            score = None if _differs(before, found) else _on_scale(found, judge)
            return Opinion(score, "\n".join(kept).strip())
    return _read_json(completion, judge)


def _differs(before: str, found: re.Match[str]) -> bool:
    """Returns whether the same line names another score first."""
    named = _MENTIONED.finditer(before)
    return any(float(other["score"]) != float(found["score"]) for other in named)


def _on_scale(found: re.Match[str], judge: Judge) -> float | None:
    """Returns a score on the scale, else None: `8/10` is not on a scale that ends at 5."""
    if found["of"] and float(found["of"]) != judge.highest:
        return None
    return _within(float(found["score"]), judge)


def _read_json(completion: Completion, judge: Judge) -> Opinion:
    answer = _json_object(completion.text)
    if answer is None:
        return Opinion(None, completion.text.strip())
    score, rationale = answer.get("score"), answer.get("rationale")
    return Opinion(_within(score, judge), rationale.strip() if isinstance(rationale, str) else "")


def _json_object(text: str) -> dict[str, Any] | None:
    """Returns the one object in a text: the whole of it, or what is in a fence."""
    found = [_loaded(part) for part in (text, *_fenced(text))]
    objects = [value for value in found if isinstance(value, dict)]
    first = objects[0] if objects else None
    return None if any(value != first for value in objects) else first


def _fenced(text: str) -> list[str]:
    return [text[each.body_start : each.body_end] for each in fences(text) if each.closed]


def _loaded(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _within(score: object, judge: Judge) -> float | None:
    if isinstance(score, bool) or not isinstance(score, int | float):
        return None
    return float(score) if judge.lowest <= score <= judge.highest else None
