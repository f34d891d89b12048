"""Files of the rejected sides of pairs, from their own bucket to that of the chosen side.

Their text is not shuffled: each bucket writes one file, with an index and then a part for every
bucket, and each bucket reads its part of every file.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from schemas.records import Preference, Record, pair_id
from transforms.storage.files import commit, partial_file

_OFFSET = np.dtype("<i8")


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedSide:
    """The rejected side of a pair.

    Attributes:
        chosen_id: Id of the chosen side.
        chosen_score: Score of the chosen side.
        rejected_score: Score of this side.
        record: The record of this side.
    """

    chosen_id: str
    chosen_score: float
    rejected_score: float
    record: Record


def write_sides(
    folder: Path, bucket: int, parts: Mapping[int, Sequence[RejectedSide]], count: int
) -> None:
    """Writes the rejected sides of a bucket as one file, whole or not at all.

    Args:
        folder: Folder of the files of all buckets; it is made.
        bucket: Bucket of the rejected sides.
        parts: The rejected sides, by the bucket of their chosen side.
        count: Number of buckets.
    """
    data = [pickle.dumps(parts.get(to, ()), pickle.HIGHEST_PROTOCOL) for to in range(count)]
    start = (count + 1) * _OFFSET.itemsize
    offsets = np.cumsum([start, *map(len, data)], dtype=_OFFSET)
    with partial_file(folder) as hidden:
        hidden.write_bytes(offsets.tobytes() + b"".join(data))
        commit(hidden, _file(folder, bucket), durable=False)


def read_sides(folder: Path, bucket: int, count: int) -> Iterator[RejectedSide]:
    """Yields the rejected sides of all buckets whose chosen side is in one bucket.

    Args:
        folder: Folder of the files of all buckets.
        bucket: Bucket of the chosen sides.
        count: Number of buckets.
    """
    for other in range(count):
        with _file(folder, other).open("rb") as file:
            file.seek(bucket * _OFFSET.itemsize)
            start, end = np.frombuffer(file.read(2 * _OFFSET.itemsize), _OFFSET).tolist()
            file.seek(start)
            yield from pickle.loads(file.read(end - start))  # noqa: S301 - our own work folder


def make_preference(chosen: Record, side: RejectedSide, by: str) -> Preference:
    """Returns the row of a pair.

    Args:
        chosen: Record of the chosen side.
        side: The rejected side.
        by: What scored both: `judge`, or the name of a rule.
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
