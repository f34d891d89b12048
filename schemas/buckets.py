"""How ids are cut: buckets are the unit of staging and shards, slices that of paid work.

Ids are SHA-256 in hex, so their leading bits spread evenly. A bucket is a prefix of the bits; a
slice is a run of leading hex digits. Both are ranges of the same line, cut at different places.
"""

from __future__ import annotations

from dataclasses import dataclass

REQUESTS_PER_BUCKET = 16_384  # a bucket is held in memory as it is filtered: about 100 MB
MAX_BUCKET_BITS = 12
SLICE_DIGITS = 16  # a slice locks its leading hex digits in the ledger, so there are 16 at most


def bucket_bits(requests: int, weight: int = 1) -> int:
    """Returns how many leading bits name a bucket, for a run of so many requests.

    It depends on the run alone, never on workers, so that the shards do too.

    Args:
        requests: Requests of the whole run.
        weight: How many usual records one record may be as large as.

    Returns:
        Bits, from 0 (one bucket) to `MAX_BUCKET_BITS`.
    """
    bits = 0
    while requests * weight > REQUESTS_PER_BUCKET << bits and bits < MAX_BUCKET_BITS:
        bits += 1
    return bits


def bucket_of(request_id: str, bits: int) -> int:
    """Returns the bucket, from 0 to 2**bits - 1, that an id falls into."""
    return int(request_id[:4], 16) >> (16 - bits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """A share of all requests, run by one worker at a time with its share of quota and budget.

    Attributes:
        index: Which slice, from 0.
        count: How many slices the run has, from 1 to 16.
    """

    index: int
    count: int

    def digits(self) -> str:
        """Returns the leading hex digits of the ids that belong to the slice."""
        return "".join(
            f"{digit:x}" for digit in range(SLICE_DIGITS) if self._of(digit) == self.index
        )

    def holds(self, request_id: str) -> bool:
        """Tells whether a request belongs to the slice."""
        return self._of(int(request_id[0], 16)) == self.index

    def _of(self, digit: int) -> int:
        return digit * self.count // SLICE_DIGITS


def slices_of(bucket: int, bits: int, count: int) -> list[int]:
    """Returns the slices that the ids of a bucket may fall into.

    Args:
        bucket: The bucket, from 0.
        bits: How many leading bits of an id name a bucket.
        count: How many slices the run has.
    """
    width = 1 << (16 - bits)
    first, last = bucket * width >> 12, ((bucket + 1) * width - 1) >> 12  # leading hex digits
    return sorted({digit * count // SLICE_DIGITS for digit in range(first, last + 1)})
