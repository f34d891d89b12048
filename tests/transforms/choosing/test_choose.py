"""Choosing the best samples of a prompt, and pairs of samples."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from tests.transforms.choosing.drawn_samples import ids, some_samples
from transforms.choosing.choose import choose_best, choose_pairs
from transforms.choosing.samples import (
    Sample,
)


def sample(number: int, score: float | None, *, accepted: bool = True, text: int = -1) -> Sample:
    name = bytes([number])
    text = number if text < 0 else text
    return Sample(bytes(32), name * 32, bytes([text]) * 16, score, accepted)


def ahead(one: Sample, other: Sample, *, lowest: bool) -> float:
    assert one.score is not None
    assert other.score is not None
    return other.score - one.score if lowest else one.score - other.score


@given(some_samples(), st.integers(1, 6), st.booleans(), st.randoms(use_true_random=False))
def test_each_sample_is_kept_or_rejected_in_any_order(
    samples: list[Sample], keep: int, lowest: bool, order: random.Random
) -> None:
    kept, lost = choose_best(samples, keep, lowest=lowest)
    assert sorted(ids(kept + lost)) == sorted(ids(samples))
    assert len(kept) == min(keep, len(samples))
    order.shuffle(samples)
    assert choose_best(samples, keep, lowest=lowest) == (kept, lost)


@given(some_samples(), st.integers(1, 6), st.booleans())
def test_no_rejected_sample_is_better_than_a_kept_one(
    samples: list[Sample], keep: int, lowest: bool
) -> None:
    kept, lost = choose_best(samples, keep, lowest=lowest)
    for one in kept:
        for other in lost:
            if one.score is None:
                assert other.score is None
            elif other.score is not None:
                assert ahead(one, other, lowest=lowest) >= 0
                assert one.score != other.score or one.id < other.id


@given(some_samples(), st.floats(0.25, 10), st.booleans(), st.booleans(), st.randoms())
def test_the_chosen_side_is_accepted_and_better_by_the_gap_in_any_order(
    samples: list[Sample], gap: float, lowest: bool, every: bool, order: random.Random
) -> None:
    pairs = choose_pairs(samples, gap, lowest=lowest, every=every)
    for chosen, rejected in pairs:
        assert chosen.accepted
        assert ahead(chosen, rejected, lowest=lowest) >= gap * (1 - 1e-8)
        assert chosen.text != rejected.text
    sides = [pair.rejected for pair in pairs]
    assert len({side.id for side in sides}) == len(sides)
    assert len({pair.chosen.id for pair in pairs}) <= 1
    assert every or len(pairs) <= 1
    order.shuffle(samples)
    assert choose_pairs(samples, gap, lowest=lowest, every=every) == pairs


@given(some_samples(), st.floats(0.25, 10), st.booleans())
def test_one_pair_is_the_widest_of_all_pairs(
    samples: list[Sample], gap: float, lowest: bool
) -> None:
    every = choose_pairs(samples, gap, lowest=lowest, every=True)
    one = choose_pairs(samples, gap, lowest=lowest, every=False)
    assert bool(one) == bool(every)
    for pair in one:
        assert pair in every
        widest = max(ahead(*other, lowest=lowest) for other in every)
        assert ahead(*pair, lowest=lowest) == widest


def test_of_equal_scores_the_lower_id_is_better() -> None:
    samples = [sample(3, 1), sample(1, 1), sample(2, 1)]
    assert ids(choose_best(samples, 1, lowest=True)[0]) == [bytes([1]) * 32]
    worst = [sample(1, 0), sample(3, 5), sample(2, 5)]
    (pair,) = choose_pairs(worst, 1, lowest=True, every=False)
    assert pair.rejected.id == bytes([2]) * 32


def test_a_sample_without_a_score_is_the_worst_and_is_in_no_pair() -> None:
    samples = [sample(1, None), sample(2, -100.0)]
    assert choose_best(samples, 1, lowest=False)[0] == [samples[1]]
    assert choose_pairs(samples, 1, lowest=False, every=True) == []
    assert choose_pairs([sample(1, None)], 1, lowest=False, every=True) == []


def test_a_rejected_answer_is_never_the_chosen_side() -> None:
    samples = [sample(1, 0, accepted=False), sample(2, 3), sample(3, 9, accepted=False)]
    (pair,) = choose_pairs(samples, 1, lowest=True, every=True)
    assert (pair.chosen, pair.rejected) == (samples[1], samples[2])


def test_two_equal_texts_make_no_pair() -> None:
    samples = [sample(1, 0), sample(2, 3), sample(3, 9, text=1)]
    (pair,) = choose_pairs(samples, 1, lowest=True, every=False)
    assert pair.rejected == samples[1]


def test_a_gap_is_reached_despite_rounding() -> None:
    assert 0.3 - 0.1 < 0.2
    assert choose_pairs([sample(1, 0.3), sample(2, 0.1)], 0.2, lowest=False, every=False)
