"""Compared records come from this run and from indexes, which rank above it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.transforms.dedupe.indexes import index_of, sketches
from transforms.dedupe.blocks import SketchBlock
from transforms.dedupe.rows import INDEXED, are_new, references
from transforms.dedupe.sidecar import Sketch, sidecar_file
from transforms.dedupe.sketch import write_sketches
from transforms.dedupe.sources import Sources


def published(sources: Sources) -> list[bool]:
    """Returns which records of the run's bucket 0 were published before."""
    return [not new for new in are_new(sources.references(0)).tolist()]


def test_files_of_indexes_are_numbered_on_from_one_index_to_the_next(tmp_path: Path) -> None:
    one = index_of(tmp_path / "one", sketches(1, 2), sketches(3))
    other = index_of(tmp_path / "other", sketches(4, 5, 6))
    sources = Sources(tmp_path, (one, other))
    assert sources.indexed() == [
        SketchBlock(INDEXED, 2), SketchBlock(INDEXED + 1, 1), SketchBlock(INDEXED + 2, 3)
    ]  # fmt: skip
    assert sources.sidecar(INDEXED + 2).records == 3
    assert sources.version(INDEXED + 1) == one.version
    assert sources.version(INDEXED + 2) == other.version
    rows = np.arange(3)
    assert np.array_equal(sources.references(INDEXED + 2), references(INDEXED + 2, rows))


@pytest.mark.parametrize(
    ("own", "held", "expected"),
    [
        (True, sketches(2), [False, True, False]),
        (True, sketches(1, 3), [True, False, True]),
        (True, sketches(2, key=b"x"), [False, False, False]),
        (False, sketches(2), [False, False, False]),
    ],
    ids=["one", "first-and-last", "another-text", "another-corpus"],
)
def test_a_record_that_this_corpus_held_before_with_the_same_text_is_published(
    tmp_path: Path, own: bool, held: list[Sketch], expected: list[bool]
) -> None:
    write_sketches(sidecar_file(tmp_path, 0), sketches(1, 2, 3))
    sources = Sources(tmp_path, (index_of(tmp_path / "index", held, own=own),))
    assert published(sources) == expected


@pytest.mark.parametrize(("number", "expected"), [(1, [True, False]), (2, [False, True])])
def test_a_file_that_meets_a_bucket_in_one_id_is_read(
    tmp_path: Path, number: int, expected: list[bool]
) -> None:
    write_sketches(sidecar_file(tmp_path, 0), sketches(1, 2))
    held = sketches(0, 1) if number == 1 else sketches(2, 3)
    sources = Sources(tmp_path, (index_of(tmp_path / "index", held, own=True),))
    assert published(sources) == expected


def test_an_empty_bucket_has_no_references(tmp_path: Path) -> None:
    write_sketches(sidecar_file(tmp_path, 0), [])
    sources = Sources(tmp_path, (index_of(tmp_path / "index", sketches(1), own=True),))
    assert published(sources) == []
