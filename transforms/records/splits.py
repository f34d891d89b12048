"""Cuts a corpus into splits, by prompt: all samples of a prompt go the same way."""

from __future__ import annotations

from collections.abc import Mapping

_DIGITS = 13  # hex digits of an id that a float holds exactly: 52 bits


def split_of(prompt_id: str, splits: Mapping[str, float]) -> str:
    """Returns the split that a prompt belongs to.

    The id, a digest, serves as a number between 0 and 1, so that a prompt's split depends on
    nothing but itself and the shares: adding prompts moves none.

    Args:
        prompt_id: SHA-256 in hex.
        splits: Share of each split, in order; sums to 1.

    Returns:
        The name of a split.
    """
    position = int(prompt_id[-_DIGITS:], 16) / 16**_DIGITS
    reached = 0.0
    for name, share in splits.items():
        reached += share
        if position < reached:
            return name
    return name
