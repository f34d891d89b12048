"""Sketches a bucket's records: all that later steps need to know of their texts."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from schemas.records import Record
from schemas.run import NearDedupe
from transforms.dedupe.blocks import SketchBlock
from transforms.dedupe.keys import NO_SHINGLES, exact_key, prompt_key, unit_shingles
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
    sketches = sorted((_sketch(record, near) for record in records), key=lambda sketch: sketch.id)
    for one, other in pairwise(sketches):
        if one.id == other.id:
            raise ValueError(f"record {one.id.hex()} is there twice")
    write_sidecar(sidecar_file(folder, bucket), sketches, _bands(sketches))
    return SketchBlock(bucket, len(sketches))


def _sketch(record: Record, near: NearDedupe | None) -> Sketch:
    prompt = record.messages[:-1]
    key = prompt_key(prompt)
    return Sketch(
        bytes.fromhex(record.record_id),
        exact_key(key, record.completion),
        int.from_bytes(key[:_PROMPT_BYTES], "little"),
        unit_shingles(prompt, record.completion, near.unit) if near else NO_SHINGLES,
    )


def _bands(sketches: list[Sketch]) -> NDArray[np.uint64]:
    shingles = [sketch.shingles.values for sketch in sketches]
    signatures = [signature(values) for values in shingles if values.size]
    return band_keys(np.array(signatures, np.uint32).reshape(-1, SLOTS))
