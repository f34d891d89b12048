"""Chooses among the samples of one prompt: pure functions, whatever the order of the samples.

Of equal scores the lower id is better, so that content alone decides. A sample that nothing scored
is worse than any other, and stands in no pair.
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
        samples: Its samples, one at least.
        keep: How many are kept.
        lowest: Whether lower scores are better.

    Returns:
        Those that are kept, the best first; and the others.
    """
    best = ranked(samples, lowest=lowest)
    return best[:keep], best[keep:]


def choose_pairs(samples: Sequence[Sample], gap: float, *, lowest: bool, every: bool) -> list[Pair]:
    """Pairs the best sample of a prompt with worse ones.

    The chosen side is the best of the accepted ones. What reads like it is no worse answer,
    whatever it scores.

    Args:
        samples: Samples of one prompt, accepted or not.
        gap: By how much the better score is better, at least.
        lowest: Whether lower scores are better.
        every: Whether the best is paired with every worse one, or with the worst alone.

    Returns:
        The pairs, none where no sample is so much worse.
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
    """Whether a difference is a gap, though 0.3 - 0.1 falls short of 0.2 in the last digit."""
    return difference >= gap or math.isclose(difference, gap, rel_tol=1e-9)
