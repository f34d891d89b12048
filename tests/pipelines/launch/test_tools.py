"""A run that asks for tools and log probabilities: what is sent, what is kept, what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from schemas.errors import InputError
from tests.pipelines.project import ROUTE, make_project
from tests.teacher import MODEL, Reply, Teacher, by_prompt, raw
from tests.transforms.providers.apis.bodies import TOOLS
from transforms.auditing.explain import explain
from transforms.auditing.verify import verify

PROMPTS = ["a call", "a broken call", "a text", "the same call", "lost logprobs"]
TOKENS = [{"token": "Hi", "logprob": -0.5, "top_logprobs": [{"token": "Ho", "logprob": -1.5}]}]
KEPT = [{"token": "Hi", "logprob": -0.5, "top": [{"token": "Ho", "logprob": -1.5}]}]


def reply(text: str | None, arguments: str | None = None, logprobs: Any = None) -> Reply:
    """Answers as OpenAI does, with a call of a tool or without."""
    function = {"name": "boiling_point", "arguments": arguments}
    calls = (
        [] if arguments is None else [{"id": "call_1", "type": "function", "function": function}]
    )
    choice = {
        "message": {"role": "assistant", "content": text, "tool_calls": calls},
        "finish_reason": "tool_calls" if calls else "stop",
        "logprobs": logprobs or {"content": TOKENS},
    }
    usage = {
        "prompt_tokens": 70,
        "completion_tokens": 9,
        "prompt_tokens_details": {"cached_tokens": 64},
        "completion_tokens_details": {"reasoning_tokens": 4},
    }
    return raw(json.dumps({"model": MODEL, "choices": [choice], "usage": usage}).encode())


REPLIES = {
    "a call": reply(None, '{"liquid":"water"}'),
    "a broken call": reply(None, '{"liquid":'),
    "a text": reply("It boils at 100 degrees."),
    "the same call": reply("", '{"liquid":"ethanol"}'),
    "lost logprobs": reply("It boils at 78 degrees.", logprobs={"content": "?"}),
}


def teachers(**parameters: Any) -> list[dict[str, Any]]:
    return [{"id": ROUTE, "parameters": {"max_tokens": 50, **parameters}}]


def test_calls_and_log_probabilities_are_kept_with_the_record(tmp_path: Path) -> None:
    asked = {"tools": TOOLS, "tool_choice": "auto", "logprobs": True, "top_logprobs": 1}
    with Teacher(by_prompt(REPLIES)) as teacher:
        project = make_project(
            tmp_path,
            teacher.endpoint,
            PROMPTS,
            route={"served_as": [MODEL]},
            teachers=teachers(**asked),
        )
        result = project.run()
        assert teacher.calls[0].body["tools"] == TOOLS
        assert teacher.calls[0].body["top_logprobs"] == 1
    assert (result.accepted, result.rejected) == (4, {"arguments_not_json": 1})
    rows = {row["messages"][-2]["content"]: row for row in project.rows(result)}

    row = rows["a call"]
    assert (row["completion"], row["tags"]) == ("", [])
    assert row["tool_calls"] == [
        {"id": "call_1", "name": "boiling_point", "arguments": '{"liquid":"water"}'}
    ]
    assert row["logprobs"] == KEPT
    response = row["provenance"]["response"]
    assert (response["finish_reason"], response["cached_tokens"]) == ("tool_calls", 64)
    assert response["reasoning_tokens"] == 4
    assert json.loads(row["provenance"]["request"]["parameters"])["tools"] == TOOLS
    assert rows["a text"]["tool_calls"] == []
    assert (rows["lost logprobs"]["logprobs"], rows["lost logprobs"]["tags"]) == (
        [],
        ["no_logprobs"],
    )
    [rejected] = project.rows(result, "rejected")
    assert rejected["tool_calls"][0]["arguments"] == '{"liquid":'

    assert verify(project.corpus).problems == ()
    [story] = [
        section
        for section in explain(project.corpus, row["record_id"]).sections
        if section.title == "Conversation"
    ]
    assert ("calls boiling_point", '{"liquid":"water"}') in story.texts


def test_what_was_not_asked_for_is_not_kept(tmp_path: Path) -> None:
    with Teacher(by_prompt(REPLIES)) as teacher:
        project = make_project(tmp_path, teacher.endpoint, ["a text"], teachers=teachers())
        [row] = project.rows(project.run())
    assert (row["logprobs"], row["tags"]) == ([], [])


@pytest.mark.parametrize(
    ("api", "parameters", "words"),
    [
        (
            "openai-chat",
            {"tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": 7}}}]},
            r"run\.yaml:\d+: tool 'f': the schema of its parameters cannot be used",
        ),
        ("anthropic-messages", {"logprobs": True}, r"run\.yaml:\d+.*no such parameter.*logprobs"),
        ("gemini", {"reasoning_effort": "low"}, r"run\.yaml:\d+.*no such parameter"),
    ],
)
def test_what_cannot_be_asked_is_told_before_anybody_is_asked(
    tmp_path: Path, api: str, parameters: dict[str, Any], words: str
) -> None:
    with Teacher() as teacher:
        project = make_project(
            tmp_path,
            teacher.endpoint,
            ["a"],
            route={"api": api},
            teachers=teachers(**parameters),
        )
        with pytest.raises(InputError, match=words):
            project.run()
        assert teacher.count == 0
