"""The figures of stages: added up, written as JSON and read again."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import fields

import pytest

from schemas.progress import StageFigures

ALL = StageFigures(
    asked=1,
    from_ledger=2,
    failed=3,
    withheld=8,
    judged=4,
    accepted=5,
    rejected=Counter({"refusal": 6, "language": 7}),
    completion_tokens=8,
    usd=0.5,
)


def test_figures_are_read_as_they_were_written() -> None:
    assert StageFigures.decode(ALL.encode()) == ALL
    assert StageFigures.decode(StageFigures().encode()) == StageFigures()


def test_every_figure_is_added_up() -> None:
    assert ALL + StageFigures() == ALL
    assert (
        StageFigures(
            asked=2,
            from_ledger=4,
            failed=6,
            withheld=16,
            judged=8,
            accepted=10,
            rejected=Counter({"refusal": 12, "language": 14}),
            completion_tokens=16,
            usd=1.0,
        )
        == ALL + ALL
    )
    assert all(getattr(ALL, each.name) for each in fields(ALL))  # the sum above has them all


def test_an_unknown_figure_is_ignored_and_a_missing_one_is_zero() -> None:
    data = json.dumps({"asked": 3, "of_a_later_version": {"any": "value"}}).encode()
    assert StageFigures.decode(data) == StageFigures(asked=3)


@pytest.mark.parametrize("data", [b"", b'{"asked": 3', b"[1]", b"\xff"])
def test_a_broken_file_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        StageFigures.decode(data)
