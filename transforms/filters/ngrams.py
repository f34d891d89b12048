"""Hashes tokens and runs of tokens, with the same results on every machine."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from transforms.text import tokens

Hashes = NDArray[np.uint64]

_CACHED_TOKENS = 1 << 16
# 2**64 divided by the golden ratio; odd, so that multiplication loses no bits.
_BASE = np.uint64(0x9E3779B97F4A7C15)
# SplitMix64's finaliser (Steele, Lea, Flood 2014): spreads every bit over all of them.
_MIX = (
    (np.uint64(30), np.uint64(0xBF58476D1CE4E5B9)),
    (np.uint64(27), np.uint64(0x94D049BB133111EB)),
)
_LAST_SHIFT = np.uint64(31)


def token_hashes(text: str) -> Hashes:
    """Returns the 64-bit hash of each of a text's tokens, in order."""
    return np.array(list(map(_token_hash, tokens(text))), dtype=np.uint64)


def window_hashes(hashes: Hashes, width: int) -> Hashes:
    """Returns the hash of each run of `width` tokens.

    Args:
        hashes: Hashes of a text's n tokens.
        width: Tokens in a run, at least 1.

    Returns:
        n - width + 1 hashes; none for a shorter text.
    """
    count = max(0, hashes.size - width + 1)
    runs = np.zeros(count, dtype=np.uint64)
    for offset in range(width):
        runs *= _BASE
        runs += hashes[offset : offset + count]
    for shift, factor in _MIX:
        runs ^= runs >> shift
        runs *= factor
    return runs ^ (runs >> _LAST_SHIFT)


def sequence_hash(hashes: NDArray[Any]) -> int:
    """Returns a 64-bit hash of a sequence of hashes."""
    return xxhash.xxh3_64_intdigest(hashes.astype("<u8").tobytes())


@functools.lru_cache(_CACHED_TOKENS)
def _token_hash(token: str) -> int:
    return xxhash.xxh3_64_intdigest(token.encode("utf-8", "surrogatepass"))
