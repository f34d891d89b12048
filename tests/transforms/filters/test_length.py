"""Bounds of length are kept in words and in tokens, each end included."""

from __future__ import annotations

import pytest

from transforms.filters.length import LengthSettings, find_length
from transforms.filters.rules import Candidate


@pytest.mark.parametrize(
    ("text", "counted", "settings", "expected"),
    [
        pytest.param("one two three", 0, LengthSettings(), [], id="no-bounds"),
        pytest.param("one two three", 0, LengthSettings(min_words=3), [], id="just-enough"),
        pytest.param(
            "one, two!", 0, LengthSettings(min_words=3), ["too_short"], id="signs-no-words"
        ),
        pytest.param("one two three", 0, LengthSettings(max_words=3), [], id="not-too-many"),
        pytest.param("one two three", 0, LengthSettings(max_words=2), ["too_long"], id="too-many"),
        pytest.param("三个字", 0, LengthSettings(min_words=3), [], id="characters-count-as-words"),
        pytest.param("x", 5, LengthSettings(min_tokens=6), ["too_short"], id="few-tokens"),
        pytest.param("x", 5, LengthSettings(max_tokens=4), ["too_long"], id="many-tokens"),
        pytest.param(
            "x", 9, LengthSettings(min_words=2, max_tokens=4), ["too_short", "too_long"], id="both"
        ),
    ],
)
def test_a_length_outside_the_bounds_is_found(
    text: str, counted: int, settings: LengthSettings, expected: list[str]
) -> None:
    found = find_length(Candidate((), text, counted_tokens=counted), settings)
    assert [it.code for it in found] == expected


def test_bounds_that_leave_nothing_make_no_sense() -> None:
    with pytest.raises(ValueError, match="min_words 5 is more than max_words 4"):
        LengthSettings(min_words=5, max_words=4)
