"""Anthropic's Messages API.

Fields and stop reasons: https://platform.claude.com/docs/en/api/messages, and
https://platform.claude.com/docs/en/build-with-claude/handling-stop-reasons; tools:
https://platform.claude.com/docs/en/agents-and-tools/tool-use/overview. A model may take fewer
parameters than the API has; it then answers with status 400.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from schemas.codes import MalformedReason
from schemas.inputs.extra import Own
from schemas.requests import EXTRA, Request, completion_limit
from schemas.responses import Completion, Malformed, Usage
from transforms.dialects.finish_reasons import ANTHROPIC_MESSAGES, read_finish
from transforms.providers.apis import (
    HttpCall,
    encode_body,
    merge_extra,
    rename_parameters,
    split_system,
)
from transforms.providers.usage_reading import dearer_usage
from transforms.providers.wire import (
    Unreadable,
    finish_with_calls,
    object_or_empty,
    raise_error_object,
    read_field,
    read_label,
    read_object,
    read_objects,
    read_text,
    read_token_count,
    read_tool_call,
    sum_counts,
)

PATH = "/v1/messages"
VERSION = "2023-06-01"  # https://platform.claude.com/docs/en/api/versioning: the latest there is


# `input_tokens` counts only what comes after the last cached token:
# https://platform.claude.com/docs/en/build-with-claude/prompt-caching
_CACHED_TOKENS = ("cache_creation_input_tokens", "cache_read_input_tokens")
_TOOL_CHOICES = {"auto": "auto", "none": "none", "required": "any"}
_NAMES = {
    "max_tokens": "max_tokens",
    "stop": "stop_sequences",
    "temperature": "temperature",
    "top_p": "top_p",
}

_OWN: Own = {
    **dict.fromkeys(("messages", "model", "system", "tool_choice", "tools")),
    **dict.fromkeys(_NAMES.values()),
    "output_config": {"format": None},
}


class AnthropicMessages:
    """The client of the API `anthropic-messages`."""

    parameters = frozenset({*_NAMES, "response_format", "tool_choice", "tools"})
    own = _OWN
    models_path = "/v1/models?limit=1000"

    def build(self, request: Request) -> HttpCall:
        """Returns the call that asks a request; see `Api.build`.

        The API requires `max_tokens`. If the run file does not set it, what is reserved for the
        answer is sent.
        """
        system, turns = split_system(request.messages)
        settings = json.loads(request.parameters)
        extra = settings.pop(EXTRA, {})
        body = {
            "model": request.model,
            "messages": [{"role": turn.role, "content": turn.content} for turn in turns],
            "max_tokens": completion_limit(request.parameters),
            **({"system": system} if system else {}),
            **_settings(settings),
        }
        return HttpCall(PATH, encode_body(merge_extra(body, extra)))

    def headers(self, key: str) -> Mapping[str, str]:
        """Returns the headers of all calls; see `Api.headers`."""
        return {"anthropic-version": VERSION} | ({"x-api-key": key} if key else {})

    def parse(self, body: bytes) -> Completion | Malformed:
        """Reads an answer; see `Api.parse`."""
        try:
            return _completion(read_object(body))
        except Unreadable as error:
            return error.malformed

    def usage(self, body: bytes) -> Usage:
        """Returns what an answer used; see `Api.usage`."""
        usage = _usage(read_field(body, "usage"), silent=True)
        if usage.completion_tokens != 0:
            return usage
        answer = self.parse(body)  # only an empty answer can have no tokens
        return answer.usage if isinstance(answer, Completion) else usage


def _settings(parameters: dict[str, Any]) -> dict[str, Any]:
    wanted = parameters.pop("response_format", None)
    tools, choice = parameters.pop("tools", None), parameters.pop("tool_choice", None)
    settings = rename_parameters(parameters, _NAMES)
    if tools is not None:
        settings["tools"] = [_tool(tool["function"]) for tool in tools]
    if choice is not None:
        settings["tool_choice"] = _tool_choice(choice)
    if wanted is not None:
        # https://platform.claude.com/docs/en/build-with-claude/structured-outputs
        schema = wanted["json_schema"]["schema"]
        settings["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
    return settings


def _tool(function: Mapping[str, Any]) -> dict[str, Any]:
    rest = {name: value for name, value in function.items() if name != "parameters"}
    return rest | {"input_schema": function.get("parameters", {"type": "object"})}


def _tool_choice(choice: str | Mapping[str, Any]) -> dict[str, str]:
    if isinstance(choice, str):
        return {"type": _TOOL_CHOICES[choice]}
    return {"type": "tool", "name": choice["function"]["name"]}


def _completion(data: Mapping[str, Any]) -> Completion:
    raise_error_object(data)
    if data.get("content") is None:
        raise Unreadable(MalformedReason.NO_CONTENT, "no content: is the route's API another one?")
    blocks = read_objects(data["content"], "content")
    ending = data.get("stop_reason")
    finish = read_finish(ending, ANTHROPIC_MESSAGES)
    calls = tuple(
        read_tool_call(block.get("id"), block.get("name"), block.get("input"))
        for block in blocks
        if block.get("type") == "tool_use"
    )
    text, reasoning = (
        "".join(_texts(blocks, "text")),
        "\n".join(filter(None, _texts(blocks, "thinking"))),
    )
    return Completion(
        text=text,
        reasoning=reasoning,
        finish_reason=finish_with_calls(finish, calls),
        finish_word=read_label(ending),
        usage=_usage(data.get("usage"), silent=not (text or reasoning or calls)),
        response_model=read_text(data.get("model"), "model"),
        response_id=read_label(data.get("id")),
        system_fingerprint="",
        refusal=_refusal(data) if ending == "refusal" else "",
        tool_calls=calls,
    )


def _texts(blocks: Iterable[Mapping[str, Any]], kind: str) -> list[str]:
    """Returns the texts of all blocks of a kind, whose field is named as the kind."""
    return [read_text(block.get(kind), kind) for block in blocks if block.get("type") == kind]


def _refusal(data: Mapping[str, Any]) -> str:
    named = object_or_empty(data.get("stop_details"))
    explained = read_text(named.get("explanation"), "the explanation of a refusal")
    return explained or read_label(named.get("category")) or "refusal"


def _usage(value: object, *, silent: bool) -> Usage:
    usage = object_or_empty(value)
    cached = [
        read_token_count(usage[name]) for name in _CACHED_TOKENS if usage.get(name) is not None
    ]
    prompt = sum_counts(read_token_count(usage.get("input_tokens")), *cached)
    details = object_or_empty(usage.get("output_tokens_details"))
    return dearer_usage(
        prompt=prompt,
        completion=read_token_count(usage.get("output_tokens")),
        cached=read_token_count(usage.get("cache_read_input_tokens")),
        reasoning=read_token_count(details.get("thinking_tokens")),
        silent=silent,
    )


API = AnthropicMessages()
