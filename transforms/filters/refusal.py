"""Finds answers in which the teacher declines to answer.

Refusals are at the start of an answer; a later "I cannot" is mostly about something else. So the
patterns are anchored: a few polite openings, then the words that decline.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from transforms.filters.codes import FindingCode
from transforms.filters.refusal_phrases import PHRASES
from transforms.filters.rules import Candidate, Finding, NoSettings, Rule, Span

_HEAD_CHARACTERS = 600
_MAX_OPENINGS = 5
_ORNAMENTS = str.maketrans({"’": "'", "‘": "'", "*": " ", "_": " ", "#": " ", ">": " "})

_REFUSAL = re.compile(
    "|".join(
        rf"(?:(?:{'|'.join(openings)})[ ,.;:!–—-]*){{0,{_MAX_OPENINGS}}}(?:{'|'.join(declining)})"
        for openings, declining in PHRASES.values()
    )
)


def find_refusal(candidate: Candidate, settings: NoSettings) -> Iterator[Finding]:
    """Finds an answer that declines, by the API's report or by its first words."""
    if candidate.refusal:
        yield Finding(FindingCode.REFUSAL, "the API reports a refusal")
        return
    head = candidate.completion[:_HEAD_CHARACTERS]
    words = " ".join(head.translate(_ORNAMENTS).lower().split())
    if _REFUSAL.match(words.lstrip("\"'-– ")):
        yield Finding(
            FindingCode.REFUSAL,
            "the answer opens by declining",
            span=Span("completion", 0, len(head)),
        )


REFUSAL = Rule("refusal", 1, "tag", (FindingCode.REFUSAL,), find_refusal)
