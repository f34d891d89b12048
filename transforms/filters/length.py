"""Finds answers that are too short or too long. Off until a run file sets a bound."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from schemas.errors import Problem
from transforms.filters.codes import FindingCode
from transforms.filters.rules import Candidate, Finding, Rule
from transforms.text import words


@dataclass(frozen=True, slots=True)
class LengthSettings:
    """Settings of `length`; None sets no bound.

    Attributes:
        min_words: Fewest words; in scripts without spaces, characters.
        max_words: Most words.
        min_tokens: Fewest tokens, as counted by stillroom.
        max_tokens: Most tokens.
    """

    min_words: int | None = None
    max_words: int | None = None
    min_tokens: int | None = None
    max_tokens: int | None = None

    def __post_init__(self) -> None:
        """Checks that no lower bound is above its upper bound."""
        for unit, low, high in (
            ("words", self.min_words, self.max_words),
            ("tokens", self.min_tokens, self.max_tokens),
        ):
            if low is not None and high is not None and low > high:
                raise ValueError(f"min_{unit} {low} is more than max_{unit} {high}")


def find_length(candidate: Candidate, settings: LengthSettings) -> Iterator[Finding]:
    """Finds an answer that is too short or too long; tool calls alone are neither."""
    if candidate.only_calls:
        return
    if settings.min_words is not None or settings.max_words is not None:
        count = len(words(candidate.completion))
        yield from _outside(count, "words", settings.min_words, settings.max_words)
    yield from _outside(
        candidate.counted_tokens, "tokens", settings.min_tokens, settings.max_tokens
    )


def _needs_a_bound(settings: LengthSettings) -> Problem | None:
    if settings != LengthSettings():
        return None
    return Problem(
        "the rule 'length' without a bound finds nothing",
        expected="one of min_words, max_words, min_tokens, max_tokens, such as max_words: 400",
    )


def _outside(count: int, unit: str, low: int | None, high: int | None) -> Iterator[Finding]:
    if low is not None and count < low:
        yield Finding(
            FindingCode.TOO_SHORT, f"{count} {unit}, where at least {low} are wanted", count
        )
    if high is not None and count > high:
        yield Finding(
            FindingCode.TOO_LONG, f"{count} {unit}, where at most {high} are wanted", count
        )


LENGTH = Rule(
    "length",
    1,
    "drop",
    (FindingCode.TOO_SHORT, FindingCode.TOO_LONG),
    find_length,
    LengthSettings(),
    check=_needs_a_bound,
)
