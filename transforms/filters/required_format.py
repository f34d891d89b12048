"""Finds answers without the required format. Off until a run file sets one.

For JSON there is `json_schema`. RE2 runs the patterns, in time proportional to the text for any
pattern: no timeout is needed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from schemas.errors import Problem
from transforms.filters.codes import FindingCode
from transforms.filters.rules import Candidate, Finding, Rule

_SECTION = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


@dataclass(frozen=True, slots=True)
class RequiredFormatSettings:
    """Settings of `required_format`. All must hold; spaces around the answer do not count.

    Attributes:
        pattern: Regular expression, in RE2's syntax, that the whole answer must match. A dot
            matches line ends only after `(?s)`.
        starts_with: The start of the answer.
        ends_with: The end of the answer.
        contains: Texts that the answer contains.
        sections: Names of tags. The answer starts with `<name>…</name>` for each, once, in this
            order, not empty and with only spaces between them. Any text may follow.
    """

    pattern: str = ""
    starts_with: str = ""
    ends_with: str = ""
    contains: tuple[str, ...] = ()
    sections: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Checks that the pattern and the names of sections are valid."""
        if self.pattern:
            _search(self.pattern, "")
        for name in self.sections:
            if not _SECTION.fullmatch(name):
                raise ValueError(f"sections: {name!r} is not a name of a tag like 'think'")


def find_wrong_format(candidate: Candidate, settings: RequiredFormatSettings) -> Iterator[Finding]:
    """Finds an answer without the required format, and reports the first difference."""
    text = candidate.completion.strip()
    wrong = next(_wrong(text, settings), None)
    if wrong is not None:
        yield Finding(FindingCode.WRONG_FORMAT, f"the answer {wrong}")


def _wrong(text: str, settings: RequiredFormatSettings) -> Iterator[str]:
    yield from _wrong_sections(text, settings.sections)
    if not text.startswith(settings.starts_with):
        yield f"does not start with {settings.starts_with!r}"
    if not text.endswith(settings.ends_with):
        yield f"does not end with {settings.ends_with!r}"
    for part in settings.contains:
        if part not in text:
            yield f"does not contain {part!r}"
    if settings.pattern and not _search(rf"\A(?:{settings.pattern})\z", text):
        yield f"does not match {settings.pattern!r}"


def _wrong_sections(text: str, sections: tuple[str, ...]) -> Iterator[str]:
    rest = text
    for name in sections:
        start, end = f"<{name}>", f"</{name}>"
        body, closed, after = rest.removeprefix(start).partition(end)
        if not rest.startswith(start):
            yield f"has no {start} where it belongs"
        if not closed or not body.strip():
            yield f"has nothing between {start} and {end}"
        if text.count(start) > 1 or text.count(end) > 1:
            yield f"has more than one {start}"
        rest = after.lstrip()


def _search(pattern: str, text: str) -> bool:
    import pyarrow as pa  # loaded only if needed: most runs require no format
    import pyarrow.compute as pc

    whole = pa.scalar(text.encode("utf-8", "replace"), pa.string())  # a lone surrogate has no UTF-8
    try:
        return bool(pc.match_substring_regex(whole, pattern).as_py())
    except pa.ArrowInvalid as error:
        raise ValueError(f"pattern: {error}") from None


def _nothing_required(settings: RequiredFormatSettings) -> Problem | None:
    if settings != RequiredFormatSettings():
        return None
    return Problem(
        "the rule 'required_format' requires nothing",
        expected="at least one of pattern, starts_with, ends_with, contains, sections",
    )


REQUIRED_FORMAT = Rule(
    "required_format",
    1,
    "drop",
    (FindingCode.WRONG_FORMAT,),
    find_wrong_format,
    RequiredFormatSettings(),
    check=_nothing_required,
)
