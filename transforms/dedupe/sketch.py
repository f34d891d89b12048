"""Sketches the records of a bucket: the keys, shingles and bands that later steps compare."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from schemas.index import Unit
from schemas.inputs.quality import NearDedupe
from schemas.prompts import Message
from schemas.records import Record
from transforms.dedupe.blocks import SketchBlock
from transforms.dedupe.keys import NO_SHINGLES, answer_text, exact_key, prompt_key, unit_shingles
from transforms.dedupe.sidecar import Sketch, sidecar_file, write_sidecar
from transforms.dedupe.signature import SLOTS, band_keys, signature

_PROMPT_BYTES = 8  # of the prompt's key, which decides only which threshold applies


def sketch_bucket(
    bucket: int, records: Iterable[Record], near: NearDedupe | None, folder: Path
) -> SketchBlock:
    """Writes the sketches of a bucket's records to its sidecar.

    Args:
        bucket: Number of the bucket.
        records: All its records, in any order.
        near: How near-duplicates are compared, or None to find exact duplicates alone.
        folder: Work folder of deduplication.

    Returns:
        The input of `Deduplicate` for this bucket.

    Raises:
        ValueError: Two records have the same id.
    """
    unit = near.unit if near else None
    sketches = (
        sketch(
            record.record_id,
            record.messages[:-1],
            answer_text(record.completion, record.tool_calls),
            unit,
        )
        for record in records
    )
    return SketchBlock(bucket, write_sketches(sidecar_file(folder, bucket), sketches))


def write_sketches(path: Path, sketches: Iterable[Sketch]) -> int:
    """Writes sketches to a sidecar, all or nothing.

    Args:
        path: The sidecar.
        sketches: In any order.

    Returns:
        The number of sketches.

    Raises:
        ValueError: Two sketches have the same id.
    """
    ordered = sorted(sketches, key=lambda sketch: sketch.id)
    for one, other in pairwise(ordered):
        if one.id == other.id:
            raise ValueError(f"two records have the id {one.id.hex()}")
    write_sidecar(path, ordered, bands(ordered))
    return len(ordered)


def sketch(record_id: str, prompt: Sequence[Message], answer: str, unit: Unit | None) -> Sketch:
    """Returns the sketch of one record.

    Args:
        record_id: The record's id, in hex.
        prompt: The turns before the completion.
        answer: The answer with its tool calls, as `answer_text` returns it.
        unit: What near-duplicates are compared by, or None to find exact duplicates alone.
    """
    key = prompt_key(prompt)
    return Sketch(
        bytes.fromhex(record_id),
        exact_key(key, answer),
        int.from_bytes(key[:_PROMPT_BYTES], "little"),
        unit_shingles(prompt, answer, unit) if unit else NO_SHINGLES,
    )


def bands(sketches: Iterable[Sketch]) -> NDArray[np.uint64]:
    """Returns the band keys of the sketches that have shingles: m by 20."""
    shingles = [sketch.shingles.values for sketch in sketches]
    signatures = [signature(values) for values in shingles if values.size]
    return band_keys(np.array(signatures, np.uint32).reshape(-1, SLOTS))
