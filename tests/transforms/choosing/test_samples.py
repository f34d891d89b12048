"""Samples: their scores, and their rows by prompt."""

from __future__ import annotations

import math
import random
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from schemas.inputs.quality import BestOf, Preferences
from schemas.records import RecordedFinding
from tests.corpus_builder import make_record
from tests.transforms.choosing.drawn_samples import ids, some_samples
from transforms.choosing.samples import (
    Sample,
    by_prompt,
    lowest_is_best,
    score_of,
    split_samples,
)


@given(some_samples(prompts=6), st.randoms())
def test_samples_are_read_back_by_prompt(samples: list[Sample], order: random.Random) -> None:
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


def test_a_rule_s_score_is_the_sum_of_its_own_findings() -> None:
    record = make_record(1)
    findings = (finding("a", 2.5), finding("b", 9.0), finding("a", None))
    found = replace(record, provenance=replace(record.provenance, filters=findings))
    assert score_of(found, "a") == 3.5
    assert score_of(found, "c") == 0
    broken = replace(
        record, provenance=replace(record.provenance, filters=(finding("a", math.nan),))
    )
    assert score_of(broken, "a") is None


def test_higher_is_better_for_a_judge_and_lower_for_a_rule_by_default() -> None:
    assert not lowest_is_best(BestOf(by="judge"))
    assert lowest_is_best(Preferences(by="length", gap=1))
    assert lowest_is_best(BestOf(by="judge", prefer="lowest"))
    assert not lowest_is_best(BestOf(by="length", prefer="highest"))
