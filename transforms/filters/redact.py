"""Takes what rules point at out of a record, and puts a placeholder in its place.

A placeholder names what stood there, `[EMAIL]`. Within a record one value has one placeholder, and
further values of the same kind are numbered: `[EMAIL_2]`. So a record that copies a letter to two
people still tells them apart, and an answer still names what its prompt named.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from transforms.filters.rules import Candidate, Finding, Span


@dataclass(frozen=True, slots=True)
class _Placeholders:
    """The placeholders of one record, given out in the order in which its values are met."""

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
    """Returns a candidate without what was found in it.

    Spans that overlap or lie within one another go as one, named for the longest of them. Turns,
    answer and reasoning are met in that order, so that all samples of a prompt have one prompt.

    Args:
        candidate: A record in the making.
        found: What is to go; each with a span, as characters of the candidate's own texts.

    Returns:
        The same candidate with other texts. What was worked out of them before is not mended.
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
    for span, code in _apart(spans):
        yield text[end : span.start]
        yield placeholders.of(code, text[span.start : span.end])
        end = span.end
    yield text[end:]


def _apart(spans: list[tuple[Span, str]]) -> list[tuple[Span, str]]:
    """Returns the spans of one part in order, with those that overlap made one."""
    apart: list[tuple[Span, str]] = []
    longest = 0
    for span, code in sorted(spans, key=lambda it: (it[0].start, -it[0].end)):
        if not apart or span.start >= apart[-1][0].end:
            apart.append((span, code))
            longest = span.end - span.start
            continue
        whole, name = apart[-1]
        if span.end - span.start > longest:
            name, longest = code, span.end - span.start
        apart[-1] = (whole._replace(end=max(whole.end, span.end)), name)
    return apart
