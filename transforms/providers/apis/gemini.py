"""Gemini's generateContent, at Google AI with an API key, at Vertex AI with a key or a token.

Fields, finish and block reasons: https://ai.google.dev/api/generate-content, and for Vertex AI
https://cloud.google.com/vertex-ai/generative-ai/docs/reference/rest/v1/GenerateContentResponse.
Tools: https://ai.google.dev/gemini-api/docs/function-calling. Google's JSON leaves out fields that
are empty, zero or false.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from schemas.codes import MalformedReason
from schemas.inputs.extra import Own
from schemas.logprobs import TokenLogprob, TopLogprob
from schemas.prompts import Message
from schemas.requests import EXTRA, Request
from schemas.responses import Completion, Malformed, ToolCall, Usage
from transforms.dialects.finish_reasons import GEMINI, GEMINI_REFUSALS, read_finish
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
    read_label,
    read_logprob,
    read_logprobs,
    read_object,
    read_objects,
    read_text,
    read_token_count,
    read_tool_call,
    sum_counts,
    wrong_type,
)

# Endings that explain an empty answer.
_MAY_BE_SILENT = ("content_filter", "tool_calls", "length")
_NAMES = {
    "frequency_penalty": "frequencyPenalty",
    "logprobs": "responseLogprobs",
    "max_tokens": "maxOutputTokens",
    "presence_penalty": "presencePenalty",
    "seed": "seed",
    "stop": "stopSequences",
    "temperature": "temperature",
    "top_logprobs": "logprobs",
    "top_p": "topP",
}
_SCHEMAS = ("responseJsonSchema", "responseSchema")  # two forms of `response_format`
_MODES = {"auto": "AUTO", "none": "NONE", "required": "ANY"}

_OWN: Own = {
    **dict.fromkeys(("contents", "model", "systemInstruction", "toolConfig", "tools")),
    "generationConfig": dict.fromkeys(
        (*_NAMES.values(), "candidateCount", "responseMimeType", *_SCHEMAS)
    ),
}


class Gemini:
    """The client of the API `gemini`."""

    parameters = frozenset({*_NAMES, "response_format", "tool_choice", "tools"})
    own = _OWN
    models_path = "/models?pageSize=1000"

    def build(self, request: Request) -> HttpCall:
        """Returns the call that asks a request; see `Api.build`."""
        system, turns = split_system(request.messages)
        parameters = json.loads(request.parameters)
        extra = parameters.pop(EXTRA, {})
        tools = _tools(parameters)
        settings = _settings(parameters)
        body = {
            "contents": [_content(turn) for turn in turns],
            **tools,
            **({"systemInstruction": {"parts": [{"text": system}]}} if system else {}),
            **({"generationConfig": settings} if settings else {}),
        }
        path = f"/models/{quote(request.model, safe='')}:generateContent"
        return HttpCall(path, encode_body(merge_extra(body, extra)))

    def headers(self, key: str) -> Mapping[str, str]:
        """Returns the headers of all calls; see `Api.headers`."""
        return {"x-goog-api-key": key} if key else {}

    def parse(self, body: bytes) -> Completion | Malformed:
        """Reads an answer; see `Api.parse`."""
        try:
            return _completion(read_object(body))
        except Unreadable as error:
            return error.malformed

    def usage(self, body: bytes) -> Usage:
        """Returns what an answer used; see `Api.usage`.

        The meaning of a missing number depends on the answer, so all of it is read.
        """
        answer = self.parse(body)
        return answer.usage if isinstance(answer, Completion) else Usage()


def _content(turn: Message) -> dict[str, Any]:
    role = "model" if turn.role == "assistant" else turn.role
    return {"role": role, "parts": [{"text": turn.content}]}


def _tools(parameters: dict[str, Any]) -> dict[str, Any]:
    """Removes tools and the choice among them from parameters; returns them in the API's form.

    The API checks calls against their schemas in the modes ANY and VALIDATED.
    """
    tools, choice = parameters.pop("tools", None), parameters.pop("tool_choice", "auto")
    if tools is None:
        return {}
    functions = [tool["function"] for tool in tools]
    if isinstance(choice, str):
        config: dict[str, Any] = {"mode": _MODES[choice]}
        if choice == "auto" and any(function.get("strict") for function in functions):
            config["mode"] = "VALIDATED"
    else:
        config = {"mode": "ANY", "allowedFunctionNames": [choice["function"]["name"]]}
    return {
        "tools": [{"functionDeclarations": [_declared(function) for function in functions]}],
        "toolConfig": {"functionCallingConfig": config},
    }


def _declared(function: Mapping[str, Any]) -> dict[str, Any]:
    names = {"name": "name", "description": "description", "parameters": "parametersJsonSchema"}
    return {names[name]: value for name, value in function.items() if name in names}


def _settings(parameters: dict[str, Any]) -> dict[str, Any]:
    wanted = parameters.pop("response_format", None)
    settings = rename_parameters(parameters, _NAMES)
    if wanted is not None:  # https://ai.google.dev/gemini-api/docs/structured-output
        schema = wanted["json_schema"]["schema"]
        settings |= {"responseMimeType": "application/json", "responseJsonSchema": schema}
    return settings


def _completion(data: Mapping[str, Any]) -> Completion:
    raise_error_object(data)
    candidate = _candidate(data)
    ending = read_label(candidate.get("finishReason"))
    parts = _parts(candidate)
    calls = _tool_calls(parts)
    finish = finish_with_calls(read_finish(ending, GEMINI), calls)
    if candidate.get("content") is None and finish not in _MAY_BE_SILENT:
        raise Unreadable(MalformedReason.NULL_CONTENT, f"no content, and finishReason {finish!r}")
    text, reasoning = _joined(parts, thought=False), _joined(parts, thought=True)
    return Completion(
        text=text,
        reasoning=reasoning,
        finish_reason=finish,
        finish_word=ending,
        usage=_usage(data.get("usageMetadata"), silent=not (text or calls)),
        response_model=read_text(data.get("modelVersion"), "modelVersion"),
        response_id=read_label(data.get("responseId")),
        system_fingerprint="",
        refusal=_refusal(candidate) if ending in GEMINI_REFUSALS else "",
        tool_calls=calls,
        logprobs=read_logprobs(candidate.get("logprobsResult"), _logprobs),
    )


def _candidate(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns the first candidate: we never ask for more than one.

    There is none if the prompt was blocked, which counts as a refusal whatever the reason.
    """
    candidates = data.get("candidates")
    if candidates is not None and candidates != []:
        return read_objects(candidates, "candidates")[0]
    feedback = data.get("promptFeedback")
    blocked = read_label(object_or_empty(feedback).get("blockReason"))
    if not blocked:
        raise Unreadable(
            MalformedReason.NO_CANDIDATES, "no candidates, and the prompt was not blocked"
        )
    return {"finishReason": "SAFETY", "finishMessage": f"the prompt was blocked: {blocked}"}


def _parts(candidate: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    content = candidate.get("content")
    if content is None:
        return []
    if not isinstance(content, dict):
        raise wrong_type("content", "an object", content)
    parts = content.get("parts")
    return [] if parts is None else read_objects(parts, "parts")


def _tool_calls(parts: list[Mapping[str, Any]]) -> tuple[ToolCall, ...]:
    called = [part["functionCall"] for part in parts if part.get("functionCall") is not None]
    return tuple(
        read_tool_call(call.get("id"), call.get("name"), call.get("args"))
        for call in read_objects(called, "functionCall")
    )


def _logprobs(value: object) -> Iterator[TokenLogprob]:
    """Reads the chosen tokens, and the likeliest ones at each step if they were asked for."""
    result = object_or_empty(value)
    chosen = read_objects(result.get("chosenCandidates"), "chosenCandidates")
    steps = read_objects(result.get("topCandidates") or [{}] * len(chosen), "topCandidates")
    for each, step in zip(chosen, steps, strict=True):
        token = _logprob(each)
        top = read_objects(step.get("candidates") or [], "candidates")
        yield TokenLogprob(token.token, token.logprob, tuple(map(_logprob, top)))


def _logprob(candidate: Mapping[str, Any]) -> TopLogprob:
    return read_logprob(candidate.get("token"), candidate.get("logProbability", 0.0))


def _joined(parts: list[Mapping[str, Any]], *, thought: bool) -> str:
    """Returns the text of the thoughts, or of the answer."""
    chosen = [part for part in parts if (part.get("thought") is True) is thought]
    return "".join(read_text(part.get("text"), "text") for part in chosen)


def _refusal(candidate: Mapping[str, Any]) -> str:
    explained = read_text(candidate.get("finishMessage"), "finishMessage")
    return explained or read_label(candidate.get("finishReason"))


def _usage(value: object, *, silent: bool) -> Usage:
    """Reads usage. Thoughts are not counted in the candidates; cached tokens are, in the prompt.

    https://googleapis.github.io/js-genai/release_docs/classes/types.GenerateContentResponseUsageMetadata.html

    Args:
        value: The value in the body.
        silent: Whether the answer is empty: then a missing number is a zero.
    """
    usage = object_or_empty(value)
    prompt = read_token_count(usage.get("promptTokenCount"))
    if prompt is None:
        return Usage()
    said = read_token_count(usage.get("candidatesTokenCount", 0 if silent else None))
    thought = read_token_count(usage.get("thoughtsTokenCount", 0))
    cached = read_token_count(usage.get("cachedContentTokenCount", 0))
    return dearer_usage(
        prompt=prompt,
        completion=sum_counts(said, thought),
        total=read_token_count(usage.get("totalTokenCount")),
        cached=cached,
        reasoning=thought,
        silent=silent,
    )


API = Gemini()
