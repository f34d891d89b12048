"""Log probabilities of an answer's tokens, packed: about 12 bytes per token and alternative.

As Python objects they would take about 200 bytes each, too much for a bucket of answers with 20
alternatives per token. `schemas.arrow` makes the column of the corpus from the packed form.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

MOST_ALTERNATIVES = 255  # their number is one byte; no API returns more than 20
_MOST_BYTES = 2**16 - 1


@dataclass(frozen=True, slots=True)
class TopLogprob:
    """An alternative token, and the natural logarithm of its probability."""

    token: str
    logprob: float


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A token of an answer.

    Attributes:
        token: Its text.
        logprob: Natural logarithm of its probability.
        top: The most likely tokens at its place; empty if the request asks for none.
    """

    token: str
    logprob: float
    top: tuple[TopLogprob, ...]


@dataclass(frozen=True, slots=True)
class Logprobs:
    """A list of `TokenLogprob`, packed: each token is followed by its alternatives.

    Attributes:
        widths: Number of alternatives of each token, one byte each.
        lengths: Length in bytes of each text, 16 bits each, little-endian.
        texts: The texts concatenated, UTF-8.
        values: The logarithms, 32-bit floats, little-endian; models compute no more digits.
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
            ValueError: A token or a number is too large, or a token cannot be encoded as UTF-8.
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
