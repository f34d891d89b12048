"""An answer has the form that a run file requires, or is found."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import InputError
from schemas.inputs.quality import FilterChoice
from transforms.filters.policy import Filters, compile_filters
from transforms.filters.rules import Candidate


def _filters(**settings: Any) -> Filters:
    choice = FilterChoice(rule="required_format", **settings)
    return compile_filters((choice,), lambda _: "run.yaml:7")


def _details(answer: str, **settings: Any) -> list[str]:
    found = _filters(**settings).apply(Candidate((), answer))
    assert all((it.code, it.action) == ("wrong_format", "drop") for it in found)
    return [it.finding for it in found]


@pytest.mark.parametrize(
    ("settings", "answer"),
    [
        ({"pattern": "[0-9]+"}, " 42\n"),
        ({"pattern": "yes|no"}, "no"),
        ({"pattern": "(?s)<think>.*?</think>.*"}, "<think>\nso\n</think>\n42"),
        ({"pattern": "蒸.{1}"}, "蒸留"),
        ({"starts_with": "Answer:"}, "\nAnswer: 42"),
        ({"ends_with": "."}, "It is 42. \n"),
        ({"contains": ["42", "is"]}, "It is 42"),
        ({"contains": "42"}, "It is 42"),
        ({"sections": "think"}, "<think>Six times seven.</think>\n\nIt is 42."),
        ({"sections": ["think", "answer"]}, "<think>\n6*7\n</think>\n<answer>42</answer>\n"),
        ({"sections": ["think", "answer"]}, "<think>a < b</think><answer>42</answer> Done."),
    ],
)
def test_an_answer_of_the_required_form_stays(settings: dict[str, Any], answer: str) -> None:
    assert _details(answer, **settings) == []


@pytest.mark.parametrize(
    ("settings", "answer", "says"),
    [
        ({"pattern": "[0-9]+"}, "42.", "does not match '[0-9]+'"),
        ({"pattern": "a|b"}, "ab", "does not match"),
        ({"pattern": ".*"}, "two\nlines", "does not match"),
        ({"pattern": "."}, "", "does not match"),
        ({"starts_with": "Answer:"}, "The Answer: 42", "does not start with 'Answer:'"),
        ({"ends_with": "."}, "It is 42", "does not end with '.'"),
        ({"contains": ["42", "43"]}, "It is 42", "does not contain '43'"),
        ({"sections": "think"}, "It is 42.", "has no <think> where it belongs"),
        ({"sections": "think"}, "Well. <think>a</think>", "has no <think> where it belongs"),
        ({"sections": "think"}, "<think>a", "has nothing between <think> and </think>"),
        ({"sections": "think"}, "<think> </think>42", "has nothing between <think> and </think>"),
        ({"sections": "think"}, "<think>a</think><think>b</think>", "has more than one <think>"),
        ({"sections": ["a", "b"]}, "<b>1</b><a>2</a>", "has no <a> where it belongs"),
        ({"sections": ["a", "b"]}, "<a>1</a> so <b>2</b>", "has no <b> where it belongs"),
        ({"sections": "a", "ends_with": "</a>"}, "<a>1</a> so", "does not end with '</a>'"),
        ({"sections": "a"}, "", "has no <a> where it belongs"),
    ],
)
def test_an_answer_of_another_form_is_found_with_what_is_wrong(
    settings: dict[str, Any], answer: str, says: str
) -> None:
    (detail,) = _details(answer, **settings)
    assert says in detail


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({}, "'required_format' requires nothing"),
        ({"codes": "wrong_format"}, "at least one of pattern"),
        ({"pattern": "a)(b"}, "make no sense: pattern: .*unexpected"),
        ({"pattern": "("}, "make no sense: pattern: .*missing"),
        ({"pattern": r"(a)\1"}, "make no sense: pattern: "),
        ({"pattern": "(?=a)"}, "make no sense: pattern: "),
        ({"sections": ["<think>"]}, "'<think>' is not a name of a tag"),
        ({"patern": "a"}, "did you mean 'pattern'"),
    ],
)
def test_settings_that_require_nothing_or_cannot_be_used_are_refused(
    settings: dict[str, Any], says: str
) -> None:
    with pytest.raises(InputError, match=rf"(?s)run\.yaml:7: .*{says}"):
        _filters(**settings)


def test_the_rule_survives_the_way_to_a_worker() -> None:
    filters = pickle.loads(pickle.dumps(_filters(pattern="a+", sections="b")))  # noqa: S301 - our own
    assert [found.code for found in filters.apply(Candidate((), "aa"))] == ["wrong_format"]


@pytest.mark.parametrize("pattern", ["(a+)+b", "(a|aa)+b", "(.*)*b", "(?s).*.*.*=.*"])
@pytest.mark.timeout(20)
def test_no_pattern_takes_long(pattern: str) -> None:
    assert _details("a" * 50_000, pattern=pattern)


@given(st.text(st.characters(exclude_categories=())))
def test_every_text_is_of_the_form_or_not(text: str) -> None:
    assert len(_details(text, pattern="(?s).*a.*", contains="b", sections="c")) <= 1
    assert _details(text, pattern="(?s).*") == []
