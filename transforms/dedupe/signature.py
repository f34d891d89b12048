"""Signatures: few numbers that tell which texts are worth comparing (MinHash with banding).

The specification is this project's own, since libraries change theirs between releases and a
persisted index must outlive them. Slot i of a signature is the least value of a_i * x modulo 2**32
over the upper halves x of a text's shingles; x is uniform, so that every shingle is as likely to
give the least one, and an added constant would only turn the circle. A band is six slots, hashed;
two texts are candidates when they share one of 20 bands. At Jaccard similarity s that happens with
probability 1 - (1 - s**6)**20: 0.9977 at 0.8, 0.9999 at 0.85, 0.0013 at 0.2. What it finds is
compared exactly, so that a false candidate costs a comparison and never a record.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

SPEC = "stillroom minhash 1"  # names the constants below; another number, other signatures
BANDS = 20
ROWS = 6
SLOTS = BANDS * ROWS

_CHUNK = 1024  # shingles hashed at a time: with 120 slots of 4 bytes, 480 kB, which a cache holds


def _constants(name: str, count: int, width: int) -> NDArray[np.uint64]:
    """Draws constants from SHAKE-256 of their name: fixed, and the same on every machine."""
    drawn = hashlib.shake_256(f"{SPEC}: {name}".encode()).digest(count * width)
    return np.frombuffer(drawn, f"<u{width}").astype(np.uint64)


_MULTIPLIERS = _constants("multipliers", SLOTS, 4).astype(np.uint32) | np.uint32(1)
_SEEDS = _constants("bands", BANDS, 8)
_MIX = np.uint64(0xBF58476D1CE4E5B9)  # the first multiplier of SplitMix64 (Steele et al., 2014)
_SHIFT = np.uint64(32)


def signature(shingles: NDArray[np.uint64]) -> NDArray[np.uint32]:
    """Returns the signature of a set of shingles.

    Args:
        shingles: At least one 64-bit hash, in any order.

    Returns:
        120 numbers.
    """
    upper = (shingles >> _SHIFT).astype(np.uint32)
    least = np.full(SLOTS, np.iinfo(np.uint32).max, np.uint32)
    for start in range(0, upper.size, _CHUNK):
        hashes = np.multiply.outer(_MULTIPLIERS, upper[start : start + _CHUNK])
        np.minimum(least, hashes.min(axis=1), out=least)
    return least


def band_keys(signatures: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """Hashes the bands of signatures; the band's number goes in, so that bands never meet.

    Args:
        signatures: One signature a row: n by 120.

    Returns:
        One key a band: n by 20.
    """
    slots = signatures.reshape(-1, BANDS, ROWS).astype(np.uint64)
    keys = np.broadcast_to(_SEEDS, slots.shape[:2]).copy()
    for row in range(ROWS):
        keys ^= slots[:, :, row]
        keys *= _MIX
        keys ^= keys >> _SHIFT
    return keys
