"""Packed rows about records, and the references that name records in them.

A reference is one number: the record's bucket and its place among the bucket's ids. A bucket is a
prefix of the id (`schemas.buckets`), so references sort like ids for any number of buckets. That
order is the rank: of several duplicates, the one with the lowest id is kept. It depends on content
alone, never on the number of workers or the order of arrival.

Records that were published before rank above all new ones: the leading bit of a reference is set
for a new record. The files of an index are numbered as buckets from `INDEXED` on, which no run has.
So the order of rank is: records of this run that the corpus has held before, indexed records, new
records.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.void]
Scalar = TypeVar("Scalar", bound=np.generic)

PARTITION_BITS = 6  # keys are spread over 64 partitions, so at most 64 workers share a step

# A pair of duplicates; `better` has the better rank, which is the lower reference.
EDGE = np.dtype([("better", "<u8"), ("worse", "<u8"), ("similarity", "<f8")])

INDEXED = 1 << 30  # buckets from here on are files of indexes

_ROW_BITS = 32
_ROW_MASK = np.uint64((1 << _ROW_BITS) - 1)
_NEW = np.uint64(1 << 63)


def references(bucket: int, rows: NDArray[Any]) -> NDArray[np.uint64]:
    """Returns the references of a bucket's rows: new records, or records of an index's file."""
    refs = np.uint64(bucket << _ROW_BITS) | rows.astype(np.uint64)
    return refs if bucket >= INDEXED else refs | _NEW


def as_published(refs: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Returns the references of the same records as records that were published before."""
    return refs & ~_NEW


def are_new(refs: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Marks the references of records that were not published before."""
    return refs >= _NEW


def are_indexed(refs: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Marks the references of records that an index holds."""
    return buckets_of(refs) >= INDEXED


def buckets_of(refs: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Returns the numbers of the buckets, or of the files of indexes, of references."""
    return (as_published(refs) >> np.uint64(_ROW_BITS)).astype(np.int64)


def rows_of(refs: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Returns the row numbers of references within their buckets."""
    return (refs & _ROW_MASK).astype(np.int64)


def pack(dtype: np.dtype[np.void], **columns: NDArray[Any]) -> Rows:
    """Returns rows made of columns of one length, one for each field of a dtype."""
    rows = np.empty(len(next(iter(columns.values()))), dtype)
    for name, column in columns.items():
        rows[name] = column
    return rows


def join(pieces: Iterable[Rows], dtype: np.dtype[np.void]) -> Rows:
    """Returns the rows of all pieces, in order."""
    return np.concatenate([np.empty(0, dtype), *pieces])


def split(rows: NDArray[Scalar], parts: NDArray[Any]) -> Iterator[tuple[int, NDArray[Scalar]]]:
    """Splits rows into parts.

    Args:
        rows: Any rows.
        parts: Number of the part of each row.

    Yields:
        The number of a part and its rows, in their order; parts ascending, none empty.
    """
    order = np.argsort(parts, kind="stable")
    rows, parts = rows[order], parts[order]
    starts = np.flatnonzero(changes(parts))
    for start, piece in zip(starts, np.split(rows, starts[1:]), strict=False):
        yield int(parts[start]), piece


def changes(*columns: NDArray[Any]) -> NDArray[np.bool_]:
    """Marks the first row, and rows that differ from the row before in any of the columns."""
    marks = np.zeros(columns[0].size, np.bool_)
    marks[:1] = True
    for column in columns:
        marks[1:] |= column[1:] != column[:-1]
    return marks
