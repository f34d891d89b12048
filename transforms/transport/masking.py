"""Masks keys in what servers return, before anything reads or stores it.

A server or a proxy may return the key that it was sent: in an error, an answer, a name, a header.
The client knows the value, so it masks each form that this may have: plain, escaped as in JSON or
an address, in base64 anywhere in a longer text, and in lower case in the name of a header.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

MASK = "[key masked by stillroom]"
# Shorter ones are words: masking them would spoil answers. Keys of providers have 30 and more.
SHORTEST_KEY = 8
# What people write where a server wants no key; shorter ones, as vLLM's EMPTY, need no entry.
PLACEHOLDERS = frozenset({"sk-no-key-required", "no-key-required", "not-needed", "not-required"})

# Headers that hold a key, in lower case.
SECRET_HEADERS = frozenset(
    {
        "api-key",
        "authorization",
        "cookie",
        "proxy-authorization",
        "set-cookie",
        "x-amz-security-token",
        "x-api-key",
        "x-auth-token",
        "x-goog-api-key",
    }
)
_SCHEME = re.compile(r"(?:Bearer|Basic|Token)\s+", re.IGNORECASE)
_UNESCAPED = re.compile(r"[A-Za-z0-9_.~-]+")  # RFC 3986, 2.3: no encoding changes these
_ESCAPED = re.compile(rb"\\u00([2-7][0-9A-Fa-f])|%([2-7][0-9A-Fa-f])")
_LOGPROBS = ("logprobs", "logprobsResult")  # OpenAI's and Gemini's: token by token


class Masker:
    """Learns keys from the headers that hold them, and masks them."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._lower: list[str] = []
        self._forms: list[str] = []
        self._needles: tuple[bytes, ...] = ()
        self._pattern = re.compile(rb"(?!)")

    def learn(self, headers: Mapping[str, str]) -> None:
        """Learns the keys in the headers of a request. They are not forgotten: they may come late.

        Args:
            headers: Headers by name.
        """
        if self._seen.issuperset(headers.values()):
            return
        for name, value in headers.items():
            if name.lower() in SECRET_HEADERS and value not in self._seen:
                self._add(_SCHEME.sub("", value, count=1).strip())
        self._seen.update(headers.values())

    def masked(self, data: bytes) -> bytes:
        """Returns data with each key masked; the same object if there is none."""
        if not self._needles or not self._holds_key(data):
            return data
        masked, found = self._pattern.subn(_replace, data)
        return masked if found else data

    def masked_body(self, body: bytes) -> bytes:
        """Returns a body with each key masked, and without the tokens that would spell it."""
        masked = self.masked(body)
        return _without_logprobs(masked) if masked is not body and b"ogprobs" in body else masked

    def masked_headers(self, headers: Mapping[str, str]) -> Mapping[str, str]:
        """Returns headers with each key masked, and without those that are named like one."""
        if not self._needles:
            return headers
        text = "\n".join((*headers, *headers.values()))
        if not self._holds_key(text.encode()) and not self._names_key(text):
            return headers
        return {
            name: self.masked(value.encode()).decode()
            for name, value in headers.items()
            if not self._names_key(name)
        }

    def _names_key(self, text: str) -> bool:
        return any(key in text for key in self._lower)

    def _add(self, key: str) -> None:
        if len(key) < SHORTEST_KEY or key in PLACEHOLDERS:
            return
        self._lower.append(key.lower())
        self._forms += [key, *_base64(key)]
        self._needles = tuple({_needle(form).encode() for form in self._forms})
        pattern = "|".join("".join(map(_escapes, form)) for form in self._forms)
        self._pattern = re.compile(pattern.encode())

    def _holds_key(self, data: bytes) -> bool:
        if any(needle in data for needle in self._needles):
            return True
        if b"\\u00" not in data and b"%" not in data:
            return False
        plain = _ESCAPED.sub(lambda found: bytes.fromhex((found[1] or found[2]).decode()), data)
        return any(needle in plain for needle in self._needles)


def _base64(key: str) -> Iterator[str]:
    """Yields what base64 makes of a key after 0, 1 or 2 bytes, without what others share in."""
    for before in range(3):
        text = base64.b64encode(b"\0" * before + key.encode()).decode()
        yield text[-(-before * 8 // 6) : (before + len(key)) * 8 // 6]


def _needle(form: str) -> str:
    """Returns the longest part of a form that every encoding leaves as it is."""
    return max(_UNESCAPED.findall(form), key=len, default="")


def _escapes(sign: str) -> str:
    """Returns a pattern of one character, as it is or escaped once or more."""
    code = "".join(f"[{digit}{digit.upper()}]" for digit in f"{ord(sign):02x}")
    forms = [re.escape(sign), rf"\\{{1,8}}u00{code}", f"%{code}"]
    if sign in '"\\/':
        forms.append(rf"\\{{1,8}}{re.escape(sign)}")
    alphabet = {"+": "-", "/": "_"}.get(sign)  # base64 for addresses
    return f"(?:{'|'.join([*forms, *([alphabet] if alphabet else [])])})"


def _replace(found: re.Match[bytes]) -> bytes:
    """Returns the mask; after half of an escape, as in `\\n`, with the other half before it."""
    before = found.string[max(0, found.start() - 64) : found.start()]
    escaped = (len(before) - len(before.rstrip(b"\\"))) % 2
    return found[0][:escaped] + MASK.encode()


def _without_logprobs(body: bytes) -> bytes:
    try:
        return json.dumps(_pruned(json.loads(body))).encode()
    except (ValueError, RecursionError):
        return body


def _pruned(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: None if name in _LOGPROBS else _pruned(each) for name, each in value.items()}
    return [_pruned(each) for each in value] if isinstance(value, list) else value
