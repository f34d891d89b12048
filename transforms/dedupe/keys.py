"""Makes what records are compared by: a key for equal texts, shingles for similar texts.

A shingle is the hash of a run of five tokens. Operators and punctuation are tokens, so `a + b` and
`a - b` differ; in scripts written without spaces, characters are tokens (see `transforms.text`). A
text of fewer than 20 tokens has too few shingles for a meaningful similarity: it can only be an
exact duplicate.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import xxhash
from numpy.typing import NDArray

from schemas.index import Unit
from schemas.prompts import Message
from schemas.responses import ToolCall
from transforms.text import normalise, tokens

KEY_BYTES = 16
SHINGLE_TOKENS = 5
MIN_TOKENS = 20  # below it one changed word changes a fifth of the shingles or more
MIN_SHINGLES = MIN_TOKENS - SHINGLE_TOKENS + 1
MIN_OWN_SHARE = 0.2  # with fewer shingles of its own, a completion mostly quotes its prompt
MAX_CHARACTERS = 500_000  # longer texts are compared by their beginning, as signatures saturate

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # odd: 2**64 divided by the golden ratio
_VOCABULARY = 1 << 17  # cached hashes of tokens: about 15 MB


@dataclass(frozen=True, slots=True, eq=False)
class Shingles:
    """The shingles that a record is compared by.

    Attributes:
        values: 64-bit hashes, distinct and ascending; empty for a record that can only be an exact
            duplicate.
        shared: How many of them come from the prompt, and so from every answer to that prompt.
    """

    values: NDArray[np.uint64]
    shared: int


NO_SHINGLES = Shingles(np.empty(0, np.uint64), 0)


def answer_text(completion: str, calls: Iterable[ToolCall]) -> str:
    """Returns an answer's text and its tool calls as one text, without the ids of calls.

    Args:
        completion: The text.
        calls: The tool calls.
    """
    return "\n".join([completion, *(f"{call.name} {call.arguments}" for call in calls)])


def prompt_key(prompt: Sequence[Message]) -> bytes:
    """Returns the key of a conversation: equal if roles and normalised texts are equal.

    Args:
        prompt: The turns, without the completion.

    Returns:
        16 bytes: BLAKE2b over the roles and the normalised texts.
    """
    parts = (part for turn in prompt for part in (turn.role, turn.content))
    return _digest(_comparable(part) for part in parts)


def exact_key(prompt: bytes, completion: str) -> bytes:
    """Returns the key of a record: equal if prompt and normalised completion are equal.

    Args:
        prompt: The prompt's key, from `prompt_key`.
        completion: The answer.

    Returns:
        16 bytes: BLAKE2b over the prompt's key and the normalised completion.
    """
    return _digest((prompt, _comparable(completion)))


def unit_shingles(prompt: Sequence[Message], completion: str, unit: Unit) -> Shingles:
    """Returns the shingles that a record is compared by.

    Shingles of the prompt are removed from those of the completion, so two answers are not similar
    because they quote one template. System prompts, which whole runs share, are never compared.

    Args:
        prompt: The turns, without the completion.
        completion: The answer.
        unit: `prompt`, `completion` or `pair`.

    Returns:
        The shingles; none if there are too few to compare.
    """
    asked = _text_shingles("\n".join(turn.content for turn in prompt if turn.role != "system"))
    if unit == "prompt":
        return _enough(asked, asked.size)
    answered = _text_shingles(completion)
    own = _without(answered, asked)
    for turn in prompt:
        if turn.role == "system":
            own = _without(own, _text_shingles(turn.content))
    if unit == "pair":
        return _enough(np.sort(np.concatenate((asked, own))), asked.size)
    if own.size < MIN_OWN_SHARE * answered.size:
        return NO_SHINGLES
    return _enough(own, 0)


def _enough(values: NDArray[np.uint64], shared: int) -> Shingles:
    return Shingles(values, shared) if values.size >= MIN_SHINGLES else NO_SHINGLES


def _text_shingles(text: str) -> NDArray[np.uint64]:
    """Returns the hash of every run of five tokens: a polynomial in their hashes, modulo 2**64."""
    found = tokens(text[:MAX_CHARACTERS])
    runs = len(found) - SHINGLE_TOKENS + 1
    if runs < 1:
        return NO_SHINGLES.values
    hashes = np.fromiter(map(_token_hash, found), np.uint64, len(found))
    combined = hashes[:runs].copy()
    for offset in range(1, SHINGLE_TOKENS):
        combined *= _MULTIPLIER
        combined += hashes[offset : offset + runs]
    return _distinct(combined)


@lru_cache(maxsize=_VOCABULARY)
def _token_hash(token: str) -> int:
    return xxhash.xxh3_64_intdigest(token.encode("utf-8", "surrogatepass"))


def _distinct(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    values.sort()
    first = np.empty(values.size, np.bool_)
    first[0] = True
    np.not_equal(values[1:], values[:-1], out=first[1:])
    return values[first]


def _without(values: NDArray[np.uint64], others: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Returns the values that are not in `others`; both are ascending and distinct."""
    if not values.size or not others.size:
        return values
    places = np.minimum(np.searchsorted(others, values), others.size - 1)
    kept: NDArray[np.uint64] = values[others[places] != values]
    return kept


def _comparable(text: str) -> bytes:
    return normalise(text).strip().encode("utf-8", "surrogatepass")


def _digest(parts: Iterable[bytes]) -> bytes:
    """Returns a digest of parts with their lengths, so different lists give different input."""
    hasher = hashlib.blake2b(digest_size=KEY_BYTES)
    for part in parts:
        hasher.update(len(part).to_bytes(8, "little"))
        hasher.update(part)
    return hasher.digest()
