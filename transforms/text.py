"""The form of a text that is compared: normalised, and cut into tokens.

It is for keys, shingles and n-grams only. NFKC turns x² into x2, so the text that is stored is
always the teacher's own.
"""

from __future__ import annotations

import re
import unicodedata

TEXT_VERSION = 1  # raise it when the same text gives other tokens: persisted keys are then void

# Unicode's property Default_Ignorable_Code_Point (DerivedCoreProperties.txt, version 16).
DEFAULT_IGNORABLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)

# Scripts written without blanks between words: Thai, Lao, Burmese, Khmer, Kana, Han.
NO_SPACE_SCRIPTS = (
    "\u0e01-\u0e3a\u0e40-\u0e4e\u0e80-\u0eff\u1000-\u1049\u1050-\u109f\u1780-\u17d3\ua9e0-\ua9ff\uaa60-\uaa7f"
    "\u3005-\u3007\u3041-\u30fa\u30fc-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U0001b000-\U0001b16f\U00020000-\U000323af"
)

# Marks that belong to the letter before them but are no \w to Python: accents that have no
# composed form, Hebrew points, Arabic vowel signs, the vowel signs of the scripts of India.
_MARKS = (
    "\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u064b-\u065f\u0670"
    "\u0900-\u0903\u093a-\u094f\u0951-\u0957\u0962\u0963\u0981-\u0983\u09bc-\u09d7\u09e2\u09e3"
    "\u0a01-\u0a03\u0a3c-\u0a51\u0a70-\u0a75\u0a81-\u0a83\u0abc-\u0acd\u0ae2\u0ae3\u0b01-\u0b03"
    "\u0b3c-\u0b57\u0b82\u0bbe-\u0bd7\u0c00-\u0c04\u0c3c-\u0c56\u0c62\u0c63\u0c81-\u0c83\u0cbc-\u0cd6"
    "\u0ce2\u0ce3\u0d00-\u0d03\u0d3b-\u0d4d\u0d57\u0d62\u0d63\u0d81-\u0d83\u0dca-\u0ddf"
)

_IGNORED = re.compile(f"[{DEFAULT_IGNORABLE}]+")
_NO_SPACES = re.compile(f"[{NO_SPACE_SCRIPTS}]")
_ASCII_TOKEN = re.compile(r"\w+|[^\w\s]")
_TOKEN = re.compile(rf"[\w{_MARKS}]+|[^\w\s]")
_MIXED_TOKEN = re.compile(rf"[{NO_SPACE_SCRIPTS}]|(?:[^\W{NO_SPACE_SCRIPTS}]|[{_MARKS}])+|[^\w\s]")


def normalise(text: str) -> str:
    """Returns the form in which texts that read alike are equal.

    NFKC, case folded, without the characters that Unicode lets a display ignore (zero-width
    spaces, soft hyphens, directional marks).

    Args:
        text: Any text, lone surrogates included.

    Returns:
        The normalised text; normalising it again changes nothing.
    """
    if text.isascii():
        return text.lower()
    folded = unicodedata.normalize("NFKC", _IGNORED.sub("", text)).casefold()
    # Folding and NFKC each undo some of the other's work, hence the second pass.
    return _IGNORED.sub("", unicodedata.normalize("NFKC", folded))


def tokens(text: str) -> list[str]:
    """Returns the tokens of a text's normalised form.

    A word is a token, and so is each sign, so that `a + b` and `a - b` differ. In scripts
    written without blanks each character is a token.

    Args:
        text: Any text, normalised or not.

    Returns:
        The tokens in order, without blanks.
    """
    text = normalise(text)
    if text.isascii():
        return _ASCII_TOKEN.findall(text)
    return (_MIXED_TOKEN if _NO_SPACES.search(text) else _TOKEN).findall(text)


def words(text: str) -> list[str]:
    """Returns the tokens of a text that are words, or characters of a script without blanks."""
    return [token for token in tokens(text) if len(token) > 1 or token.isalnum()]
