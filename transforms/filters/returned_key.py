"""Finds answers in which the server returned our key, which the client masked."""

from __future__ import annotations

from collections.abc import Iterator

from transforms.filters.codes import FindingCode
from transforms.filters.rules import Candidate, Finding, NoSettings, Rule, Span
from transforms.transport.masking import MASK


def find_returned_key(candidate: Candidate, settings: NoSettings) -> Iterator[Finding]:
    """Finds the first mask in each part of an answer."""
    for part, text in candidate.answer_parts():
        start = text.find(MASK)
        if start >= 0:
            span = Span(part, start, start + len(MASK))
            yield Finding(FindingCode.RETURNED_KEY, "the server returned the key", span=span)


RETURNED_KEY = Rule("returned_key", 1, "tag", (FindingCode.RETURNED_KEY,), find_returned_key)
