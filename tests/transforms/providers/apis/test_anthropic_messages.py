"""The API `anthropic-messages`: the calls it makes, and what it reads in any body."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.requests import DEFAULT_COMPLETION_TOKENS
from schemas.responses import Completion, Malformed, ToolCall, Usage
from tests.teacher import Teacher, always, in_turn, raw
from tests.transforms.asking.asking import (
    ROUTE,
    make_requests,
    make_route,
    responses,
    run_engine,
)
from tests.transforms.providers.apis.bodies import (
    JSON,
    NAMED,
    NO_OBJECT,
    PARAMETERS,
    TOOLS,
    body_of,
    conversation,
    texts_of,
)
from transforms.limits.route_work import RouteWork
from transforms.providers.apis import find_api, unsupported_parameters
from transforms.providers.apis.anthropic_messages import AnthropicMessages
from transforms.providers.key import Key

API = AnthropicMessages()
SCHEMA = {"type": "object", "properties": {"answer": {"type": "integer"}}}


def body(name: str = "answer", **changes: Any) -> bytes:
    return body_of("anthropic-messages", name, **changes)


def completed(data: bytes) -> Completion:
    found = API.parse(data)
    assert isinstance(found, Completion), found
    return found


def test_the_system_prompt_is_sent_in_a_field_of_its_own() -> None:
    request = conversation(
        ("system", "Use metric units."),
        ("user", "Why?"),
        ("assistant", "Because."),
        ("user", "naïve \u2028 \U0001f600"),
        system="Be brief.",
    )
    call = API.build(request)
    assert call.path == "/v1/messages"
    assert json.loads(call.body) == {
        "model": "test-model",
        "system": "Be brief.\n\nUse metric units.",
        "messages": [
            {"role": "user", "content": "Why?"},
            {"role": "assistant", "content": "Because."},
            {"role": "user", "content": "naïve \u2028 \U0001f600"},
        ],
        "max_tokens": DEFAULT_COMPLETION_TOKENS,
    }


@pytest.mark.parametrize("stop", ["END", ["END"]], ids=["a-text", "a-list"])
def test_parameters_are_sent_under_the_names_of_the_api(stop: Any) -> None:
    wanted = {
        "type": "json_schema",
        "json_schema": {"name": "answer", "strict": True, "schema": SCHEMA},
    }
    request = conversation(
        ("user", "Why?"),
        max_tokens=77,
        temperature=0.5,
        top_p=0.9,
        stop=stop,
        response_format=wanted,
    )
    assert json.loads(API.build(request).body) == {
        "model": "test-model",
        "messages": [{"role": "user", "content": "Why?"}],
        "max_tokens": 77,
        "temperature": 0.5,
        "top_p": 0.9,
        "stop_sequences": ["END"],
        "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}},
    }


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        ("auto", {"type": "auto"}),
        ("none", {"type": "none"}),
        ("required", {"type": "any"}),
        (NAMED, {"type": "tool", "name": "now"}),
    ],
)
def test_tools_are_sent_in_the_form_of_the_api(choice: Any, sent: Any) -> None:
    request = conversation(("user", "Why?"), tools=TOOLS, tool_choice=choice)
    body = json.loads(API.build(request).body)
    assert body["tool_choice"] == sent
    assert body["tools"] == [
        {
            "name": "boiling_point",
            "description": "Looks up at what temperature a liquid boils.",
            "strict": True,
            "input_schema": PARAMETERS,
        },
        {"name": "now", "input_schema": {"type": "object"}},
    ]


def test_no_tool_choice_is_sent_if_none_was_made() -> None:
    body = json.loads(API.build(conversation(("user", "Why?"), tools=TOOLS)).body)
    assert "tool_choice" not in body


def test_tool_calls_are_read_beside_the_text() -> None:
    found = completed(body("tool-use"))
    assert (found.text, found.finish_reason) == ("I look both up.", "tool_calls")
    assert found.tool_calls == (
        ToolCall(id="toolu_01", name="boiling_point", arguments='{"liquid":"ethanol","unit":"°C"}'),
        ToolCall(id="toolu_02", name="boiling_point", arguments='{"liquid":"water"}'),
    )


def test_the_version_is_sent_without_a_key_too() -> None:
    assert API.headers("") == {"anthropic-version": "2023-06-01"}


def test_a_parameter_that_the_api_does_not_have_is_an_error() -> None:
    asked = {"seed": 7, "temperature": 1, "presence_penalty": 1, "logprobs": True}
    unsupported = ["logprobs", "presence_penalty", "seed"]
    assert unsupported_parameters("anthropic-messages", asked) == unsupported
    for name in unsupported:
        parameters: dict[str, Any] = {name: 1}
        with pytest.raises(KeyError, match=name):
            API.build(conversation(("user", "Why?"), **parameters))


def test_a_good_answer_is_read_whole() -> None:
    assert API.parse(body()) == Completion(
        text="A still boils a liquid and cools the vapour.",
        reasoning="",
        finish_reason="stop",
        usage=Usage(prompt_tokens=21, completion_tokens=14, cached_tokens=0, reasoning_tokens=None),
        response_model="claude-sonnet-4-5-20250929",
        response_id="msg_01StillroomExample",
        system_fingerprint="",
    )


def test_thinking_is_separated_and_cached_tokens_are_counted() -> None:
    found = completed(body("thinking"))
    assert found.text == "There are 42 jars."
    assert found.reasoning == "Seven boxes of six.\n6 x 7 = 42."
    assert found.usage == Usage(
        prompt_tokens=2105, completion_tokens=60, cached_tokens=2000, reasoning_tokens=48
    )


def test_a_refusal_is_separated_from_the_answer() -> None:
    found = completed(body("refusal"))
    assert (found.text, found.finish_reason) == ("To begin", "content_filter")
    assert found.refusal == "The answer would help to make a pathogen."


@pytest.mark.parametrize(
    ("details", "refusal"),
    [
        (None, "refusal"),
        ("bio", "refusal"),
        ({"category": "bio", "explanation": None}, "bio"),
        ({"category": None}, "refusal"),
    ],
)
def test_a_refusal_without_a_reason_is_a_refusal(details: Any, refusal: str) -> None:
    assert completed(body("refusal", stop_details=details, content=[])).refusal == refusal


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("pause_turn", "unknown"),
        (None, "unknown"),
        (["end_turn"], "unknown"),
    ],
)
def test_finish_reasons_are_translated(said: Any, meant: str) -> None:
    assert completed(body(stop_reason=said)).finish_reason == meant


def test_an_answer_without_blocks_is_empty() -> None:
    assert completed(body(content=[])).text == ""


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (None, Usage()),
        ([], Usage()),
        (
            {"input_tokens": -1, "output_tokens": "2"},
            Usage(),
        ),
        (
            {"input_tokens": 3, "cache_read_input_tokens": None},
            Usage(prompt_tokens=3, completion_tokens=None),
        ),
        (
            {"input_tokens": 3, "cache_read_input_tokens": "2"},
            Usage(),
        ),
        ({"output_tokens_details": [48]}, Usage()),
        (
            {"cache_read_input_tokens": 3, "output_tokens": 2},
            Usage(prompt_tokens=None, completion_tokens=2, cached_tokens=3),
        ),
    ],
)
def test_missing_usage_is_not_made_up(usage: Any, expected: Usage) -> None:
    assert completed(body(usage=usage)).usage == expected


def text_block(text: Any) -> list[dict[str, Any]]:
    return [{"type": "text", "text": text}]


MALFORMED = NO_OBJECT | {
    "half": (body()[: len(body()) // 2], "truncated_json"),
    "an error": (
        b'{"type": "error", "error": {"type": "overloaded_error", "message": "secret prompt"}}',
        "error_object",
    ),
    "another API's answer": (b'{"choices": [{"message": {"content": "Hi."}}]}', "no_content"),
    "null content": (body(content=None), "no_content"),
    "content of another type": (body(content="Hi."), "wrong_type"),
    "a block of another type": (body(content=["Hi."]), "wrong_type"),
    "a text of another type": (body(content=text_block(["Hi."])), "wrong_type"),
    "half a surrogate pair": (body(content=text_block("a\ud800b")), "lone_surrogate"),
    "U+0000": (body(content=text_block("a\x00b")), "nul_character"),
    "U+0000 in the thinking": (
        body(content=[{"type": "thinking", "thinking": "\x00"}]),
        "nul_character",
    ),
    "a model of another type": (body(model=["m"]), "wrong_type"),
    "a tool's name of another type": (
        body(content=[{"type": "tool_use", "name": 7}]),
        "wrong_type",
    ),
    "arguments of another type": (
        body(content=[{"type": "tool_use", "name": "now", "input": [1]}]),
        "wrong_type",
    ),
    "half a surrogate pair in the arguments": (
        body(content=[{"type": "tool_use", "name": "now", "input": {"a": "\ud800"}}]),
        "lone_surrogate",
    ),
}


@pytest.mark.parametrize(("data", "reason"), MALFORMED.values(), ids=MALFORMED.keys())
def test_each_bad_answer_has_its_reason(data: bytes, reason: str) -> None:
    found = API.parse(data)
    assert isinstance(found, Malformed), found
    assert found.reason == reason
    assert found.detail
    assert not {"secret", "upstream", "Hi."} & set(found.detail.split())


@given(st.binary())
def test_no_bytes_raise(data: bytes) -> None:
    assert isinstance(API.parse(data), Malformed)


BLOCKS = st.lists(
    st.fixed_dictionaries(
        {"type": st.sampled_from(["text", "thinking", "tool_use"]) | JSON},
        optional={
            "text": JSON,
            "thinking": JSON,
            "id": JSON,
            "name": st.text() | JSON,
            "input": st.dictionaries(st.text(), JSON) | JSON,
        },
    )
)
FIELDS = ("id", "model", "usage", "error", "content", "stop_reason", "stop_details")


@given(
    changes=st.dictionaries(st.sampled_from(FIELDS), JSON),
    content=st.none() | BLOCKS,
    ending=st.sampled_from(["end_turn", "refusal"]),
)
def test_no_answer_raises_and_each_can_be_stored(
    changes: dict[str, Any], content: Any, ending: str
) -> None:
    answered = {"stop_reason": ending} | ({} if content is None else {"content": content})
    texts = texts_of(API.parse(body(**changes | answered)))
    assert "\x00" not in texts
    texts.encode()  # raises on half a surrogate pair


GOOD = body()


@given(st.integers(0, len(GOOD) - 1))
def test_an_incomplete_answer_is_never_taken_for_a_complete_one(end: int) -> None:
    assert isinstance(find_api("anthropic-messages").parse(GOOD[:end]), Malformed)


def test_an_answer_over_http_settles_its_usage(tmp_path: Path) -> None:
    overloaded = raw(b'{"type": "error", "error": {"type": "overloaded_error"}}', status=529)
    with Teacher(in_turn(overloaded, raw(body("thinking")))) as teacher:
        route = make_route(
            teacher.endpoint.removesuffix("/v1"),
            api="anthropic-messages",
            served_as=("claude-sonnet-4-5-20250929",),
        )
        requests = make_requests(["Why? " * 500], max_tokens=60)
        done = run_engine(tmp_path, RouteWork(route, requests, Key("k-1")))[ROUTE]
        call = teacher.calls[-1]
        run_engine(tmp_path, RouteWork(route, make_requests(["Again?"])))
        keyless = teacher.calls[-1]
    assert (done.answered, done.attempts) == (1, 2)
    assert (done.prompt_tokens, done.completion_tokens, done.usd_uncertain) == (2105, 60, 0)
    assert call.path == "/v1/messages"
    assert call.headers["x-api-key"] == "k-1"
    assert call.headers["anthropic-version"] == "2023-06-01"
    assert "authorization" not in call.headers
    assert "x-api-key" not in keyless.headers
    assert keyless.headers["anthropic-version"] == "2023-06-01"
    for [_, last] in responses(tmp_path).values():
        assert last.body == body("thinking")


def test_a_refusal_over_http_is_an_answer_paid_for_once(tmp_path: Path) -> None:
    with Teacher(always(raw(body("refusal")))) as teacher:
        route = make_route(teacher.endpoint.removesuffix("/v1"), api="anthropic-messages")
        work = [RouteWork(route, make_requests(3)) for _ in range(2)]
        first, again = (run_engine(tmp_path, each)[ROUTE] for each in work)
        assert teacher.count == 3
    assert (first.answered, first.completion_tokens) == (3, 6)
    assert (again.answered, again.from_ledger) == (0, 3)
