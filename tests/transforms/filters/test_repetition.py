"""Loops are found in any script; what repeats by nature is left alone."""

from __future__ import annotations

import time

import pytest

from transforms.filters.repetition import (
    DuplicateNgramsSettings,
    RepetitionSettings,
    find_duplicate_ngrams,
    find_repetition,
)
from transforms.filters.rules import Candidate

START = (
    "A river begins as rain on a hill. It gathers in brooks, it cuts a valley, and it slows down "
    "in the plain, where it leaves the sand that it carried. Towns grew at its fords. "
)
LOOPS = {
    "word": "very ",
    "phrase": "and so on, ",
    "sentence": "The answer is that the river flows to the sea. ",
    "list item": "- Check the water level again\n",
    "paragraph": START + "\n\n",
    "code": "    total = total + 1\n",
    "digits": "0.3333",
    "chinese": "我们再检查一次水位，",
    "japanese": "もう一度水位を確認します。",
    "thai": "ตรวจสอบระดับน้ำอีกครั้ง",
    "arabic": "ثم نفحص مستوى الماء مرة أخرى. ",
    "emoji": "ha 😂 ",
}


def _loop(text: str, settings: RepetitionSettings | None = None, reasoning: str = "") -> bool:
    candidate = Candidate((), text, reasoning=reasoning)
    return any(find_repetition(candidate, settings or RepetitionSettings()))


@pytest.mark.parametrize("cut", [0, 1, 2, 3])
@pytest.mark.parametrize("unit", LOOPS.values(), ids=LOOPS.keys())
def test_a_loop_at_the_end_is_found_wherever_it_was_cut(unit: str, cut: int) -> None:
    text = START + unit * max(5, 400 // len(unit))
    assert _loop(text[: len(text) - cut])


@pytest.mark.parametrize(
    "unit", [LOOPS["sentence"], LOOPS["list item"], LOOPS["chinese"] + LOOPS["japanese"]]
)
def test_four_repeats_are_a_loop_and_three_are_none(unit: str) -> None:
    assert _loop("What flows?\n\n" + unit * 4)
    assert not _loop("What flows?\n\n" + unit * 3)


def test_a_loop_is_found_before_the_end_of_its_fence() -> None:
    assert _loop(START + "\n```python\n" + LOOPS["code"] * 20 + "```\n")


def test_a_loop_in_the_reasoning_is_found() -> None:
    assert _loop("Fine.", reasoning=START + "Wait, let me check that again. " * 20)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(START * 3, id="three-times"),
        pytest.param(START * 2 + "ha " * 8, id="short-cheer"),
        pytest.param(START + "-" * 200, id="ruler"),
        pytest.param(START + "}\n" * 40, id="closing-brackets"),
        pytest.param("# Title\n" + "\n" * 100, id="empty-lines"),
        pytest.param(START * 3 + "| x | x |\n" * 4 + START, id="not-at-the-end"),
        pytest.param(
            "".join(f"{n} times 7 is {7 * n}.\n" for n in range(1, 40)), id="multiplication-table"
        ),
        pytest.param("\n".join(f"| {n} | 0 | 0 | 0 |" for n in range(30)), id="table-of-zeros"),
        pytest.param("", id="empty"),
    ],
)
def test_what_repeats_by_nature_is_no_loop(text: str) -> None:
    assert not _loop(text)


def test_a_small_share_of_the_text_is_no_loop() -> None:
    tail = "and so on, " * 10
    body = " ".join(f"sentence {n} says something new." for n in range(100))
    assert not _loop(body + tail)
    assert _loop(body + tail, RepetitionSettings(max_share=0.01))


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param(RepetitionSettings(max_period_words=5), id="period-too-long"),
        pytest.param(RepetitionSettings(min_repeats=9), id="too-few-repeats"),
    ],
)
def test_the_settings_bound_the_loop(settings: RepetitionSettings) -> None:
    text = START + LOOPS["sentence"] * 6
    assert _loop(text)
    assert not _loop(text, settings)


def test_a_loop_behind_a_ruler_in_each_round_is_found_by_its_long_period() -> None:
    assert _loop(START + ("Section about the same thing\n" + "-" * 60 + "\n") * 6)


def test_the_finding_measures_and_points_at_the_tail() -> None:
    text = START + "so it goes, " * 20
    (found,) = find_repetition(Candidate((), text), RepetitionSettings())
    assert found.span is not None
    assert text[found.span.start :].strip() in text
    assert found.value == pytest.approx(len("so it goes, " * 20) / len(text), abs=0.01)


@pytest.mark.parametrize("unit", ["a", "-", "ab" * 40 + "-" * 30, "- \n"])
def test_a_long_text_takes_no_long_time(unit: str) -> None:
    text = unit * (200_000 // len(unit))
    started = time.process_time()
    _loop(text)
    assert time.process_time() - started < 0.5


def _duplicates(text: str) -> bool:
    return any(find_duplicate_ngrams(Candidate((), text), DuplicateNgramsSettings()))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(START * 4, True, id="four-times-the-same"),
        pytest.param("我们再检查一次水位。" * 12, True, id="chinese"),
        pytest.param(START, False, id="once"),
        pytest.param("one two three four five " * 4, False, id="too-short-to-tell"),
        pytest.param("| --- | --- | --- |\n" * 40, False, id="signs-alone"),
        pytest.param(" ".join(f"word{n}" for n in range(300)), False, id="all-different"),
    ],
)
def test_a_text_that_says_the_same_again_is_found(text: str, expected: bool) -> None:
    assert _duplicates(text) is expected


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_a_share_outside_0_to_1_makes_no_sense(share: float) -> None:
    with pytest.raises(ValueError, match="max_share must be from 0 to 1"):
        DuplicateNgramsSettings(share)
