"""Ranges of request ids: buckets for staged files and shards, slices for paid work.

Ids are SHA-256 in hex, so they are spread evenly. A bucket is all ids with the same leading bits; a
slice is all ids whose first hex digit is in a range.
"""

from __future__ import annotations

from dataclasses import dataclass

REQUESTS_PER_BUCKET = 16_384  # a bucket is in memory while it is filtered: about 100 MB
MAX_BUCKET_BITS = 12
SLICE_DIGITS = 16  # a slice locks its first hex digits in the ledger, so there are at most 16


def bucket_bits(requests: int, weight: int = 1) -> int:
    """Returns how many leading bits of an id give its bucket.

    The number depends on the run, not on workers, so that the shards do not either.

    Args:
        requests: Requests of the whole run.
        weight: Greatest size of a record, in usual records.

    Returns:
        Bits, from 0 (one bucket) to `MAX_BUCKET_BITS`.
    """
    bits = 0
    while requests * weight > REQUESTS_PER_BUCKET << bits and bits < MAX_BUCKET_BITS:
        bits += 1
    return bits


def bucket_of(request_id: str, bits: int) -> int:
    """Returns the bucket of an id, from 0 to 2**bits - 1."""
    return int(request_id[:4], 16) >> (16 - bits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """A share of all requests, asked by one worker with its share of quota and budget.

    Attributes:
        index: Number of the slice, from 0.
        count: Number of slices of the run, from 1 to 16.
    """

    index: int
    count: int

    def digits(self) -> str:
        """Returns the first hex digits of the ids of the slice."""
        return "".join(
            f"{digit:x}" for digit in range(SLICE_DIGITS) if self._of(digit) == self.index
        )

    def holds(self, request_id: str) -> bool:
        """Returns whether a request belongs to the slice."""
        return self._of(int(request_id[0], 16)) == self.index

    def _of(self, digit: int) -> int:
        return digit * self.count // SLICE_DIGITS


def slices_of(bucket: int, bits: int, count: int) -> list[int]:
    """Returns the slices that ids of a bucket may belong to.

    Args:
        bucket: The bucket, from 0.
        bits: How many leading bits of an id give its bucket.
        count: Number of slices of the run.
    """
    width = 1 << (16 - bits)
    first, last = bucket * width >> 12, ((bucket + 1) * width - 1) >> 12  # leading hex digits
    return sorted({digit * count // SLICE_DIGITS for digit in range(first, last + 1)})
