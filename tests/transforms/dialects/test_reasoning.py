"""Reasoning inside an answer is separated by the marks of its model; prose about marks is kept."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.dialects.reasoning import MARKS, find_mark, separate_reasoning

CARD = "The sky is blue."


@pytest.mark.parametrize(
    "text",
    [
        f"<think>\nwhy\n</think>\n\n{CARD}",
        f"<thinking>why</thinking>\n{CARD}",
        f"<thought>why</thought>{CARD}",
        f"[THINK]why[/THINK]{CARD}",
        f"<seed:think>why</seed:think>{CARD}",
        f"<|begin_of_thought|>\nwhy\n<|end_of_thought|>\n\n"
        f"<|begin_of_solution|>\n{CARD}\n<|end_of_solution|>",
        f"◁think▷why◁/think▷{CARD}",
        f"<|START_THINKING|>why<|END_THINKING|><|START_RESPONSE|>{CARD}<|END_RESPONSE|>",
        f"<|channel>thought\nwhy<channel|>{CARD}",
        f"<|channel|>analysis<|message|>why<|end|>"
        f"<|start|>assistant<|channel|>final<|message|>{CARD}<|return|>",
        f"analysiswhyassistantfinal{CARD}",
        f"why\n</think>\n\n{CARD}",  # the chat template wrote the opening mark
        f"why</think>{CARD}",
        f"<think>\nwhy, as in ```py\n</think>\n{CARD}",  # a fence that only the reasoning opens
    ],
)
def test_reasoning_is_separated_and_the_answer_kept(text: str) -> None:
    answer, reasoning = separate_reasoning(text, "some/model")
    assert answer == CARD
    assert reasoning.startswith("why")
    assert find_mark(answer) is None


@pytest.mark.parametrize(
    ("text", "answer", "reasoning"),
    [
        (f"<think>a</think>\n<think>b</think>\n{CARD}", CARD, "a\nb"),
        (f"{CARD}\n<think>a</think>\nIt is so.", f"{CARD}\n\nIt is so.", "a"),
        ("<think>cut by the lim", "", "cut by the lim"),
        (f"{CARD}<|START_THINKING|>cut", CARD, "cut"),
        ("<|channel|>analysis<|message|>cut", "", "cut"),
        (f"analysisaassistantanalysisbassistantfinal{CARD}", CARD, "a\nb"),
        (f"</think>\n\n{CARD}", CARD, ""),
    ],
)
def test_blocks_are_read_wherever_they_are_certain(text: str, answer: str, reasoning: str) -> None:
    assert separate_reasoning(text, "m") == (answer, reasoning)


def test_plain_sentences_are_marks_only_of_the_models_that_write_them() -> None:
    text = f"Here is my thought process: why\n\nHere is my response: {CARD}"
    assert separate_reasoning(text, "ibm-granite/granite-3.2-8b-instruct") == (CARD, "why")
    assert separate_reasoning(text, "some/model") == (text, "")
    framed = f"<think>\nwhy\n</think>\n<answer>\n{CARD}\n</answer>"
    assert separate_reasoning(framed, "tencent/Hunyuan-A13B-Instruct") == (CARD, "why")
    cut = "analysisWe need to say why"
    assert separate_reasoning(cut, "openai/gpt-oss-20b") == ("", "We need to say why")
    assert separate_reasoning(cut, "some/model") == (cut, "")


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("The tag `<think>` opens it, `</think>` ends it.", False),
        ("```html\n<think>\nx\n</think>\n```\nis how R1 writes.", False),
        ("Use <think>x</think>.", True),
        ("End the block with </think> and go on.", True),
        ("In [THINK] mode it is slower.", True),
        ("Analysis: assistants are final.", False),
        (CARD, False),
    ],
)
def test_a_text_about_marks_is_left_alone(text: str, marked: bool) -> None:
    assert separate_reasoning(text, "m") == (text, "")
    assert (find_mark(text) is not None) is marked


@given(st.text())
def test_a_text_without_marks_is_the_answer(text: str) -> None:
    if not any(marks.hint in text for marks in MARKS) and "analysis" not in text:
        assert separate_reasoning(text, "granite gpt-oss hunyuan") == (text, "")


@given(
    st.lists(
        st.sampled_from(["<think>", "</think>", "[THINK]", "a", "\n", " ", "```", "<|channel|>"])
    )
)
def test_no_order_of_marks_raises(pieces: list[str]) -> None:
    separate_reasoning("".join(pieces), "granite")


@pytest.mark.parametrize(
    "piece", ["a <think>", "</think>", "\n<think>a</think>", "<|channel|>", "[THINK] "]
)
def test_a_long_hostile_text_is_read_in_little_time(piece: str) -> None:
    began = time.process_time()
    separate_reasoning(piece * 50_000, "granite")
    assert time.process_time() - began < 2.0
