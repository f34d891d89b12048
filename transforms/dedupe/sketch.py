"""Sketches a bucket's records: all that later steps need to know of their texts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from schemas.index import Unit
from schemas.inputs.run import NearDedupe
from schemas.prompts import Message
from schemas.records import Record
from transforms.dedupe.blocks import SketchBlock
from transforms.dedupe.keys import NO_SHINGLES, answer_text, exact_key, prompt_key, unit_shingles
from transforms.dedupe.sidecar import Sketch, sidecar_file, write_sidecar
from transforms.dedupe.signature import SLOTS, band_keys, signature

_PROMPT_BYTES = 8  # of the prompt's key: it decides which threshold applies, nothing more


def sketch_bucket(
    bucket: int, records: Iterable[Record], near: NearDedupe | None, folder: Path
) -> SketchBlock:
    """Sketches the records of a bucket into its sidecar.

    Args:
        bucket: Which bucket.
        records: All its records, in any order.
        near: How near-duplicates are compared, or None to compare exactly alone.
        folder: Folder in which deduplication works.

    Returns:
        What `Deduplicate` takes.

    Raises:
        ValueError: Two of the records have one id.
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
        How many there are.

    Raises:
        ValueError: Two of them have one id.
    """
    ordered = sorted(sketches, key=lambda sketch: sketch.id)
    for one, other in pairwise(ordered):
        if one.id == other.id:
            raise ValueError(f"record {one.id.hex()} is there twice")
    write_sidecar(path, ordered, bands(ordered))
    return len(ordered)


def sketch(record_id: str, prompt: Sequence[Message], answer: str, unit: Unit | None) -> Sketch:
    """Sketches one record.

    Args:
        record_id: Its id.
        prompt: The turns before the completion.
        answer: All that the answer says, as `answer_text` has it.
        unit: What near-duplicates are compared by, or None to compare exactly alone.
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
