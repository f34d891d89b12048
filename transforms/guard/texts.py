"""Extracts the plain text of a document of terms, and its digest; markup changes neither.

python -m transforms.guard.texts FILE …     prints the digest of each file's plain text
"""

from __future__ import annotations

import re
import sys
import unicodedata
from html.parser import HTMLParser
from pathlib import Path

from schemas.canonical import sha256

# Elements whose text is not shown, or is the same on every page of a site.
_UNREAD = frozenset({"script", "style", "head", "template", "noscript", "nav", "svg"})
_LINK_TARGET = re.compile(r"\]\([^()\s]*(?:\s+\"[^\"]*\")?\)")
_RULES = re.compile(r"^[ \t]*(?:=+|-{3,}|(?:\*[ \t]*){3,})[ \t]*$", re.MULTILINE)
_BULLETS = re.compile(r"^[ \t>]*(?:[*+•-][ \t]+)+", re.MULTILINE)
_MARKS = re.compile(r"[*_`#>|\\~\[\]]+")
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")
_ALIKE = str.maketrans("‘’‚‛“”„«»–—‐‑−", '\'\'\'\'"""""-----')


class _Reader(HTMLParser):
    """Collects the text that a reader of the page sees."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._unread = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        self._unread += tag in _UNREAD
        self.parts.append(" ")

    def handle_endtag(self, tag: str) -> None:
        if tag in _UNREAD and self._unread:
            self._unread -= 1
        self.parts.append(" ")

    def handle_data(self, data: str) -> None:
        if not self._unread:
            self.parts.append(data)


def plain_text(data: bytes) -> str:
    """Returns the text of a document without its markup.

    HTML and Markdown are reduced to words: tags, link targets, rules, bullets and emphasis are
    removed, quotation marks and dashes become ASCII, and each run of blanks becomes one space.

    Args:
        data: A page or a file in UTF-8; other bytes are replaced.

    Returns:
        The words in order, one space between them.
    """
    reader = _Reader()
    reader.feed(_INVISIBLE.sub("", data.decode("utf-8", "replace")))
    reader.close()
    text = unicodedata.normalize("NFKC", "".join(reader.parts))
    for markup in (_LINK_TARGET, _RULES, _BULLETS, _MARKS):
        text = markup.sub(" ", text)
    text = re.sub(r"\s+([.,;:!?)])", r"\1", text.translate(_ALIKE))
    return " ".join(text.split())


def text_digest(data: bytes) -> str:
    """Returns the SHA-256, in hex, of a document's plain text."""
    return sha256(plain_text(data).encode())


if __name__ == "__main__":
    for name in sys.argv[1:]:
        sys.stdout.write(f"{text_digest(Path(name).read_bytes())}  {name}\n")
