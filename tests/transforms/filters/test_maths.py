"""Answers are held to the right ones, by algebra, in a process that may be killed."""

from __future__ import annotations

import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import InputError
from schemas.inputs.quality import FilterChoice
from transforms.filters.load_rules import built_in_rules
from transforms.filters.maths import MATHS_ANSWER, MathsAnswerSettings, find_maths_answer
from transforms.filters.policy import compile_filters
from transforms.filters.rules import Candidate

DEFAULT = MathsAnswerSettings()
NEVER_DONE = "The result is $\\boxed{9^{9^{9^{9^9}}}}$."


def _codes(gold: str, answer: str, chosen: MathsAnswerSettings = DEFAULT) -> list[str]:
    return [found.code for found in find_maths_answer(Candidate((), answer, gold=gold), chosen)]


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("18", "She sells 9 eggs at 2 dollars. The answer is 18."),
        ("9 * 2 = <<9*2=18>>18\n#### 18", "So she makes $18 every day."),
        ("#### 1,234", "Altogether **1234** metres."),
        ("0.5", "Half of it: $\\frac{1}{2}$."),
        ("50%", "The share is 0.5"),
        ("7 apples", "First 3, then 4, so 7"),
        ("\\frac{3}{4}", "\\[ \\boxed{0.75} \\]"),
        ("x^2 + 2x + 1", "It factors as $(x+1)^2$."),
        ("$2\\sqrt{3}$", "The height is $\\sqrt{12}$."),
        ("x = 3", "Hence $x = 3$."),
        ("3", "Hence $x = 3$."),
        ("(1, 2)", "They meet in the point $(1,2)$."),
        ("-4", "不对，应该是 $-4$。"),
    ],
)
def test_an_answer_that_comes_to_the_same_is_right(gold: str, answer: str) -> None:
    assert _codes(gold, answer) == []


@pytest.mark.parametrize(
    ("gold", "answer", "code"),
    [
        ("#### 18", "The answer is 17.", "wrong_answer"),
        ("18", "First \\boxed{17}, though 18 was close.", "wrong_answer"),
        ("2\\sqrt{3}", "The height is 2.", "wrong_answer"),
        ("x^2 + 1", "It is $(x+1)^2$.", "wrong_answer"),
        ("18", "I do not know.", "no_answer"),
        ("18", "", "no_answer"),
        ("18", "\ud800", "no_answer"),
        ("none of these", "The answer is 3.", "gold_unreadable"),
        ("Working, and then\n####", "The answer is 3.", "gold_unreadable"),
    ],
)
def test_an_answer_that_is_wrong_or_unreadable_is_found(gold: str, answer: str, code: str) -> None:
    assert _codes(gold, answer) == [code]


def test_the_run_file_sets_the_mark_before_the_result_of_a_gold() -> None:
    chosen = MathsAnswerSettings(gold_after="Answer:")
    assert _codes("3 and 4. Answer: 7", "It is 7.", chosen) == []
    assert _codes("7", "It is 7.", chosen) == []
    assert _codes("#### 7 of 9", "It is 9.", MathsAnswerSettings(gold_after="")) == []


def test_a_prompt_without_a_gold_is_held_to_nothing() -> None:
    assert _codes("", "The answer is 17.") == []


def test_only_the_end_of_a_long_answer_is_read() -> None:
    assert _codes("7", "Let us see: 3 + 4 is $3+4$.\n" * 20_000 + "The answer is 7.") == []


def test_an_answer_that_is_never_done_costs_itself_and_nothing_else() -> None:
    quick = MathsAnswerSettings(timeout_seconds=0.5)
    answers = ["It is 7.", NEVER_DONE, "It is 8.", NEVER_DONE]
    assert [_codes("7", answer, quick) for answer in answers] == [
        [],
        ["maths_timeout"],
        ["wrong_answer"],
        ["maths_timeout"],
    ]


def test_formulas_are_compared_at_the_same_random_points_every_time() -> None:
    code = (
        "import random; from sympy.core.random import rng\n"
        "from transforms.filters.maths_child import judge\n"
        "for question in ('1', 'x^2'):\n"
        "    judge(question, question)\n"
        "    print(random.random(), rng.random())\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    first, second = run.stdout.splitlines()
    assert first == second


def test_threads_that_are_not_the_first_may_ask() -> None:
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda n: _codes(str(n % 3), f"It is {n}."), range(12)))
    assert found == [[]] * 3 + [["wrong_answer"]] * 9


@settings(max_examples=80)
@given(
    st.text(st.sampled_from("0123456789.,%$\\{}()^_+-*/=x \n\ud800é")),
    st.text(st.sampled_from("0123456789.,%$\\{}()^_+-*/=x \n\ud800é")),
)
def test_the_rule_is_total_and_finds_the_same_twice(gold: str, answer: str) -> None:
    quick = MathsAnswerSettings(timeout_seconds=2)
    found = _codes(gold, answer, quick)
    assert len(found) <= 1
    assert set(found) <= set(MATHS_ANSWER.codes)
    if found != ["maths_timeout"]:
        assert _codes(gold, answer, quick) == found


def test_what_is_no_fault_of_the_answer_tags_unless_it_is_named() -> None:
    candidate = Candidate((), "It is 7.", gold="none")
    for chosen, action in (({}, "tag"), ({"codes": ["gold_unreadable"]}, "drop")):
        choice = FilterChoice(rule="maths_answer", action="drop", **chosen)
        filters = pickle.loads(pickle.dumps(compile_filters((choice,), str)))  # noqa: S301 - our own
        (found,) = filters.apply(candidate)
        assert (found.code, found.action) == ("gold_unreadable", action)
    (found,) = compile_filters((FilterChoice(rule="maths_answer", action="drop"),), str).apply(
        Candidate((), "It is 7.", gold="8")
    )
    assert (found.code, found.action) == ("wrong_answer", "drop")


def test_a_finding_quotes_nothing_of_the_answer() -> None:
    (found,) = find_maths_answer(Candidate((), "It is 4711.", gold="1234"), DEFAULT)
    assert not any(sign.isdigit() for sign in found.detail)


def test_without_the_extra_the_rule_is_refused_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    built_in_rules()  # their modules are imported before the path is cut
    monkeypatch.setattr(sys, "path", [str(Path(__file__).parents[3])])
    sys.path_importer_cache.clear()
    with pytest.raises(InputError, match=r"run\.yaml:7: .*math-verify") as caught:
        compile_filters((FilterChoice(rule="maths_answer"),), lambda _: "run.yaml:7")
    assert "stillroom[maths]" in str(caught.value)


@pytest.mark.parametrize("seconds", [0, -1.0])
def test_a_timeout_is_more_than_nothing(seconds: float) -> None:
    choice = FilterChoice(rule="maths_answer", timeout_seconds=seconds)
    with pytest.raises(InputError, match="timeout_seconds must be more than 0"):
        compile_filters((choice,), str)
