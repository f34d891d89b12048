"""At most one sound answer in two hundred is kept out of the corpus by the default rules."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from schemas.inputs.quality import FilterChoice
from tests.sound_answers import LANGUAGES, SHAPES, SoundAnswer, sound_answers
from transforms.filters.language import detect_language
from transforms.filters.policy import compile_filters, rejecting_finding
from transforms.filters.rules import Candidate

MOST_DROPPED = 0.005
MOST_MISSED = 0.05
ANSWERS = list(sound_answers())


def _candidate(answer: SoundAnswer) -> Candidate:
    language, score = detect_language(answer.text)
    return Candidate((), answer.text, language=language, language_score=score)


def test_there_are_four_hundred_distinct_answers_of_every_kind_and_language() -> None:
    assert len({answer.text for answer in ANSWERS}) == len(ANSWERS) >= 400
    counts = Counter((answer.language, answer.kind) for answer in ANSWERS)
    assert set(counts) == {(language, kind) for language in LANGUAGES for kind in SHAPES}
    assert min(counts.values()) >= 20


def test_the_default_rules_keep_out_at_most_one_in_two_hundred() -> None:
    filters = compile_filters(None, str)
    found = {
        answer.name: rejecting_finding(filters.apply(_candidate(answer))) for answer in ANSWERS
    }
    dropped = {name: finding for name, finding in found.items() if finding}
    assert len(dropped) <= MOST_DROPPED * len(ANSWERS), dropped


def test_the_code_in_them_is_code() -> None:
    filters = compile_filters((FilterChoice(rule="python_syntax"),), str)
    assert [answer.name for answer in ANSWERS if filters.apply(_candidate(answer))] == []


def test_of_loops_planted_in_them_nearly_all_are_found() -> None:
    filters = compile_filters(None, str)
    missed = []
    for number, answer in enumerate(ANSWERS):
        lines = [line for line in answer.text.splitlines() if any(map(str.isalpha, line))]
        passage = lines[number % len(lines)] + (" " if number % 2 else "\n")
        repeats = 4 + len(answer.text) // (3 * len(passage))
        looped = replace(answer, text=f"{answer.text}\n\n{passage * repeats}")
        if rejecting_finding(filters.apply(_candidate(looped))) is None:
            missed.append(answer.name)
    assert len(missed) <= MOST_MISSED * len(ANSWERS), missed


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_language_that_is_allowed_keeps_out_at_most_one_in_two_hundred(language: str) -> None:
    choice = FilterChoice(rule="language", allow=[language])
    filters = compile_filters((choice,), str)
    mine = [answer for answer in ANSWERS if answer.language == language]
    dropped = [
        answer.name for answer in mine if rejecting_finding(filters.apply(_candidate(answer)))
    ]
    assert len(dropped) <= MOST_DROPPED * len(mine), dropped
