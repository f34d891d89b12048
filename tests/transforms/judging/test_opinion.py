"""The score and the reason are read out of any text of a judge."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.inputs.run import Judge, TeacherChoice
from schemas.responses import Completion, FinishReason, Usage
from transforms.judging.opinion import Opinion, read_opinion

JUDGE = Judge(teacher=TeacherChoice(id="a/judge"), criteria="Is it right?")
IN_JSON = JUDGE.model_copy(
    update={
        "teacher": TeacherChoice(
            id="a/judge", parameters={"response_format": {"type": "json_schema"}}
        )
    }
)


def said(text: str, finish_reason: FinishReason = "stop", judge: Judge = JUDGE) -> Opinion:
    answer = Completion(
        text=text,
        reasoning="",
        finish_reason=finish_reason,
        usage=Usage(prompt_tokens=1, completion_tokens=1),
        response_model="m",
        response_id="",
        system_fingerprint="",
    )
    return read_opinion(answer, judge)


@pytest.mark.parametrize(
    ("text", "score", "rationale"),
    [
        ("It is right.\nScore: 4", 4, "It is right."),
        ("score: 4", 4, ""),
        ("Good.\n**Score:** 4", 4, "Good."),
        ("Good.\n**Score: 4**", 4, "Good."),
        ("Good.\n> Score = 3.5.", 3.5, "Good."),
        ("Good.\nFinal score: 4/5", 4, "Good."),
        ("Good.\nScore: 4 out of 5\n\n", 4, "Good."),
        ("Good.\n4", 4, "Good."),
        ("Score: 5\nNo, it is wrong.\nScore: 1", 1, "Score: 5\nNo, it is wrong."),
        ("Score: 2\nThat is why.", 2, "That is why."),
        ("Fine. Score: 4", 4, "Fine."),
        ("Good.\nScore: 4 (good)", 4, "Good."),
        ("4.0/5.0", 4, ""),
        ("Good.\n4.0/5.0", 4, "Good."),
        ("Rating: 4", 4, ""),
        ("Fine.\n**Rating:** 4/5", 4, "Fine."),
        ("Score: 4. I mean it. Score: 4", 4, "Score: 4. I mean it."),
        ('```json\n{"rationale": "Good.", "score": 4}\n```', 4, "Good."),
    ],
)
def test_the_last_score_on_a_line_of_its_own_counts(
    text: str, score: float, rationale: str
) -> None:
    assert said(text) == Opinion(score, rationale)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "It is right.",
        "I give it a score: 4",
        "Score: 4 or 5",
        "Score: N",
        "Score: 0",
        "Score: 6",
        "Score: -4",
        "Score: 4/10",
        "4.0/10.0",
        "Score: 4 (2 with a bad day)",
        "Score: 2. No. Score: 4",
        '```json\n{"score": 4}\n```\nor\n```json\n{"score": 2}\n```',
        "Score: nan",
        "4\nis what it says",
        "Score: 4\nScore: 40",  # a score off the scale is none, and the one before it is no better
    ],
)
def test_a_text_without_a_score_on_the_scale_has_no_score(text: str) -> None:
    assert said(text).score is None


def test_the_last_line_of_a_cut_answer_is_not_read() -> None:
    wide = JUDGE.model_copy(update={"scale": (1, 10)})
    assert said("Good.\nScore: 1", "length", wide).score is None
    assert said("Score: 10\nThat is because", "length", wide) == Opinion(10, "")
    assert said("Good.\nScore: 10", "stop", wide).score == 10


@pytest.mark.parametrize(
    ("said_", "expected"),
    [
        ({"rationale": " Right. ", "score": 4}, Opinion(4, "Right.")),
        ({"score": 1.5}, Opinion(1.5, "")),
        ({"rationale": "Right.", "score": 9}, Opinion(None, "Right.")),
        ({"rationale": 1, "score": "4"}, Opinion(None, "")),
        ({"score": True}, Opinion(None, "")),
        ({"score": float("nan")}, Opinion(None, "")),
        ([4], Opinion(None, "[4]")),
    ],
)
def test_json_is_read_if_the_judge_was_asked_for_it(said_: Any, expected: Opinion) -> None:
    assert said(json.dumps(said_), judge=IN_JSON) == expected


def test_fenced_json_is_read() -> None:
    fenced = '```json\n{"rationale": "Right.", "score": 4}\n```'
    assert said(fenced, judge=IN_JSON) == Opinion(4, "Right.")
    assert said(f"Here it is:\n{fenced}\n", judge=IN_JSON) == Opinion(4, "Right.")


@given(st.text() | st.from_regex(r"(?s).*[Ss]core: .*"), st.sampled_from(["stop", "length"]))
def test_a_score_of_any_text_is_on_the_scale_or_none(
    text: str, finish_reason: FinishReason
) -> None:
    for judge in (JUDGE, IN_JSON):
        score = said(text, finish_reason, judge).score
        assert score is None or 1 <= score <= 5


@given(st.text(), st.integers(1, 5))
def test_a_score_at_the_end_is_read_after_any_text(text: str, score: int) -> None:
    assert said(f"{text}\nScore: {score}").score == score
