"""Verdicts name records and witnesses by their ids."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from schemas.codes import DedupeMethod
from schemas.records import DedupeProvenance
from tests.transforms.dedupe.indexes import index_of, sketches
from transforms.dedupe.blocks import Removal, VerdictBlock
from transforms.dedupe.clusters import MEMBER
from transforms.dedupe.rows import INDEXED, references
from transforms.dedupe.sidecar import sidecar_file
from transforms.dedupe.sketch import write_sketches
from transforms.dedupe.sources import Sources
from transforms.dedupe.verdicts import verdict_block


def name(number: int) -> str:
    return bytes([number]).hex() * 32


def ref(bucket: int, row: int) -> int:
    return int(references(bucket, np.array([row]))[0])


def test_references_become_the_ids_of_records_here_and_elsewhere(tmp_path: Path) -> None:
    write_sketches(sidecar_file(tmp_path, 0), sketches(1, 2, 3))
    write_sketches(sidecar_file(tmp_path, 1), sketches(8, 9))
    index = index_of(tmp_path / "index", sketches(5))
    members = np.array(
        [
            (ref(0, 0), ref(0, 0), 1.0, False, 3),
            (ref(0, 1), ref(1, 1), 0.85, False, 0),
            (ref(0, 2), ref(INDEXED, 0), 1.0, True, 0),
        ],
        MEMBER,
    )
    assert verdict_block(0, members, Sources(tmp_path, (index,))) == VerdictBlock(
        bucket=0,
        removed={
            name(2): Removal(name(9), 0.85, DedupeMethod.NEAR),
            name(3): Removal(name(5), 1.0, DedupeMethod.EXACT, index.version),
        },
        clusters={name(1): DedupeProvenance(cluster=name(1), size=3, method=DedupeMethod.NEAR)},
    )


def test_a_bucket_without_duplicates_has_no_verdicts(tmp_path: Path) -> None:
    block = verdict_block(4, np.empty(0, MEMBER), Sources(tmp_path))
    assert block == VerdictBlock(4, {}, {})
