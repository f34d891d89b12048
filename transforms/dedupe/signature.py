"""Signatures by which similar texts are found: MinHash with banding.

Slot i of a signature is the minimum of a_i * x modulo 2**32 over a text's shingles, where x is the
upper half of a shingle's hash and a_i a fixed odd number. x is uniform, so each shingle is equally
likely to give the minimum; a constant added to the product would not change that. Two texts of
Jaccard similarity s have equal values in a slot with probability s.

A band is the hash of six slots, and two texts are candidates if they share one of 20 bands. This
happens with probability 1 - (1 - s**6)**20: 0.9977 at s = 0.8, 0.9999 at 0.85, 0.0013 at 0.2.
Candidates are then compared exactly (`similarity`).

The specification is part of this project, since libraries change theirs between releases and a
stored index is used for longer.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

SPEC = "stillroom minhash 1"  # seeds the constants below; raise it to change signatures
BANDS = 20
ROWS = 6
SLOTS = BANDS * ROWS

_CHUNK = 1024  # shingles hashed at a time: at 120 slots of 4 bytes, 480 kB, which fits a cache


def _constants(name: str, count: int, width: int) -> NDArray[np.uint64]:
    """Returns constants from SHAKE-256 of their name, the same on every machine."""
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
        The 120 slots.
    """
    upper = (shingles >> _SHIFT).astype(np.uint32)
    least = np.full(SLOTS, np.iinfo(np.uint32).max, np.uint32)
    for start in range(0, upper.size, _CHUNK):
        hashes = np.multiply.outer(_MULTIPLIERS, upper[start : start + _CHUNK])
        np.minimum(least, hashes.min(axis=1), out=least)
    return least


def band_keys(signatures: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """Returns the band keys of signatures; each band has its own seed, so bands never share a key.

    Args:
        signatures: One signature in each row: n by 120.

    Returns:
        One 64-bit key for each band: n by 20.
    """
    slots = signatures.reshape(-1, BANDS, ROWS).astype(np.uint64)
    keys = np.broadcast_to(_SEEDS, slots.shape[:2]).copy()
    for row in range(ROWS):
        keys ^= slots[:, :, row]
        keys *= _MIX
        keys ^= keys >> _SHIFT
    return keys
