"""Replaces what rules found in a record by placeholders.

A placeholder names the kind, `[EMAIL]`. Within a record each value has its own placeholder, and
further values of a kind are numbered: `[EMAIL_2]`. So two addresses stay distinct, and prompt and
answer name the same value alike.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from transforms.filters.rules import Candidate, Finding, Span


@dataclass(frozen=True, slots=True)
class _Placeholders:
    """The placeholders of one record, numbered in the order of its values."""

    given: defaultdict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))

    def of(self, code: str, value: str) -> str:
        known = self.given[code]
        # Letters and digits alone: an account number stays the same in groups of four.
        key = "".join(filter(str.isalnum, value)).casefold()
        if key not in known:
            number = f"_{len(known) + 1}" if known else ""
            known[key] = f"[{code.upper()}{number}]"
        return known[key]


def redact(candidate: Candidate, found: Iterable[Finding]) -> Candidate:
    """Returns a candidate with placeholders for what was found in it.

    Overlapping spans are replaced as one, named for the longest of them. The prompt is numbered
    first, so all samples of a prompt have the same redacted prompt.

    Args:
        candidate: A record that is being made.
        found: Findings with spans in the candidate's own texts; others are ignored.

    Returns:
        The candidate with other texts. Its language and token count are not updated.
    """
    spans: defaultdict[str, list[tuple[Span, str]]] = defaultdict(list)
    for it in found:
        if it.span is not None:
            spans[it.span.part].append((it.span, it.code))
    placeholders = _Placeholders()
    texts = {
        part: "".join(_pieces(text, spans[part], placeholders)) for part, text in candidate.parts()
    }
    return replace(
        candidate,
        messages=tuple(
            replace(turn, content=texts[f"message {number}"])
            for number, turn in enumerate(candidate.messages, 1)
        ),
        completion=texts["completion"],
        reasoning=texts.get("reasoning", ""),
        tool_calls=tuple(
            replace(call, arguments=texts[f"tool call {number}"])
            for number, call in enumerate(candidate.tool_calls, 1)
        ),
    )


def _pieces(text: str, spans: list[tuple[Span, str]], placeholders: _Placeholders) -> Iterator[str]:
    end = 0
    for span, code in _merged(spans):
        yield text[end : span.start]
        yield placeholders.of(code, text[span.start : span.end])
        end = span.end
    yield text[end:]


def _merged(spans: list[tuple[Span, str]]) -> list[tuple[Span, str]]:
    """Returns the spans of one part in order, with overlapping spans merged."""
    merged: list[tuple[Span, str]] = []
    longest = 0
    for span, code in sorted(spans, key=lambda it: (it[0].start, -it[0].end)):
        if not merged or span.start >= merged[-1][0].end:
            merged.append((span, code))
            longest = span.end - span.start
            continue
        whole, name = merged[-1]
        if span.end - span.start > longest:
            name, longest = code, span.end - span.start
        merged[-1] = (whole._replace(end=max(whole.end, span.end)), name)
    return merged
