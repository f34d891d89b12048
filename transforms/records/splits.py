"""Assigns prompts to splits: all samples of a prompt are in the same split."""

from __future__ import annotations

from collections.abc import Mapping

_DIGITS = 13  # hex digits of an id that a float holds exactly: 52 bits


def split_of(prompt_id: str, splits: Mapping[str, float]) -> str:
    """Returns the split of a prompt.

    The end of the id, a digest, is read as a number from 0 to 1 and compared with the shares. So a
    prompt's split depends on the prompt and the shares alone, and adding prompts moves none.

    Args:
        prompt_id: SHA-256 in hex.
        splits: Share of each split, in order; they add up to 1.

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
