"""OpenAI's chat completions, also the API of vLLM, SGLang, llama.cpp, Together, Mistral and others.

Their requests are the same. Their answers differ: in which field reasoning is, what a finish reason
is called, whether content is a text or a list of parts. All these forms are read here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from schemas.codes import MalformedReason
from schemas.inputs.extra import Own
from schemas.logprobs import TokenLogprob
from schemas.requests import EXTRA, Request, request_settings
from schemas.responses import Completion, Malformed, ToolCall, Usage
from transforms.dialects.finish_reasons import OPENAI_CHAT, read_finish
from transforms.dialects.reasoning import separate_reasoning
from transforms.providers.apis import HttpCall, encode_body, merge_extra
from transforms.providers.usage_reading import dearer_usage
from transforms.providers.wire import (
    Unreadable,
    finish_with_calls,
    object_or_empty,
    raise_error_object,
    read_field,
    read_label,
    read_logprob,
    read_logprobs,
    read_object,
    read_objects,
    read_text,
    read_token_count,
    read_tool_call,
    wrong_type,
)

PATH = "/chat/completions"
_USAGE_KEYS = re.compile(
    rb'"(?:usage|(?:prompt|completion|total|cached|reasoning)_tokens'
    rb'|(?:prompt|completion)_tokens_details|prompt_cache_hit_tokens)"'
)


# `reasoning_content`: DeepSeek, SGLang, llama.cpp. `reasoning`: vLLM, OpenRouter, Together.
_REASONING_FIELDS = ("reasoning_content", "reasoning")
# Endings that explain an answer without a text.
_MAY_BE_SILENT = ("content_filter", "length", "tool_calls")


class OpenAiChat:
    """The client of the API `openai-chat`."""

    # A run file uses the names of this API: a test keeps the two equal.
    parameters = frozenset(
        {
            "frequency_penalty",
            "logprobs",
            "max_completion_tokens",
            "max_tokens",
            "presence_penalty",
            "reasoning_effort",
            "response_format",
            "seed",
            "stop",
            "temperature",
            "tool_choice",
            "tools",
            "top_logprobs",
            "top_p",
        }
    )
    own: Own = dict.fromkeys({"messages", "model", *parameters})
    models_path = "/models"

    def build(self, request: Request) -> HttpCall:
        """Returns the call that asks a request; see `Api.build`."""
        turns = [{"role": turn.role, "content": turn.content} for turn in request.messages]
        settings = request_settings(request.parameters)
        body = {"model": request.model, "messages": turns, **settings}
        extra = body.pop(EXTRA, None)
        return HttpCall(PATH, encode_body(merge_extra(body, extra) if extra else body))

    def headers(self, key: str) -> Mapping[str, str]:
        """Returns the headers of all calls; see `Api.headers`."""
        return {"Authorization": f"Bearer {key}"} if key else {}

    def parse(self, body: bytes) -> Completion | Malformed:
        """Reads an answer; see `Api.parse`."""
        try:
            return _completion(read_object(body))
        except Unreadable as error:
            return error.malformed

    def usage(self, body: bytes) -> Usage:
        """Returns what an answer used; see `Api.usage`."""
        usage = _usage(read_field(body, "usage", _USAGE_KEYS), silent=True)
        if usage.completion_tokens != 0:
            return usage
        answer = self.parse(body)  # only an empty answer can have no tokens
        return answer.usage if isinstance(answer, Completion) else usage


def _completion(data: Mapping[str, Any]) -> Completion:
    raise_error_object(data)
    choice = _choice(data)
    message = choice.get("message")
    if not isinstance(message, dict):
        raise Unreadable(MalformedReason.NO_MESSAGE, "the first choice holds no message")
    ending = choice.get("finish_reason")
    finish = read_finish(ending, OPENAI_CHAT, any_case=True)
    calls = _tool_calls(message.get("tool_calls"))
    finish = finish_with_calls(finish, calls)
    model = read_text(data.get("model"), "model")
    text, reasoning = _content(message, model)
    refusal = read_text(message.get("refusal"), "refusal")
    explained = reasoning or refusal or calls or finish in _MAY_BE_SILENT
    if message.get("content") is None and not explained:
        raise Unreadable(MalformedReason.NULL_CONTENT, f"no content, and finish_reason {finish!r}")
    return Completion(
        text=text,
        reasoning=reasoning,
        finish_reason=finish,
        finish_word=read_label(ending),
        usage=_usage(data.get("usage"), silent=not (text or reasoning or calls)),
        response_model=model,
        response_id=read_label(data.get("id")),
        system_fingerprint=read_label(data.get("system_fingerprint")),
        refusal=refusal,
        tool_calls=calls,
        logprobs=read_logprobs(choice.get("logprobs"), _logprobs),
    )


def _choice(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns the first choice: we never ask for more than one."""
    choices = data.get("choices")
    if choices is None or choices == []:
        raise Unreadable(MalformedReason.NO_CHOICES, "no choices, or an empty list of them")
    if not isinstance(choices, list):
        raise wrong_type("choices", "a list", choices)
    if not isinstance(choices[0], dict):
        raise wrong_type("the first choice", "an object", choices[0])
    return choices[0]


def _content(message: Mapping[str, Any], model: str) -> tuple[str, str]:
    """Returns the text and the reasoning, which each server puts into other fields."""
    content = message.get("content")
    parts = _parts(content) if isinstance(content, list) else (content, "")
    text, thought = separate_reasoning(read_text(parts[0], "content"), model)
    reported = next((message[name] for name in _REASONING_FIELDS if message.get(name)), "")
    reasoning = [
        "" if isinstance(reported, dict) else read_text(reported, "reasoning"),
        read_text(parts[1], "reasoning"),
        thought,
    ]
    return text, "\n".join(part for part in reasoning if part)


def _parts(content: list[Any]) -> tuple[str, str]:
    """Reads content in parts: Mistral's reasoning models return a list of `thinking` and `text`."""
    thinking = [
        part.get("thinking") for part in _of_type("thinking", content) if part.get("thinking")
    ]
    thoughts = [_joined(parts) for parts in thinking if isinstance(parts, list)]
    return _joined(content), "".join(thoughts)


def _joined(parts: list[Any]) -> str:
    return "".join(read_text(part.get("text"), "content") for part in _of_type("text", parts))


def _of_type(kind: str, parts: list[Any]) -> Iterator[Mapping[str, Any]]:
    for part in parts:
        if not isinstance(part, dict):
            raise wrong_type("a part of the content", "an object", part)
        if part.get("type") == kind:
            yield part


def _tool_calls(value: object) -> tuple[ToolCall, ...]:
    if value is None:
        return ()
    calls = read_objects(value, "tool_calls")
    named = read_objects([call.get("function") for call in calls], "tool_calls")
    return tuple(
        read_tool_call(call.get("id"), function.get("name"), function.get("arguments"))
        for call, function in zip(calls, named, strict=True)
    )


def _logprobs(value: object) -> Iterator[TokenLogprob]:
    for each in read_objects(object_or_empty(value).get("content"), "logprobs"):
        chosen = read_logprob(each.get("token"), each.get("logprob"))
        others = read_objects(each.get("top_logprobs") or [], "top_logprobs")
        top = (read_logprob(other.get("token"), other.get("logprob")) for other in others)
        yield TokenLogprob(chosen.token, chosen.logprob, tuple(top))


def _usage(value: object, *, silent: bool) -> Usage:
    """Reads usage, with its details in the fields of OpenAI, or of DeepSeek and SGLang.

    Args:
        value: The value in the body.
        silent: Whether the answer is empty.
    """
    usage = object_or_empty(value)
    asked = object_or_empty(usage.get("prompt_tokens_details"))
    said = object_or_empty(usage.get("completion_tokens_details"))
    return dearer_usage(
        prompt=read_token_count(usage.get("prompt_tokens")),
        completion=read_token_count(usage.get("completion_tokens")),
        total=read_token_count(usage.get("total_tokens")),
        cached=read_token_count(asked.get("cached_tokens", usage.get("prompt_cache_hit_tokens"))),
        reasoning=read_token_count(said.get("reasoning_tokens", usage.get("reasoning_tokens"))),
        silent=silent,
    )


API = OpenAiChat()
