"""Laws of choosing among the samples of a prompt."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from schemas.inputs.quality import BestOf, Preferences
from schemas.records import RecordedFinding
from tests.corpus_builder import make_record
from transforms.choosing.choose import choose_best, choose_pairs
from transforms.choosing.samples import (
    Sample,
    by_prompt,
    lowest_is_best,
    score_of,
    split_samples,
)

SCORES = st.one_of(st.none(), st.sampled_from([-1.0, 0.0, 0.5, 2.0]), st.floats(-1e6, 1e6))


@st.composite
def some_samples(draw: st.DrawFn, prompts: int = 1) -> list[Sample]:
    """Draws samples, with equal scores and equal texts among them."""
    ids = draw(st.sets(st.binary(min_size=32, max_size=32), min_size=1, max_size=12))
    return [
        Sample(
            prompt=bytes([draw(st.integers(0, prompts - 1)) * 37]) * 32,
            id=name,
            text=bytes([draw(st.integers(0, 5))]) * 16,
            score=draw(SCORES),
            accepted=draw(st.booleans()),
        )
        for name in sorted(ids)
    ]


def sample(number: int, score: float | None, *, accepted: bool = True, text: int = -1) -> Sample:
    name = bytes([number])
    text = number if text < 0 else text
    return Sample(bytes(32), name * 32, bytes([text]) * 16, score, accepted)


def ahead(one: Sample, other: Sample, *, lowest: bool) -> float:
    assert one.score is not None
    assert other.score is not None
    return other.score - one.score if lowest else one.score - other.score


def ids(samples: Iterable[Sample]) -> list[bytes]:
    return [sample.id for sample in samples]


@given(some_samples(), st.integers(1, 6), st.booleans(), st.randoms(use_true_random=False))
def test_each_sample_is_kept_or_lost_whatever_the_order(
    samples: list[Sample], keep: int, lowest: bool, order: random.Random
) -> None:
    kept, lost = choose_best(samples, keep, lowest=lowest)
    assert sorted(ids(kept + lost)) == sorted(ids(samples))
    assert len(kept) == min(keep, len(samples))
    order.shuffle(samples)
    assert choose_best(samples, keep, lowest=lowest) == (kept, lost)


@given(some_samples(), st.integers(1, 6), st.booleans())
def test_none_that_is_lost_is_better_than_one_that_is_kept(
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
def test_pairs_prefer_an_accepted_answer_by_the_gap_at_least_whatever_the_order(
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


def test_what_nothing_scored_is_never_before_what_has_a_score_and_makes_no_pair() -> None:
    samples = [sample(1, None), sample(2, -100.0)]
    assert choose_best(samples, 1, lowest=False)[0] == [samples[1]]
    assert choose_pairs(samples, 1, lowest=False, every=True) == []
    assert choose_pairs([sample(1, None)], 1, lowest=False, every=True) == []


def test_a_better_answer_that_was_rejected_is_no_chosen_side() -> None:
    samples = [sample(1, 0, accepted=False), sample(2, 3), sample(3, 9, accepted=False)]
    (pair,) = choose_pairs(samples, 1, lowest=True, every=True)
    assert (pair.chosen, pair.rejected) == (samples[1], samples[2])


def test_what_reads_alike_is_no_worse_answer() -> None:
    samples = [sample(1, 0), sample(2, 3), sample(3, 9, text=1)]
    (pair,) = choose_pairs(samples, 1, lowest=True, every=False)
    assert pair.rejected == samples[1]


def test_a_gap_is_reached_though_the_last_digit_is_lost() -> None:
    assert 0.3 - 0.1 < 0.2
    assert choose_pairs([sample(1, 0.3), sample(2, 0.1)], 0.2, lowest=False, every=False)


@given(some_samples(prompts=6), st.randoms())
def test_samples_come_back_from_their_rows_by_prompt(
    samples: list[Sample], order: random.Random
) -> None:
    order.shuffle(samples)
    parts = [rows for _, rows in split_samples(samples)]
    back = [group for rows in parts for group in by_prompt(rows)]
    assert sorted(s for group in back for s in ids(group)) == sorted(ids(samples))
    assert {s for group in back for s in group} == set(samples)
    prompts = [{s.prompt for s in group} for group in back]
    assert all(len(found) == 1 for found in prompts)
    assert len(prompts) == len({s.prompt for s in samples})


def test_no_samples_make_no_rows() -> None:
    assert list(split_samples([])) == []


def finding(rule: str, value: float | None, action: str = "tag") -> RecordedFinding:
    return RecordedFinding(rule=rule, version=1, code=rule, action=action, value=value, finding="")


def test_a_rule_scores_the_sum_of_what_it_found_and_nothing_else() -> None:
    record = make_record(1)
    findings = (finding("a", 2.5), finding("b", 9.0), finding("a", None))
    found = replace(record, provenance=replace(record.provenance, filters=findings))
    assert score_of(found, "a") == 3.5
    assert score_of(found, "c") == 0
    broken = replace(
        record, provenance=replace(record.provenance, filters=(finding("a", math.nan),))
    )
    assert score_of(broken, "a") is None


def test_a_judge_s_scores_go_up_and_a_rule_s_down_unless_the_run_says_otherwise() -> None:
    assert not lowest_is_best(BestOf(by="judge"))
    assert lowest_is_best(Preferences(by="length", gap=1))
    assert lowest_is_best(BestOf(by="judge", prefer="lowest"))
    assert not lowest_is_best(BestOf(by="length", prefer="highest"))
