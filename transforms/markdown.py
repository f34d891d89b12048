"""Reads the parts of Markdown that rules need: code blocks, and the prose around them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

# A line that opens or closes a fence, also in a quotation or a list item.
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
        info: The text after the opening marks, mostly the language, or "".
        start: Start of the opening line, in characters.
        body_start: Start of the content.
        body_end: End of the content, not included.
        end: End of the closing line, or of the text if there is none.
        closed: Whether there is a closing line.
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
        """Whether it closes a fence: enough marks and no text after them (CommonMark 0.31, 4.5)."""
        return not self.info and self.mark.startswith(opening.mark)


def fences(text: str) -> list[Fence]:
    """Returns the fenced blocks of a text in order, as in CommonMark."""
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
    """Returns where a fence starts that is never closed, or None.

    Models often nest fenced blocks with the same marks. In CommonMark the outer block then ends
    at the first inner end; a reader sees them nested. A text is complete if all fences are closed
    in one of these readings, or if the open one is a bare mark at the very end.

    Args:
        text: A completion.

    Returns:
        The start of the opening line, in characters.
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
    """Returns a text without code, formulas, addresses and tags."""
    text = without_code(text)
    if "$" in text or "\\" in text:
        text = _MATHS.sub(" ", text)
    if "://" in text or "www." in text:
        text = _ADDRESS.sub(" ", text)
    return _TAG.sub(" ", text) if "<" in text else text


def without_code(text: str) -> str:
    """Returns a text with spaces in place of code, so positions do not change."""
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
        if mark[0] == "~" or "`" not in info:  # else it is inline code
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
