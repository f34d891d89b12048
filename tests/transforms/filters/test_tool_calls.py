"""A call of a tool must be one that was allowed, in a form that can be carried out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.canonical import canonical_json
from schemas.inputs.quality import FilterChoice
from schemas.responses import FinishReason, ToolCall
from transforms.filters.policy import compile_filters, rejecting_finding
from transforms.filters.rules import Candidate, NoSettings
from transforms.filters.tool_calls import find_tool_calls, tools_asked_for

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "weigh",
            "parameters": {
                "properties": {"grams": {"type": "number"}},
                "required": ["grams"],
                "additionalProperties": False,
            },
        },
    },
    {"type": "function", "function": {"name": "now"}},
]
NAMED = {"type": "function", "function": {"name": "now"}}
OFFERED = tools_asked_for(canonical_json({"tools": TOOLS, "temperature": 1}))


def calls(*named: tuple[str, str]) -> tuple[ToolCall, ...]:
    return tuple(ToolCall(id="", name=name, arguments=arguments) for name, arguments in named)


def candidate(
    *named: tuple[str, str],
    tools: str = OFFERED,
    text: str = "",
    finish: FinishReason = "tool_calls",
    **rest: Any,
) -> Candidate:
    return Candidate((), text, finish_reason=finish, tool_calls=calls(*named), tools=tools, **rest)


def codes(found: Candidate) -> list[str]:
    return [it.code for it in find_tool_calls(found, NoSettings())]


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        pytest.param("weigh", '{"grams": 2}', [], id="good"),
        pytest.param("now", "{}", [], id="no-parameters"),
        pytest.param("now", '{"any": 1}', [], id="parameters-not-named"),
        pytest.param("weigh", '{"grams": ', ["arguments_not_json"], id="cut"),
        pytest.param("weigh", "", ["arguments_not_json"], id="nothing"),
        pytest.param("weigh", '{"grams": NaN}', ["arguments_not_json"], id="not-a-number"),
        pytest.param("weigh", "[" * 100_000, ["arguments_not_json"], id="a-tower"),
        pytest.param("weigh", "{}", ["schema_mismatch"], id="missing"),
        pytest.param("weigh", '{"grams": "2"}', ["schema_mismatch"], id="type"),
        pytest.param("now", "[]", ["schema_mismatch"], id="no-object"),
        pytest.param("weight", "{}", ["unknown_tool"], id="invented"),
        pytest.param("weight", "{", ["unknown_tool", "arguments_not_json"], id="invented-and-cut"),
    ],
)
def test_a_call_is_held_to_the_tool_that_was_offered(
    name: str, arguments: str, expected: list[str]
) -> None:
    assert codes(candidate((name, arguments))) == expected


@pytest.mark.parametrize(
    ("choice", "called", "expected"),
    [
        ("auto", [], []),
        ("required", [], ["no_call"]),
        (NAMED, [], ["no_call"]),
        (NAMED, ["now"], []),
        (NAMED, ["weigh"], ["unknown_tool"]),
        ("required", ["now"], []),
        ("none", ["now"], ["unknown_tool"]),
        ("none", [], []),
    ],
)
def test_a_call_is_held_to_the_choice_that_was_made(
    choice: Any, called: list[str], expected: list[str]
) -> None:
    tools = tools_asked_for(canonical_json({"tools": TOOLS, "tool_choice": choice}))
    assert codes(candidate(*((name, "{}") for name in called), tools=tools)) == expected


def test_a_call_where_no_tools_were_offered_is_of_none() -> None:
    assert codes(candidate(("now", "{}"), tools="")) == ["unknown_tool"]


def test_no_tools_are_asked_for_by_default() -> None:
    assert tools_asked_for('{"temperature":1}') == ""
    assert json.loads(OFFERED) == {"tools": TOOLS}


def test_an_answer_that_calls_a_tool_and_says_nothing_is_sound() -> None:
    everything = compile_filters(
        (
            FilterChoice(rule="finish_reason"),
            FilterChoice(rule="empty"),
            FilterChoice(rule="length", min_words=5),
        ),
        str,
    )
    schema = '{"type":"object"}'
    assert everything.apply(candidate(("now", "{}"), response_schema=schema)) == ()


@pytest.mark.parametrize(
    ("found", "code"),
    [
        pytest.param(candidate(("weigh", "{")), "arguments_not_json", id="not-json"),
        pytest.param(candidate(("now", "{}"), tools=""), "tool_calls", id="not-offered"),
        pytest.param(candidate(), "tool_calls", id="said-and-not-done"),
        pytest.param(candidate(("now", "{}"), finish="length"), "length", id="cut"),
    ],
)
def test_a_broken_call_is_dropped_by_default(found: Candidate, code: str) -> None:
    against = rejecting_finding(compile_filters(None, str).apply(found))
    assert against is not None
    assert (against.code, against.action) == (code, "drop")


def test_what_a_call_says_is_searched_for_secrets_as_the_text_is() -> None:
    secret = "AKIA" + "Z7QX2M4LNBVC5RTW"
    found = compile_filters((FilterChoice(rule="secrets"),), str).apply(
        candidate(("now", json.dumps({"key": secret})))
    )
    assert [it.rule for it in found] == ["secrets"]
    assert "tool call 1" in found[0].finding


@given(st.text() | st.dictionaries(st.sampled_from(["grams", "x"]), st.floats()).map(json.dumps))
def test_whatever_the_arguments_the_rule_is_total(arguments: str) -> None:
    assert len(codes(candidate(("weigh", arguments)))) <= 1
