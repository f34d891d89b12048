"""Bodies as they arrive: what can be an answer whole, of anything else the beginning.

A server may send gigabytes, or a few kilobytes that unpack to them. So a body is bounded as it is
unpacked, and what is kept of a refused one is small, since it may come again with each attempt.
"""

from __future__ import annotations

import re
from typing import IO

# An answer of 128,000 tokens is below 1.5 MiB, in escapes of 6 bytes a character and with its
# reasoning returned twice below 4 MiB. Log probabilities may add ten times as much.
MAX_BODY_BYTES = 4 * 2**20
MAX_LOGPROBS_BYTES = 16 * 2**20
# Kept of a refused body. NUL takes six bytes in the ledger, and a request has six attempts.
KEPT_BYTES = 2**17

_OBJECT = re.compile(rb"(?:\xef\xbb\xbf)?[ \t\r\n]*\{")
_NOT_JSON = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")  # RFC 8259: allowed nowhere


class Body:
    """A body in memory.

    Args:
        most_bytes: Largest body that is read.

    Attributes:
        size: How many bytes came.
        may_answer: Whether it may be an answer: the status says success, and it looks like JSON.
    """

    def __init__(self, most_bytes: int) -> None:
        self.size = 0
        self.may_answer = False
        self._most_bytes = most_bytes
        self._kept = bytearray()

    def add(self, chunk: bytes) -> bool:
        """Adds what came; returns whether to read on."""
        before, self.size = self.size, self.size + len(chunk)
        if self.size <= KEPT_BYTES:
            self._kept += chunk
            return True
        if self.size > self._most_bytes or _NOT_JSON.search(chunk):
            self.may_answer = False
        elif before <= KEPT_BYTES:
            self.may_answer = self.may_answer and _looks_like_json(self._kept + chunk)
        if self.may_answer:
            self._kept += chunk
        else:
            self._kept = (self._kept + chunk[:KEPT_BYTES])[:KEPT_BYTES]
        return self.size <= self._most_bytes

    def kept(self) -> bytes:
        """Returns what is kept."""
        return bytes(self._kept)

    def cut(self) -> bytes:
        """Returns what is kept of it if it is refused."""
        return bytes(self._kept[:KEPT_BYTES])

    @property
    def note(self) -> str:
        """What is missing, for a person; "" if it is kept whole."""
        if len(self._kept) == self.size:
            return ""
        return f"the first {len(self._kept)} of {self.size} bytes are kept"


class FileBody:
    """A body that is written to a file, with the methods of a `Body`.

    Args:
        file: Receives it.
        most_bytes: Largest body that is read.
    """

    note = ""

    def __init__(self, file: IO[bytes], most_bytes: int) -> None:
        self.size = 0
        self.may_answer = False
        self._most_bytes = most_bytes
        self._file = file

    def add(self, chunk: bytes) -> bool:
        """Writes what came; returns whether to read on."""
        room = self._most_bytes - self.size
        self._file.write(chunk[:room])
        self.size += min(len(chunk), room)
        return len(chunk) <= room

    def kept(self) -> bytes:
        """Returns nothing: it is in the file."""
        return b""

    cut = kept


def cut_refused(body: bytes) -> bytes:
    """Returns what is kept of a refused body."""
    return body[:KEPT_BYTES]


def _looks_like_json(start: bytes | bytearray) -> bool:
    return _OBJECT.match(start) is not None and _NOT_JSON.search(start) is None
