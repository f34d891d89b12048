"""The API `openai-chat`: the calls it makes, and what it reads in any body."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.responses import Completion, Malformed, ToolCall, Usage
from tests.transforms.asking.asking import make_requests
from tests.transforms.providers.apis.bodies import LOGPROBS, NAMED, TOOLS, body_of, texts_of
from tests.transforms.providers.apis.openai_bodies import API, body, completed
from transforms.providers.apis import find_api


def test_a_request_is_sent_with_its_parameters() -> None:
    [request] = make_requests(["Why?"], temperature=0.5, seed=7)
    call = API.build(request)
    assert call.path == "/chat/completions"
    assert json.loads(call.body) == {
        "model": "test-model",
        "messages": [{"role": "user", "content": "Why?"}],
        "max_tokens": 50,
        "seed": 7,
        "temperature": 0.5,
    }


def test_tools_and_other_parameters_are_sent_as_in_the_run_file() -> None:
    asked: dict[str, Any] = {
        "tools": TOOLS,
        "tool_choice": NAMED,
        "logprobs": True,
        "top_logprobs": 5,
        "max_completion_tokens": 900,
        "reasoning_effort": "low",
    }
    [request] = make_requests(["Why?"], **asked)
    assert json.loads(API.build(request).body).items() >= asked.items()


def test_any_text_can_be_sent() -> None:
    [request] = make_requests(["naïve \u2028 \U0001f600"])
    sent = json.loads(API.build(request).body)
    assert sent["messages"][0]["content"] == "naïve \u2028 \U0001f600"


def test_the_key_goes_into_its_header() -> None:
    assert API.headers("k-1") == {"Authorization": "Bearer k-1"}
    assert API.headers("") == {}


def test_a_good_answer_is_read_whole() -> None:
    assert API.parse(body()) == Completion(
        text="Hi.",
        reasoning="",
        finish_reason="stop",
        usage=Usage(prompt_tokens=3, completion_tokens=2),
        response_model="m-1",
        response_id="chatcmpl-7",
        system_fingerprint="fp-1",
    )


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("stop", "stop"),
        ("eos", "stop"),
        ("length", "length"),
        ("model_length", "length"),
        ("content_filter", "content_filter"),
        ("tool_calls", "tool_calls"),
        ("function_call", "tool_calls"),
        ("eos_token", "stop"),
        ("stop_sequence", "stop"),
        ("COMPLETE", "stop"),
        ("STOP_SEQUENCE", "stop"),
        ("MAX_TOKENS", "length"),
        ("TOOL_CALL", "tool_calls"),
        ("ERROR_TOXIC", "content_filter"),
        ("end_turn", "stop"),
        ("max_tokens", "length"),
        ("SAFETY", "content_filter"),
        ("insufficient_system_resource", "unknown"),
        ("error", "unknown"),
        (None, "unknown"),
        (7, "unknown"),
        (["stop"], "unknown"),
    ],
)
def test_finish_reasons_are_translated(said: Any, meant: str) -> None:
    found = completed(body(finish=said))
    assert found.finish_reason == meant
    assert found.finish_word == (said if isinstance(said, str) else "")


@pytest.mark.parametrize(
    ("message", "text", "reasoning"),
    [
        ({"content": "4", "reasoning_content": "2+2"}, "4", "2+2"),
        ({"content": "4", "reasoning": "2+2"}, "4", "2+2"),
        ({"content": "4", "reasoning": "2+2", "reasoning_content": "2+2"}, "4", "2+2"),
        ({"content": "4", "reasoning": {"effort": "low"}}, "4", ""),
        ({"content": "<think>\n2+2\n</think>\n\n4"}, "4", "2+2"),
        ({"content": " <think></think>4"}, "4", ""),
        ({"content": "<think>2+2 is"}, "", "2+2 is"),
        ({"content": "Use <think>x</think>."}, "Use <think>x</think>.", ""),
        ({"content": "<think>b</think>4", "reasoning": "a"}, "4", "a\nb"),
        ({"content": None, "reasoning_content": "so far"}, "", "so far"),
        ({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, "ab", ""),
        (
            {
                "content": [
                    {"type": "thinking", "thinking": [{"type": "text", "text": "2+2"}]},
                    {"type": "text", "text": "4"},
                ]
            },
            "4",
            "2+2",
        ),
    ],
)
def test_reasoning_is_separated_from_the_answer(
    message: dict[str, Any], text: str, reasoning: str
) -> None:
    found = completed(body(message))
    assert (found.text, found.reasoning) == (text, reasoning)


def test_a_refusal_is_separated_from_the_answer() -> None:
    found = completed(body({"content": None, "refusal": "I cannot."}))
    assert (found.text, found.refusal) == ("", "I cannot.")


@pytest.mark.parametrize("finish", ["content_filter", "tool_calls"])
def test_a_finish_reason_may_explain_a_missing_text(finish: str) -> None:
    assert completed(body({"content": None}, finish)).finish_reason == finish


@pytest.mark.parametrize(
    "usage",
    [None, [], {}, {"prompt_tokens": -1, "completion_tokens": "2"}, {"prompt_tokens": True}],
)
def test_an_answer_without_usage_is_an_answer(usage: Any) -> None:
    found = completed(body(usage=usage))
    assert (found.text, found.usage) == ("Hi.", Usage())


def test_unreadable_labels_do_not_reject_an_answer() -> None:
    found = completed(body(id=7, system_fingerprint=None))
    assert (found.response_id, found.system_fingerprint) == ("", "")


def test_tool_calls_and_the_details_of_usage_are_read() -> None:
    found = completed(body_of("openai-chat", "tool-calls"))
    assert (found.text, found.finish_reason) == ("", "tool_calls")
    assert found.usage == Usage(
        prompt_tokens=2105, completion_tokens=60, cached_tokens=2000, reasoning_tokens=48
    )
    assert found.tool_calls == (
        ToolCall(id="call_1", name="boiling_point", arguments='{"liquid":"ethanol","unit":"°C"}'),
        ToolCall(id="call_2", name="boiling_point", arguments='{"liquid":"water"}'),
    )


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        ({"name": "f", "arguments": {"a": [1.5, "é"]}}, '{"a":[1.5,"é"]}'),
        ({"name": "f", "arguments": None}, "{}"),
        ({"name": "f"}, "{}"),
        ({"name": "f", "arguments": '{"a":'}, '{"a":'),
    ],
)
def test_arguments_are_kept_as_text_even_if_they_are_cut(function: Any, arguments: str) -> None:
    found = completed(body({"content": None, "tool_calls": [{"id": 7, "function": function}]}))
    assert found.tool_calls == (ToolCall(id="", name="f", arguments=arguments),)


@pytest.mark.parametrize("calls", [None, []])
def test_an_empty_list_of_calls_is_no_call(calls: Any) -> None:
    found = completed(body({"content": "Hi.", "tool_calls": calls}))
    assert (found.tool_calls, found.finish_reason) == ((), "stop")


@pytest.mark.parametrize(
    ("said", "meant"),
    [("stop", "tool_calls"), (None, "tool_calls"), ("length", "length")],
)
def test_an_answer_with_a_tool_call_ended_for_that_unless_it_was_cut(said: Any, meant: str) -> None:
    message = {"content": None, "tool_calls": [{"function": {"name": "f"}}]}
    assert completed(body(message, said)).finish_reason == meant


def test_log_probabilities_are_read() -> None:
    found = completed(body_of("openai-chat", "logprobs"))
    assert found.logprobs == LOGPROBS
    assert found.usage == Usage(
        prompt_tokens=9, completion_tokens=2, cached_tokens=8, reasoning_tokens=None
    )


def test_reasoning_tokens_in_other_fields_are_read() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "reasoning_tokens": 1}
    assert completed(body(usage=usage)).usage == Usage(
        prompt_tokens=3, completion_tokens=2, cached_tokens=None, reasoning_tokens=1
    )


@pytest.mark.parametrize(
    "logprobs",
    [
        None,
        7,
        {},
        {"content": None},
        {"content": ["a"]},
        {"content": [{"token": "a"}]},
        {"content": [{"token": "a", "logprob": None}]},
        {"content": [{"token": "a", "logprob": True}]},
        {"content": [{"token": "a", "logprob": 1e300}]},
        {"content": [{"token": "a" * 70_000, "logprob": -1}]},
        {"content": [{"token": "\ud800", "logprob": -1}]},
        {"content": [{"token": "a", "logprob": -1, "top_logprobs": [7]}]},
        {"content": [{"token": "a", "logprob": -1, "top_logprobs": LOGPROBS.lengths.hex()}]},
        {"tokens": ["a"], "token_logprobs": [-1.0]},
    ],
)
def test_unreadable_log_probabilities_do_not_reject_an_answer(logprobs: Any) -> None:
    choice = {"message": {"content": "Hi."}, "finish_reason": "stop", "logprobs": logprobs}
    found = completed(body(choices=[choice]))
    assert (found.text, found.logprobs) == ("Hi.", None)


GOOD = body()

MALFORMED = {
    "nothing": (b"", "empty_body"),
    "blanks": (b" \n", "empty_body"),
    "half": (GOOD[: len(GOOD) // 2], "truncated_json"),
    "one byte short": (GOOD[:-1], "truncated_json"),
    "cut in a text": (b'{"choices": "}', "truncated_json"),
    "words": (b"upstream error", "not_json"),
    "a stray comma": (b'{"choices": [],}', "not_json"),
    "two objects": (b"{}{}", "not_json"),
    "events": (b"data: {}\n\n", "not_json"),
    "a page": (b"<!DOCTYPE html><html><body>502</body></html>", "html"),
    "Latin-1": ('{"a": "é"}'.encode("latin-1"), "invalid_utf8"),
    "UTF-16": ('{"a": "é"}'.encode("utf-16"), "invalid_utf8"),
    "a list": (b"[1]", "wrong_type"),
    "null": (b"null", "wrong_type"),
    "two contents": (GOOD.replace(b'"content"', b'"content": "No.", "content"'), "duplicate_key"),
    "two lists of choices": (
        GOOD.replace(b'"choices"', b'"choices": [], "choices"'),
        "duplicate_key",
    ),
    "two models": (GOOD.replace(b'"model"', b'"model": "n", "model"'), "duplicate_key"),
    "two arguments of a tool": (
        body(
            {"content": None, "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}]}
        ).replace(b'"a": 1', b'"a": 1, "a": 2'),
        "duplicate_key",
    ),
    "NaN in a tool's arguments": (
        body(
            {
                "content": None,
                "tool_calls": [{"function": {"name": "f", "arguments": {"a": float("nan")}}}],
            }
        ),
        "not_finite",
    ),
    "a huge integer": (b'{"x": ' + b"7" * 5000 + b"}", "number_too_long"),
    "a tower": (b'{"x":' * 100_000 + b"1" + b"}" * 100_000, "too_deep"),
    "an error": (b'{"error": {"message": "secret prompt", "type": "overloaded"}}', "error_object"),
    "an error in words": (b'{"error": "model not loaded"}', "error_object"),
    "no choices": (body(choices=None), "no_choices"),
    "empty choices": (body(choices=[]), "no_choices"),
    "choices of another type": (body(choices={"0": 1}), "wrong_type"),
    "a choice of another type": (body(choices=["Hi."]), "wrong_type"),
    "no message": (body(choices=[{"text": "Hi."}]), "no_message"),
    "no content": (body({"role": "assistant"}), "null_content"),
    "null content": (body({"content": None}), "null_content"),
    "content of another type": (body({"content": 7}), "wrong_type"),
    "parts of another type": (body({"content": ["a"]}), "wrong_type"),
    "half a surrogate pair": (body({"content": "a\ud800b"}), "lone_surrogate"),
    "U+0000": (body({"content": "a\x00b"}), "nul_character"),
    "U+0000 in the reasoning": (body({"content": "a", "reasoning": "\x00"}), "nul_character"),
    "half a pair in the model": (body(model="\udfff"), "lone_surrogate"),
    "a model of another type": (body(model=["m"]), "wrong_type"),
    "calls of another type": (body({"content": "a", "tool_calls": {"0": 1}}), "wrong_type"),
    "a call of another type": (body({"content": "a", "tool_calls": ["f"]}), "wrong_type"),
    "a call of nothing": (body({"content": "a", "tool_calls": [{"id": "1"}]}), "wrong_type"),
    "a tool's name of another type": (
        body({"content": "a", "tool_calls": [{"function": {"name": 7}}]}),
        "wrong_type",
    ),
    "arguments of another type": (
        body({"content": "a", "tool_calls": [{"function": {"name": "f", "arguments": 7}}]}),
        "wrong_type",
    ),
}


@pytest.mark.parametrize(("data", "reason"), MALFORMED.values(), ids=MALFORMED.keys())
def test_each_bad_answer_has_its_reason(data: bytes, reason: str) -> None:
    found = API.parse(data)
    assert isinstance(found, Malformed), found
    assert found.reason == reason
    assert found.detail


def test_a_byte_order_mark_is_skipped() -> None:
    assert completed(b"\xef\xbb\xbf" + GOOD).text == "Hi."


def test_a_null_error_is_no_error() -> None:
    assert completed(body(error=None)).text == "Hi."


def test_the_detail_of_a_bad_answer_quotes_none_of_it() -> None:
    for data, _ in MALFORMED.values():
        found = API.parse(data)
        assert isinstance(found, Malformed)
        assert not {"secret", "upstream", "Hi."} & set(found.detail.split())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
CALLS = st.lists(
    st.fixed_dictionaries(
        {"function": st.fixed_dictionaries({"name": st.text() | JSON, "arguments": JSON}) | JSON}
    )
)
FIELDS = ("content", "reasoning", "reasoning_content", "refusal", "tool_calls")


@given(st.binary())
def test_no_bytes_raise(data: bytes) -> None:
    assert isinstance(API.parse(data), Malformed)


@given(JSON)
def test_no_json_raises(value: Any) -> None:
    assert isinstance(API.parse(json.dumps(value).encode()), Malformed | Completion)


@given(
    message=st.dictionaries(st.sampled_from(FIELDS), JSON | CALLS),
    finish=JSON,
    rest=st.dictionaries(st.sampled_from(("id", "model", "usage", "error", "choices")), JSON),
)
def test_no_answer_raises_and_each_can_be_stored(
    message: dict[str, Any], finish: Any, rest: dict[str, Any]
) -> None:
    texts = texts_of(API.parse(body(message, finish, **rest)))
    assert "\x00" not in texts
    texts.encode()  # raises on half a surrogate pair


@given(st.integers(0, len(GOOD) - 1))
def test_an_incomplete_answer_is_never_taken_for_a_complete_one(end: int) -> None:
    assert find_api("openai-chat").parse(GOOD[:end]) != API.parse(GOOD)
