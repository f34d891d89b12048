"""What `extra` of a teacher may hold: members of a request's body beyond the API's parameters.

It is sent as it is written, so a server's new parameter needs no new version of stillroom. Refused
is what would make quota, budget, terms or a record say something else than what was sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from schemas.canonical import Path
from schemas.errors import Problem, mask_keys

# The members that an API sends itself: None, or for an object of which others may be given, its.
Own = Mapping[str, "Own | None"]

_SEVERAL = "a request has one answer: ask for `samples`"
_STREAM = "answers are read whole"
_LIMIT = "set `max_tokens` in `parameters`: quota and budget count by it"
_MODELS = "the guard permits the route's own model: give each model a route"
_PLACE = "endpoint and key belong to the route, in the registry; a key here would be published"
_QUESTION = "what is asked comes from the prompts and from `system`"
_TOOLS = "use `tools` and `tool_choice` in `parameters`"
_BESIDE = "it is billed beside the tokens, so the budget would not hold"

# n, stream, functions, web_search_options: platform.openai.com/docs/api-reference/chat/create.
# best_of, request_id: docs.vllm.ai, OpenAI-Compatible Server, extra parameters.
# n_predict, which overrides max_tokens, and n_cmpl: github.com/ggml-org/llama.cpp, tools/server.
# models, route, plugins, prompt: openrouter.ai/docs/api-reference/overview; preset:
# openrouter.ai/docs/features/presets.
# LiteLLM: fallbacks at docs.litellm.ai/docs/proxy/client_side_fallbacks; user_config, api_key,
# api_base and base_url at docs.litellm.ai/docs/proxy/clientside_auth.
# mcp_servers, container: platform.claude.com/docs/en/api/messages.
# cachedContent: ai.google.dev/api/generate-content.
_REFUSED = {
    "api_base": _PLACE,
    "api_key": _PLACE,
    "authorization": _PLACE,
    "base_url": _PLACE,
    "best_of": _SEVERAL,
    "cached_content": _QUESTION,
    "container": _BESIDE,
    "extra_body": "write its members here",
    "extra_headers": _PLACE,
    "fallbacks": _MODELS,
    "function_call": _TOOLS,
    "functions": _TOOLS,
    "mcp_servers": _BESIDE,
    "models": _MODELS,
    "n": _SEVERAL,
    "n_cmpl": _SEVERAL,
    "n_predict": _LIMIT,
    "plugins": _BESIDE,
    "preset": _MODELS,
    "prompt": _QUESTION,
    "request_id": "each request would have the same one",
    "route": _MODELS,
    "stream": _STREAM,
    "stream_options": _STREAM,
    "user_config": _PLACE,
    "web_search_options": _BESIDE,
}
# What other languages and YAML 1.1 write for JSON's words; YAML 1.2 reads them as texts, and a
# template takes the text "False" for true.
_NOT_JSON = {
    word: meant
    for meant in ("true", "false", "null")
    for word in (meant.capitalize(), meant.upper())
} | {"None": "null"}
_NO_NUMBER = (".nan", ".inf", "+.inf", "-.inf")


def extra_problems(extra: Mapping[str, Any], own: Own) -> Iterator[tuple[Path, Problem]]:
    """Yields what may not be sent, with the keys that lead to it.

    Args:
        extra: A teacher's `extra`.
        own: The members that the route's API sends itself.
    """
    for key, value in extra.items():
        reason = _REASONS.get(_plain(key))
        if reason:
            yield (key,), Problem("stillroom does not send it", found=key, remedy=reason)
        else:
            yield from _collisions(key, value, own, ())
            yield from _unmeant(value, (key,))


def _collisions(key: str, value: Any, own: Own, above: Path) -> Iterator[tuple[Path, Problem]]:
    """Yields what stillroom sends itself; Google's servers read both maxTokens and max_tokens."""
    steps = (*above, key)
    name = next((name for name in own if _plain(name) == _plain(key)), None)
    if name is None:
        return
    inner = own[name]
    if inner is None:
        yield (
            steps,
            Problem(
                "stillroom sends it itself",
                found=key,
                expected="what the server takes beside the prompt and `parameters`",
            ),
        )
    elif key != name or not isinstance(value, dict):
        yield steps, Problem("stillroom sends it too", found=key, expected=f"a mapping {name!r}")
    else:
        for each, item in value.items():
            yield from _collisions(each, item, inner, steps)


def _unmeant(value: Any, steps: Path) -> Iterator[tuple[Path, Problem]]:
    """Yields keys, and texts that were meant as JSON's words or as numbers that JSON lacks."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _unmeant(item, (*steps, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):  # a choice may well be the text "True"
            if not (isinstance(item, str) and item in _NOT_JSON):
                yield from _unmeant(item, (*steps, index))
    elif isinstance(value, str) and mask_keys(value) != value:
        yield steps, Problem("this may be a key", found=value, remedy=_PLACE)
    elif isinstance(value, str) and value in _NOT_JSON:
        expected = f"{_NOT_JSON[value]}, as JSON and YAML 1.2 write it"
        yield steps, Problem("the text is no word of JSON", found=value, expected=expected)
    elif isinstance(value, str) and value.lower() in _NO_NUMBER:
        yield steps, Problem("JSON has no such number", found=value, remedy="leave it out")


def _plain(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()


_REASONS = {_plain(name): reason for name, reason in _REFUSED.items()}
