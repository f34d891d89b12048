"""A rule of your own: finds answers that are written in capitals."""

from collections.abc import Iterator
from dataclasses import dataclass

from stillroom import Candidate, Finding, Rule


@dataclass(frozen=True, slots=True)
class ShoutingSettings:
    """Settings of `shouting`.

    Attributes:
        min_letters: Fewer letters than this are no shouting: an abbreviation has capitals too.
    """

    min_letters: int = 20


def find_shouting(candidate: Candidate, settings: ShoutingSettings) -> Iterator[Finding]:
    """Finds an answer without a single small letter."""
    letters = [sign for sign in candidate.completion if sign.isalpha()]
    if len(letters) >= settings.min_letters and candidate.completion.isupper():
        yield Finding("all_capitals", "the whole answer is in capitals", value=len(letters))


SHOUTING = Rule("shouting", 1, "tag", ("all_capitals",), find_shouting, ShoutingSettings())
