"""What two records are compared by: keys of equal texts, and shingles of alike ones.

A shingle is a run of five tokens, hashed. Signs are tokens, so `a + b` and `a - b` differ; in
scripts written without blanks characters are tokens (see `transforms.text`). A text of fewer than
20 tokens has too few shingles for their share to mean anything: it is compared exactly, or not.
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
MIN_TOKENS = 20  # below it one changed word moves a fifth of the shingles or more
MIN_SHINGLES = MIN_TOKENS - SHINGLE_TOKENS + 1
MIN_OWN_SHARE = 0.2  # a completion that quotes more of its prompt than the rest is no text to judge
MAX_CHARACTERS = 500_000  # beyond it a text is compared by its beginning: signatures saturate

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # odd: 2**64 divided by the golden ratio
_VOCABULARY = 1 << 17  # word hashes kept at hand: some 15 MB


@dataclass(frozen=True, slots=True, eq=False)
class Shingles:
    """The shingles that a record is compared by.

    Attributes:
        values: 64-bit hashes, distinct and ascending; empty where the record is compared exactly
            or not at all.
        shared: How many of them are the prompt's, which every answer to that prompt has.
    """

    values: NDArray[np.uint64]
    shared: int


NO_SHINGLES = Shingles(np.empty(0, np.uint64), 0)


def answer_text(completion: str, calls: Iterable[ToolCall]) -> str:
    """Returns all that an answer says, its calls of tools included: the ids of calls say nothing.

    Args:
        completion: Its text.
        calls: The calls that it asks for.
    """
    return "\n".join([completion, *(f"{call.name} {call.arguments}" for call in calls)])


def prompt_key(prompt: Sequence[Message]) -> bytes:
    """Returns the key of a conversation: equal for two that read alike.

    Args:
        prompt: The turns, without the completion.

    Returns:
        16 bytes: BLAKE2b over the roles and the normalised texts.
    """
    parts = (part for turn in prompt for part in (turn.role, turn.content))
    return _digest(_comparable(part) for part in parts)


def exact_key(prompt: bytes, completion: str) -> bytes:
    """Returns the key of a record: equal for two pairs of prompt and completion that read alike.

    Args:
        prompt: The prompt's key, as `prompt_key` makes it.
        completion: The answer.

    Returns:
        16 bytes: BLAKE2b over the prompt's key and the normalised completion.
    """
    return _digest((prompt, _comparable(completion)))


def unit_shingles(prompt: Sequence[Message], completion: str, unit: Unit) -> Shingles:
    """Returns the shingles of what is compared.

    What stands in the prompt is taken out of the completion: two answers that quote one template
    are not alike for that. System prompts, shared by whole runs, are never compared.

    Args:
        prompt: The turns, without the completion.
        completion: The answer.
        unit: `prompt`, `completion` or `pair`.

    Returns:
        The shingles; none where there are too few to compare.
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
    """Hashes every run of five tokens: a polynomial in the tokens' own hashes, modulo 2**64."""
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
    """Returns the values that are not among the others; both ascending and distinct."""
    if not values.size or not others.size:
        return values
    places = np.minimum(np.searchsorted(others, values), others.size - 1)
    kept: NDArray[np.uint64] = values[others[places] != values]
    return kept


def _comparable(text: str) -> bytes:
    return normalise(text).strip().encode("utf-8", "surrogatepass")


def _digest(parts: Iterable[bytes]) -> bytes:
    """Digests parts with their lengths, so that no two lists of parts run together."""
    hasher = hashlib.blake2b(digest_size=KEY_BYTES)
    for part in parts:
        hasher.update(len(part).to_bytes(8, "little"))
        hasher.update(part)
    return hasher.digest()
