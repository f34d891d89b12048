"""Chooses among the samples of one prompt, independent of their order.

Of two equal scores, the lower id is better. A sample without a score is the worst, and is in no
pair.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from transforms.choosing.samples import Sample


class Pair(NamedTuple):
    """A better and a worse answer to one prompt."""

    chosen: Sample
    rejected: Sample


def ranked(samples: Iterable[Sample], *, lowest: bool) -> list[Sample]:
    """Returns samples from the best to the worst.

    Args:
        samples: Samples of one prompt.
        lowest: Whether lower scores are better.
    """

    def rank(sample: Sample) -> tuple[bool, float, bytes]:
        score = sample.score or 0.0
        return sample.score is None, score if lowest else -score, sample.id

    return sorted(samples, key=rank)


def choose_best(
    samples: Sequence[Sample], keep: int, *, lowest: bool
) -> tuple[list[Sample], list[Sample]]:
    """Chooses the best samples of a prompt.

    Args:
        samples: Its samples, at least one.
        keep: How many to keep.
        lowest: Whether lower scores are better.

    Returns:
        The samples to keep, the best first; and the others.
    """
    best = ranked(samples, lowest=lowest)
    return best[:keep], best[keep:]


def choose_pairs(samples: Sequence[Sample], gap: float, *, lowest: bool, every: bool) -> list[Pair]:
    """Pairs the best sample of a prompt with worse ones.

    The chosen side is the best accepted sample. A sample with the same text is not paired with it.

    Args:
        samples: Samples of one prompt, accepted or not.
        gap: Least difference of the two scores.
        lowest: Whether lower scores are better.
        every: Whether to pair the best sample with every worse one, or with the worst alone.

    Returns:
        The pairs; empty if no sample is worse by `gap`.
    """
    scored = [s for s in ranked(samples, lowest=lowest) if s.score is not None]
    best = next((sample for sample in scored if sample.accepted), None)
    if best is None:
        return []
    worse = [
        sample
        for sample in scored
        if _reaches(_ahead(best, sample, lowest=lowest), gap) and sample.text != best.text
    ]
    if worse and not every:
        worse = [max(worse, key=lambda sample: _ahead(best, sample, lowest=lowest))]
    return [Pair(best, sample) for sample in worse]


def _ahead(best: Sample, other: Sample, *, lowest: bool) -> float:
    """Returns by how much one score is better than another."""
    difference = (best.score or 0.0) - (other.score or 0.0)
    return -difference if lowest else difference


def _reaches(difference: float, gap: float) -> bool:
    """Whether a difference is at least a gap, despite rounding: 0.3 - 0.1 is less than 0.2."""
    return difference >= gap or math.isclose(difference, gap, rel_tol=1e-9)
