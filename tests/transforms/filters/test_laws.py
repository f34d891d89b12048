"""What holds for every rule, whatever a teacher writes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.inputs.quality import FilterChoice
from schemas.prompts import Message
from schemas.responses import ToolCall
from transforms.filters.language import detect_language
from transforms.filters.load_rules import built_in_rules
from transforms.filters.policy import Filters, compile_filters
from transforms.filters.rules import Candidate, Rule

# Bits that rules look for, so that random texts come near to what they find.
BITS = [
    "```", "```python\n", "~~~", "`", "$", "<think>", "</think>", "<|im_end|>", "</s>", "\n", " ",
    "I'm sorry, ", "but ", "I cannot help ", "As an AI, ", "ich kann ", "nicht ", "helfen ",
    "I am ChatGPT", "AKIA", "eyJ", ".", "sk-", "-----BEGIN PRIVATE KEY-----", "key = '", "'", "://",
    "@", ":", "+49 ", "DE89", "1234", "4111 ", "0", "a", "ha ", "的", "は", "ก", "é", "İ", "\u0301",
    "\u200b", "\ud800", "\x00", "def f(:\n", "|---|", "- ", "> ",
]  # fmt: skip
ANY_TEXT = st.text(st.characters(exclude_categories=())) | st.lists(
    st.sampled_from(BITS), max_size=60
).map("".join)
CANDIDATES = st.builds(
    Candidate,
    messages=st.lists(st.builds(Message, st.just("user"), ANY_TEXT), max_size=2).map(tuple),
    completion=ANY_TEXT,
    reasoning=ANY_TEXT,
    finish_reason=st.sampled_from(["stop", "length", "content_filter", "tool_calls", "unknown"]),
    refusal=st.sampled_from(["", "No."]),
    language=st.sampled_from(["", "en", "de"]),
    language_score=st.floats(0, 1),
    counted_tokens=st.integers(0, 10_000),
    tool_calls=st.lists(
        st.builds(ToolCall, id=st.just(""), name=st.sampled_from(["f", "g"]), arguments=ANY_TEXT),
        max_size=2,
    ).map(tuple),
    tools=st.sampled_from(
        ["", '{"tools": [{"function": {"name": "f", "parameters": {"required": ["a"]}}}]}']
    ),
    response_schema=st.sampled_from(["", '{"type": "object"}', '{"$ref": "#"}']),
)


def _all_rules() -> Filters:
    strict: dict[str, dict[str, Any]] = {
        "language": {"allow": ["en"]},
        "length": {"min_words": 3, "max_words": 9, "min_tokens": 3, "max_tokens": 9},
        "required_format": {"pattern": "(a+|ha )+", "contains": ["a"], "sections": ["think"]},
    }
    return compile_filters(
        tuple(FilterChoice(rule=name, **strict.get(name, {})) for name in built_in_rules()),
        str,
    )


ALL_RULES = _all_rules()


@settings(max_examples=400)
@given(CANDIDATES)
def test_rules_are_total_and_find_the_same_twice(candidate: Candidate) -> None:
    assert ALL_RULES.apply(candidate) == ALL_RULES.apply(candidate)


@pytest.mark.parametrize("rule", built_in_rules().values(), ids=built_in_rules().keys())
@given(candidate=CANDIDATES)
def test_findings_have_a_code_of_the_rule_and_a_span_within_the_text(
    rule: Rule, candidate: Candidate
) -> None:
    parts = dict(candidate.parts())
    for found in rule.find(candidate, rule.settings):
        assert found.code in rule.codes
        assert found.detail
        assert found.span or not rule.redacts
        if found.span:
            assert 0 <= found.span.start < found.span.end <= len(parts[found.span.part])


@given(ANY_TEXT)
def test_every_text_gets_a_language_code_or_none(text: str) -> None:
    code, score = detect_language(text)
    assert 0 <= score <= 1
    assert (code == "") == (score == 0)


@pytest.mark.parametrize("bit", BITS)
@pytest.mark.timeout(20)
def test_no_text_takes_long(bit: str) -> None:
    text = bit * (100_000 // len(bit))
    candidate = Candidate((Message("user", text),), text, reasoning=text)
    ALL_RULES.apply(candidate)
