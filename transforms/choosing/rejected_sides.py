"""The worse sides of pairs, on their way from their own bucket to that of the better side.

Their text does not travel: each bucket leaves one file, with a part for every bucket and an index
of the parts in front, and each bucket reads its part of every file.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from schemas.records import Preference, Record, pair_id
from transforms.storage.files import partial_file

_OFFSET = np.dtype("<i8")


@dataclass(frozen=True, slots=True)
class Side:
    """The worse side of a pair.

    Attributes:
        chosen_id: Id of the better side.
        chosen_score: What that one scores.
        rejected_score: What this one scores.
        record: The whole record.
    """

    chosen_id: str
    chosen_score: float
    rejected_score: float
    record: Record


def write_sides(folder: Path, bucket: int, parts: Mapping[int, Sequence[Side]], count: int) -> None:
    """Writes the worse sides that lie in a bucket, all or nothing.

    Args:
        folder: Where all buckets' files stand; it is made.
        bucket: Where the worse sides lie.
        parts: The worse sides by the bucket of their better side.
        count: How many buckets there are.
    """
    data = [pickle.dumps(parts.get(to, ()), pickle.HIGHEST_PROTOCOL) for to in range(count)]
    start = (count + 1) * _OFFSET.itemsize
    offsets = np.cumsum([start, *map(len, data)], dtype=_OFFSET)
    with partial_file(folder) as hidden:
        hidden.write_bytes(offsets.tobytes() + b"".join(data))
        hidden.replace(_file(folder, bucket))


def read_sides(folder: Path, bucket: int, count: int) -> Iterator[Side]:
    """Reads what all buckets left for one.

    Args:
        folder: Where all buckets' files stand.
        bucket: Where the better sides lie.
        count: How many buckets there are.

    Yields:
        The worse sides.
    """
    for other in range(count):
        with _file(folder, other).open("rb") as file:
            file.seek(bucket * _OFFSET.itemsize)
            start, end = np.frombuffer(file.read(2 * _OFFSET.itemsize), _OFFSET).tolist()
            file.seek(start)
            yield from pickle.loads(file.read(end - start))  # noqa: S301 - our own work folder


def make_preference(chosen: Record, side: Side, by: str) -> Preference:
    """Makes the row of a pair.

    Args:
        chosen: The better side.
        side: The worse one.
        by: What scored them.
    """
    rejected = side.record
    return Preference(
        pair_id=pair_id(chosen.record_id, rejected.record_id),
        prompt_id=chosen.prompt_id,
        prompt=chosen.messages[:-1],
        chosen=chosen.messages[-1:],
        rejected=rejected.messages[-1:],
        chosen_id=chosen.record_id,
        rejected_id=rejected.record_id,
        chosen_score=side.chosen_score,
        rejected_score=side.rejected_score,
        chosen_by=by,
        split=chosen.split,
        chosen_provenance=chosen.provenance,
        rejected_provenance=rejected.provenance,
    )


def _file(folder: Path, bucket: int) -> Path:
    return folder / f"{bucket:04d}.sides"
