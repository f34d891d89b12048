"""A rule's settings have the types of its dataclass, and mistakes are reported together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import pytest

from schemas.errors import InputError
from transforms.filters.settings import read_settings


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of every kind that a rule of someone else may have."""

    share: float | None = None
    words: tuple[str, ...] = ()
    mode: Literal["strict", "lenient"] = "strict"
    weights: dict[str, float] | None = None
    limit: int | str = 3

    def __post_init__(self) -> None:
        if self.share == 0:
            raise ValueError("share: 0 finds everything")


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({}, Settings()),
        ({"share": None}, Settings()),
        ({"share": 1}, Settings(share=1.0)),
        ({"words": "one"}, Settings(words=("one",))),
        ({"words": ["one", "two"]}, Settings(words=("one", "two"))),
        ({"mode": "lenient"}, Settings(mode="lenient")),
        ({"weights": {"a": 0.5}}, Settings(weights={"a": 0.5})),
        ({"limit": "all"}, Settings(limit="all")),
    ],
)
def test_settings_are_read_by_the_types_of_the_dataclass(
    written: dict[str, Any], expected: Settings
) -> None:
    assert read_settings("rule", Settings(), written, "run.yaml:3") == expected


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ({"share": True}, ["rule.share: wrong type", "found true", "a number or null"]),
        ({"share": "half"}, ["rule.share: wrong type", 'found "half"']),
        ({"share": 0}, ["make no sense", "0 finds everything"]),
        ({"mode": "strikt"}, ["rule.mode", "strict, lenient", "did you mean 'strict'"]),
        ({"words": [1]}, ["rule.words.0: wrong type", "a text"]),
        ({"weights": {"a": "b"}}, ["rule.weights.a: wrong type", "a number"]),
        ({"shere": 1, "mode": 2}, ["did you mean 'share'", "rule.mode"]),
    ],
)
def test_mistaken_settings_are_reported_with_line_and_nearest_name(
    written: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(InputError) as refused:
        read_settings("rule", Settings(), written, "run.yaml:3")
    message = str(refused.value)
    assert message.startswith("run.yaml:3: ")
    assert all(word in message for word in words), message
