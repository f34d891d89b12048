"""Shows texts from outside on a terminal without obeying them.

A prompt, an answer or a server's words may hold sequences that move the cursor, rename the window,
write to the clipboard or reverse the order of what is read.
"""

from __future__ import annotations

import re

# Control characters but tab and line feed (C0, DEL, C1); what reorders or hides text: bidirectional
# marks, embeddings and isolates (unicode.org/reports/tr9), separators of lines and paragraphs,
# characters without a width, tags (unicode.org/reports/tr36); and halves of surrogate pairs, which
# no terminal takes. The joiners U+200C and U+200D stay: Persian, Indic scripts and emoji need them.
_UNSAFE = re.compile(
    "[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\U000e0000-\U000e007f\ud800-\udfff]"
)


def visible(text: str) -> str:
    r"""Returns a text with each such character written out, as `\x1b` or `\u202e`."""
    return _UNSAFE.sub(lambda found: _escaped(found[0]), text)


def visible_json(text: str) -> str:
    r"""Returns JSON text with each such character as JSON escapes it: the same value."""
    return _UNSAFE.sub(lambda found: _escaped_in_json(found[0]), text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()


def _escaped_in_json(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i] << 8 | units[i + 1]:04x}" for i in range(0, len(units), 2))
