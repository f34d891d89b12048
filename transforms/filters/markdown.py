"""Reads the little of Markdown that rules need: where code stands, and what prose is left."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

# A line that opens or closes a fence, be it inside a quotation or a list item.
_FENCE_LINE = re.compile(
    r"^[ \t>]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)*(?P<mark>`{3,}|~{3,})(?P<info>[^\n]*)$", re.MULTILINE
)
_INLINE_CODE = re.compile(r"(?<!`)(`{1,2})(?!`)[^\n]{1,2000}?(?<!`)\1(?!`)")
_MATHS = re.compile(
    r"\$\$.{1,2000}?\$\$|\\\[.{1,2000}?\\\]|\\\(.{1,1000}?\\\)|(?<![\\$])\$[^$\n]{1,300}\$",
    re.DOTALL,
)
_ADDRESS = re.compile(r"(?:https?://|www\.)[^\s<>)\]]+")
_TAG = re.compile(r"</?[a-zA-Z][^<>]{0,200}>")


@dataclass(frozen=True, slots=True)
class Fence:
    """A fenced block of code.

    Attributes:
        info: What stands behind the opening marks, as a rule the language; "" for nothing.
        start: Where the line that opens it starts, in characters.
        body_start: Where its content starts.
        body_end: Where its content ends, the end excluded.
        end: Where the line that closes it ends; the end of the text where none does.
        closed: Whether a line closes it.
    """

    info: str
    start: int
    body_start: int
    body_end: int
    end: int
    closed: bool


@dataclass(frozen=True, slots=True)
class _FenceLine:
    mark: str
    info: str
    start: int
    end: int

    def closes(self, opening: _FenceLine) -> bool:
        """CommonMark 0.31, 4.5: the same sign, at least as many, and nothing behind them."""
        return not self.info and self.mark.startswith(opening.mark)


def fences(text: str) -> list[Fence]:
    """Returns the fenced blocks of a text, in order, as CommonMark reads them."""
    found: list[Fence] = []
    opening: _FenceLine | None = None
    for line in _fence_lines(text):
        if opening is None:
            opening = line
        elif line.closes(opening):
            found.append(_fence(text, opening, line))
            opening = None
    if opening is not None:
        found.append(_fence(text, opening, None))
    return found


def unclosed_fence(text: str) -> int | None:
    """Returns where a fence starts that nothing closes, or None.

    Models often put fenced blocks inside a fenced block of the same marks. CommonMark ends the
    outer one at the first inner end; a reader nests them. A text is whole if it is in either
    reading, or if all that is open is the bare mark at its very end.

    Args:
        text: A completion.

    Returns:
        The position in characters of the line that opens it.
    """
    lines = _fence_lines(text)
    plain = fences(text)
    if not plain or plain[-1].closed or _is_whole_nested(lines):
        return None
    last = lines[-1]
    is_bare_end = last.start == plain[-1].start and not last.info
    if is_bare_end and len(lines) > 1 and not text[last.end :].strip():
        return None
    return plain[-1].start


def prose(text: str) -> str:
    """Returns a text without code, formulas, addresses and tags: what a language shows in."""
    text = without_code(text)
    if "$" in text or "\\" in text:
        text = _MATHS.sub(" ", text)
    if "://" in text or "www." in text:
        text = _ADDRESS.sub(" ", text)
    return _TAG.sub(" ", text) if "<" in text else text


def without_code(text: str) -> str:
    """Returns a text with blanks in place of all code, so that positions stay as they are."""
    if "`" not in text and "~~~" not in text:
        return text
    pieces: list[str] = []
    end = 0
    for fence in fences(text):
        pieces += [text[end : fence.start], " " * (fence.end - fence.start)]
        end = fence.end
    pieces.append(text[end:])
    return _INLINE_CODE.sub(lambda code: " " * len(code.group()), "".join(pieces))


def _fence_lines(text: str) -> list[_FenceLine]:
    if "```" not in text and "~~~" not in text:
        return []
    return list(_read_fence_lines(text))


def _read_fence_lines(text: str) -> Iterator[_FenceLine]:
    for match in _FENCE_LINE.finditer(text):
        mark, info = match["mark"], match["info"].strip()
        if mark[0] == "~" or "`" not in info:  # else it is code within a line
            yield _FenceLine(mark, info, match.start(), match.end())


def _fence(text: str, opening: _FenceLine, closing: _FenceLine | None) -> Fence:
    body_start = min(opening.end + 1, len(text))
    if closing is None:
        return Fence(opening.info, opening.start, body_start, len(text), len(text), False)
    return Fence(opening.info, opening.start, body_start, closing.start, closing.end, True)


def _is_whole_nested(lines: list[_FenceLine]) -> bool:
    open_lines: list[_FenceLine] = []
    for line in lines:
        if open_lines and line.closes(open_lines[-1]):
            open_lines.pop()
        elif not open_lines or line.info:
            open_lines.append(line)
    return not open_lines
