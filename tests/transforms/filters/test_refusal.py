"""Refusals are found by how answers open, in English and three more languages."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from transforms.filters.refusal import find_refusal
from transforms.filters.rules import Candidate, NoSettings

LABELLED = Path(__file__).parents[2] / "data" / "refusals.jsonl"


def _is_refusal(text: str) -> bool:
    return any(find_refusal(Candidate((), text), NoSettings()))


def test_precision_and_recall_hold_on_the_labelled_answers() -> None:
    rows = [json.loads(line) for line in LABELLED.read_text(encoding="utf-8").splitlines()]
    assert len(rows) >= 300
    assert len({row["text"] for row in rows}) == len(rows)
    found = [row for row in rows if _is_refusal(row["text"])]
    right = sum(row["refusal"] for row in found)
    assert right / len(found) >= 0.95
    assert right / sum(row["refusal"] for row in rows) >= 0.80


def test_a_refusal_that_the_api_reports_counts_whatever_the_text_says() -> None:
    (found,) = find_refusal(Candidate((), "", refusal="I can't do that."), NoSettings())
    assert (found.code, found.span) == ("refusal", None)


def test_a_refusal_further_down_is_not_one() -> None:
    opening = "Here are two ways to say no. "
    assert not _is_refusal(opening + "I'm sorry, but I can't help with that.")


@pytest.mark.parametrize("unit", ["i see, but ", "sorry, ", "but however, ", "i am an ai and "])
def test_no_opening_takes_long(unit: str) -> None:
    started = time.process_time()
    _is_refusal(unit * 1_000)
    assert time.process_time() - started < 0.5
