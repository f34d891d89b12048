"""Signatures and bands: fixed for good, since a persisted index depends on them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from transforms.dedupe.signature import BANDS, SLOTS, band_keys, signature

GOLDEN_SHINGLES = np.arange(1, 201, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)

HASHES = st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=50).map(
    lambda values: np.array(values, np.uint64)
)


def test_golden_signature() -> None:
    slots = signature(GOLDEN_SHINGLES)
    assert slots[:4].tolist() == [14825261, 1534040, 12390886, 15553481]
    assert int(slots.astype(np.uint64).sum()) == 3723048496


def test_golden_band_keys() -> None:
    keys = band_keys(signature(GOLDEN_SHINGLES))
    assert [f"{key:016x}" for key in keys[0, :2]] == ["823fd65a2575b5ee", "2812623ce093c239"]
    assert f"{np.bitwise_xor.reduce(keys[0]):016x}" == "4c71d9470d28a199"


@given(HASHES, HASHES)
def test_the_signature_of_a_union_is_the_least_of_both(
    one: np.ndarray[tuple[int], np.dtype[np.uint64]],
    other: np.ndarray[tuple[int], np.dtype[np.uint64]],
) -> None:
    least = np.minimum(signature(one), signature(other))
    assert np.array_equal(signature(np.concatenate((other, one))), least)


def test_a_long_text_is_hashed_in_chunks_to_the_same_signature() -> None:
    long = np.arange(5_000, dtype=np.uint64) << np.uint64(32)
    halves = [signature(half) for half in np.split(long, [2_345])]
    assert np.array_equal(signature(long), np.minimum(*halves))


def test_bands_with_equal_slots_have_keys_of_their_own() -> None:
    keys = band_keys(np.zeros((1, SLOTS), np.uint32))
    assert np.unique(keys).size == BANDS


def test_a_band_depends_on_its_own_six_slots_and_their_order() -> None:
    slots = np.arange(SLOTS, dtype=np.uint32)[np.newaxis]
    changed = slots.copy()
    changed[0, [6, 7]] = changed[0, [7, 6]]
    assert np.flatnonzero(band_keys(slots)[0] != band_keys(changed)[0]).tolist() == [1]
