"""Log probabilities of an answer's tokens, packed: twelve bytes or so a token and alternative.

As objects they would take some two hundred bytes each, and a bucket of answers with twenty
alternatives a token would fill the memory of any machine. `schemas.arrow` makes the corpus's
column of them straight from the packed form.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

MOST_ALTERNATIVES = 255  # their number is kept in a byte; no API gives more than 20
_MOST_BYTES = 2**16 - 1


@dataclass(frozen=True, slots=True)
class TopLogprob:
    """A token that might have stood here, and the natural logarithm of its probability."""

    token: str
    logprob: float


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A token of an answer.

    Attributes:
        token: Its text.
        logprob: Natural logarithm of its probability.
        top: The likeliest tokens in its place; empty where they were not asked for.
    """

    token: str
    logprob: float
    top: tuple[TopLogprob, ...]


@dataclass(frozen=True, slots=True)
class Logprobs:
    """A list of `TokenLogprob`, packed: each token is followed by its alternatives.

    Attributes:
        widths: How many alternatives each token has, a byte each.
        lengths: Length in bytes of each text, 16 bits each, little-endian.
        texts: The texts end to end, UTF-8.
        values: The logarithms, 32-bit floats, little-endian: models reckon with no more.
    """

    widths: bytes = b""
    lengths: bytes = b""
    texts: bytes = b""
    values: bytes = b""

    def __len__(self) -> int:
        return len(self.widths)

    def __iter__(self) -> Iterator[TokenLogprob]:
        each = self._unpacked()
        for width, (token, logprob) in zip(self.widths, each, strict=False):
            top = tuple(TopLogprob(*next(each)) for _ in range(width))
            yield TokenLogprob(token, logprob, top)

    def _unpacked(self) -> Iterator[tuple[str, float]]:
        start = 0
        numbers = zip(
            struct.iter_unpack("<H", self.lengths),
            struct.iter_unpack("<f", self.values),
            strict=True,
        )
        for (length,), (value,) in numbers:
            yield self.texts[start : start + length].decode(), value
            start += length

    @classmethod
    def pack(cls, tokens: Iterable[TokenLogprob]) -> Logprobs:
        """Packs the log probabilities of an answer.

        Args:
            tokens: In the order of the answer.

        Raises:
            ValueError: A token or a number is larger than any could be, or a token is no text
                that UTF-8 can hold.
        """
        widths = bytearray()
        texts: list[bytes] = []
        values: list[float] = []
        for token in tokens:
            if len(token.top) > MOST_ALTERNATIVES:
                raise ValueError(f"{len(token.top)} alternatives to a token")
            widths.append(len(token.top))
            texts += [token.token.encode(), *(other.token.encode() for other in token.top)]
            values += [token.logprob, *(other.logprob for other in token.top)]
        if any(len(text) > _MOST_BYTES for text in texts):
            raise ValueError("a token of more than 65,535 bytes")
        try:
            packed = struct.pack(f"<{len(values)}f", *values)
        except OverflowError as error:
            raise ValueError("a logarithm that no 32-bit float holds") from error
        lengths = struct.pack(f"<{len(texts)}H", *map(len, texts))
        return cls(bytes(widths), lengths, b"".join(texts), packed)
