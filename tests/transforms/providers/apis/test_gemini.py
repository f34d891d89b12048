"""The API `gemini`: the calls it makes, and what it reads in any body."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from schemas.responses import Completion, ToolCall, Usage
from tests.teacher import Teacher, always, in_turn, raw
from tests.transforms.asking.asking import (
    ROUTE,
    make_requests,
    make_route,
    responses,
    run_engine,
)
from tests.transforms.providers.apis.bodies import (
    LOGPROBS,
    NAMED,
    PARAMETERS,
    TOOLS,
    body_of,
    conversation,
)
from tests.transforms.providers.apis.bodies import (
    gemini_candidate as candidate,
)
from transforms.limits.route_work import RouteWork
from transforms.providers.apis import unsupported_parameters
from transforms.providers.apis.gemini import Gemini
from transforms.providers.key import Key

API = Gemini()
SCHEMA = {"type": "object", "properties": {"answer": {"type": "integer"}}}


def body(name: str = "answer", **changes: Any) -> bytes:
    return body_of("gemini", name, **changes)


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
    assert call.path == "/models/test-model:generateContent"
    assert json.loads(call.body) == {
        "systemInstruction": {"parts": [{"text": "Be brief.\n\nUse metric units."}]},
        "contents": [
            {"role": "user", "parts": [{"text": "Why?"}]},
            {"role": "model", "parts": [{"text": "Because."}]},
            {"role": "user", "parts": [{"text": "naïve \u2028 \U0001f600"}]},
        ],
    }


@pytest.mark.parametrize("stop", ["END", ["END"]], ids=["a-text", "a-list"])
def test_parameters_are_sent_under_the_names_of_the_api(stop: Any) -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}}
    request = conversation(
        ("user", "Why?"),
        max_tokens=77,
        temperature=0.5,
        top_p=0.9,
        seed=7,
        presence_penalty=0.1,
        frequency_penalty=0.2,
        stop=stop,
        logprobs=True,
        top_logprobs=2,
        response_format=wanted,
    )
    assert json.loads(API.build(request).body)["generationConfig"] == {
        "maxOutputTokens": 77,
        "temperature": 0.5,
        "topP": 0.9,
        "seed": 7,
        "presencePenalty": 0.1,
        "frequencyPenalty": 0.2,
        "stopSequences": ["END"],
        "responseLogprobs": True,
        "logprobs": 2,
        "responseMimeType": "application/json",
        "responseJsonSchema": SCHEMA,
    }


STRICT, LAX = TOOLS[:1], TOOLS[1:]


@pytest.mark.parametrize(
    ("tools", "choice", "config"),
    [
        (LAX, {}, {"mode": "AUTO"}),
        (LAX, {"tool_choice": "auto"}, {"mode": "AUTO"}),
        (STRICT, {}, {"mode": "VALIDATED"}),
        (STRICT, {"tool_choice": "none"}, {"mode": "NONE"}),
        (STRICT, {"tool_choice": "required"}, {"mode": "ANY"}),
        (LAX, {"tool_choice": NAMED}, {"mode": "ANY", "allowedFunctionNames": ["now"]}),
    ],
)
def test_the_tool_choice_is_sent_in_the_form_of_the_api(
    tools: Any, choice: dict[str, Any], config: Any
) -> None:
    request = conversation(("user", "Why?"), tools=tools, **choice)
    sent = json.loads(API.build(request).body)
    assert sent["toolConfig"] == {"functionCallingConfig": config}
    assert "generationConfig" not in sent


def test_tools_are_sent_in_the_form_of_the_api() -> None:
    sent = json.loads(API.build(conversation(("user", "Why?"), tools=TOOLS)).body)
    declared = {
        "name": "boiling_point",
        "description": "Looks up at what temperature a liquid boils.",
        "parametersJsonSchema": PARAMETERS,
    }
    assert sent["tools"] == [{"functionDeclarations": [declared, {"name": "now"}]}]


def test_tool_calls_are_read() -> None:
    found = completed(body("tool-calls"))
    assert (found.text, found.finish_reason, found.usage) == (
        "",
        "tool_calls",
        Usage(prompt_tokens=60, completion_tokens=20, cached_tokens=0, reasoning_tokens=0),
    )
    assert found.tool_calls == (
        ToolCall(id="", name="boiling_point", arguments='{"liquid":"ethanol","unit":"°C"}'),
        ToolCall(id="call-2", name="now", arguments="{}"),
    )


def test_an_answer_cut_after_a_tool_call_counts_as_cut() -> None:
    found = completed(candidate([{"functionCall": {"name": "f"}}], "MAX_TOKENS"))
    assert (len(found.tool_calls), found.finish_reason) == (1, "length")


def test_log_probabilities_are_read_and_a_missing_one_is_zero() -> None:
    assert completed(body("logprobs")).logprobs == LOGPROBS


@pytest.mark.parametrize(
    "logprobs",
    [
        None,
        [],
        {},
        {"chosenCandidates": [{"token": 7}]},
        {"chosenCandidates": [{"token": "a", "logProbability": "-1"}]},
        {"chosenCandidates": [{"token": "a", "logProbability": 1e300}]},
        {"chosenCandidates": [{"token": "a"}], "topCandidates": [{}, {}]},
        {"chosenCandidates": [{"token": "a\ud800"}]},
    ],
)
def test_unreadable_log_probabilities_do_not_reject_an_answer(logprobs: Any) -> None:
    found = completed(candidate([{"text": "Hi."}], logprobsResult=logprobs))
    assert (found.text, found.logprobs) == ("Hi.", None)


def test_a_route_without_a_key_sends_none() -> None:
    assert API.headers("") == {}


def test_a_parameter_that_the_api_does_not_have_is_an_error() -> None:
    assert unsupported_parameters("gemini", ["seed", "top_p", "logit_bias"]) == ["logit_bias"]
    with pytest.raises(KeyError, match="logit_bias"):
        API.build(conversation(("user", "Why?"), logit_bias=1))


def test_the_name_of_a_model_cannot_change_the_path() -> None:
    request = replace(conversation(("user", "Why?")), model="a/../b?c#d")
    assert API.build(request).path == "/models/a%2F..%2Fb%3Fc%23d:generateContent"


def test_a_good_answer_is_read_whole() -> None:
    assert API.parse(body()) == Completion(
        text="A still boils a liquid and cools the vapour.",
        reasoning="",
        finish_reason="stop",
        usage=Usage(prompt_tokens=21, completion_tokens=14, cached_tokens=0, reasoning_tokens=0),
        response_model="gemini-3.5-flash",
        response_id="stillroom-example-1",
        system_fingerprint="",
    )


def test_thoughts_are_separated_and_counted() -> None:
    found = completed(body("thinking"))
    assert found.text == "There are 42 jars."
    assert found.reasoning == "Seven boxes of six. 6 x 7 = 42."
    assert found.usage == Usage(
        prompt_tokens=2105, completion_tokens=60, cached_tokens=2000, reasoning_tokens=48
    )


@pytest.mark.parametrize(
    ("name", "refusal"),
    [
        ("blocked-prompt", "the prompt was blocked: PROHIBITED_CONTENT"),
        ("blocked-answer", "The answer was withheld for safety."),
    ],
)
def test_a_blocked_prompt_or_answer_is_a_refusal(name: str, refusal: str) -> None:
    found = completed(body(name))
    assert (found.text, found.finish_reason) == ("", "content_filter")
    assert found.refusal == refusal
    assert found.usage == Usage(
        prompt_tokens=30, completion_tokens=0, cached_tokens=0, reasoning_tokens=0
    )
    assert found.response_model == "gemini-3.5-flash"


def test_a_refusal_without_a_reason_is_a_refusal() -> None:
    assert completed(candidate([], "SPII")).refusal == "SPII"


def test_an_answer_cut_while_thinking_is_cut_and_its_thoughts_are_counted() -> None:
    found = completed(body("cut-while-thinking"))
    assert (found.text, found.finish_reason, found.usage) == (
        "",
        "length",
        Usage(prompt_tokens=9, completion_tokens=50, cached_tokens=0, reasoning_tokens=50),
    )


@pytest.mark.parametrize(
    ("said", "meant", "refused"),
    [
        ("STOP", "stop", False),
        ("MAX_TOKENS", "length", False),
        ("SAFETY", "content_filter", True),
        ("BLOCKLIST", "content_filter", True),
        ("PROHIBITED_CONTENT", "content_filter", True),
        ("MODEL_ARMOR", "content_filter", True),
        ("RECITATION", "content_filter", False),
        ("UNEXPECTED_TOOL_CALL", "tool_calls", False),
        ("LANGUAGE", "unknown", False),
        ("OTHER", "unknown", False),
        (None, "unknown", False),
        (["STOP"], "unknown", False),
    ],
)
def test_finish_reasons_are_translated(said: Any, meant: str, refused: bool) -> None:
    found = completed(candidate([{"text": "Hi."}], said))
    assert (found.finish_reason, bool(found.refusal)) == (meant, refused)


def test_a_stop_after_a_function_call_counts_as_tool_calls() -> None:
    found = completed(candidate([{"functionCall": {"name": "f"}}]))
    assert (found.text, found.finish_reason) == ("", "tool_calls")


def test_an_answer_without_parts_is_empty() -> None:
    assert completed(candidate()).text == ""


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (None, Usage()),
        ([], Usage()),
        (
            {"promptTokenCount": 3},
            Usage(prompt_tokens=3, completion_tokens=None, cached_tokens=0, reasoning_tokens=0),
        ),
        (
            {"promptTokenCount": 3, "thoughtsTokenCount": 2},
            Usage(prompt_tokens=3, completion_tokens=None, cached_tokens=0, reasoning_tokens=2),
        ),
        (
            {"promptTokenCount": 3, "candidatesTokenCount": 2},
            Usage(prompt_tokens=3, completion_tokens=2, cached_tokens=0, reasoning_tokens=0),
        ),
        (
            {"promptTokenCount": -1, "candidatesTokenCount": 2},
            Usage(),
        ),
        (
            {"promptTokenCount": 3, "candidatesTokenCount": 2, "thoughtsTokenCount": "2"},
            Usage(prompt_tokens=3, completion_tokens=None, cached_tokens=0, reasoning_tokens=None),
        ),
    ],
)
def test_missing_usage_is_not_made_up(usage: Any, expected: Usage) -> None:
    assert completed(body(usageMetadata=usage)).usage == expected


def test_an_answer_over_http_settles_its_usage(tmp_path: Path) -> None:
    spent = raw(b'{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED"}}', status=429)
    with Teacher(in_turn(spent, raw(body("thinking")))) as teacher:
        route = make_route(teacher.endpoint + "beta", api="gemini")
        requests = make_requests(["Why? " * 500], max_tokens=60)
        done = run_engine(tmp_path, RouteWork(route, requests, Key("k-1")))[ROUTE]
        call = teacher.calls[-1]
    assert (done.answered, done.attempts) == (1, 2)
    assert (done.prompt_tokens, done.completion_tokens, done.usd_uncertain) == (2105, 60, 0)
    assert call.path == "/v1beta/models/test-model:generateContent"
    assert call.headers["x-goog-api-key"] == "k-1"
    assert "authorization" not in call.headers
    [[_, last]] = responses(tmp_path).values()
    assert last.body == body("thinking")


def test_a_blocked_prompt_over_http_is_an_answer_paid_for_once(tmp_path: Path) -> None:
    with Teacher(always(raw(body("blocked-prompt")))) as teacher:
        route = make_route(teacher.endpoint + "beta", api="gemini")
        work = [RouteWork(route, make_requests(3)) for _ in range(2)]
        first, again = (run_engine(tmp_path, each)[ROUTE] for each in work)
        assert teacher.count == 3
    assert (first.answered, first.prompt_tokens, first.completion_tokens) == (3, 90, 0)
    assert (again.answered, again.from_ledger) == (0, 3)
