"""A sidecar gives back the sketches of a bucket."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from schemas.inputs.quality import NearDedupe
from schemas.records import Record
from transforms.dedupe.keys import NO_SHINGLES, Shingles, exact_key, prompt_key, unit_shingles
from transforms.dedupe.sidecar import Sidecar, Sketch, sidecar_file, write_sidecar
from transforms.dedupe.sketch import sketch_bucket

LONG = " ".join(f"word{number}" for number in range(60))


@pytest.fixture
def records(make_record: Callable[..., Record]) -> list[Record]:
    texts = [LONG, "short", LONG + " and more of it", "also short"]
    return [make_record(number, text) for number, text in enumerate(texts)]


def test_a_sidecar_gives_back_what_a_bucket_holds(tmp_path: Path, records: list[Record]) -> None:
    block = sketch_bucket(3, records, NearDedupe(), tmp_path)
    sidecar = Sidecar(sidecar_file(tmp_path, 3))
    ordered = sorted(records, key=lambda record: record.record_id)
    every = np.arange(len(records))
    assert (block.bucket, block.records) == (3, 4)
    assert sidecar.ids(every) == [record.record_id for record in ordered]
    for row, record in enumerate(ordered):
        prompt = record.messages[:-1]
        shingles = unit_shingles(prompt, record.completion, "completion")
        (found,) = sidecar.shingles(np.array([row]))
        assert sidecar.keys()[row].tobytes() == exact_key(prompt_key(prompt), record.completion)
        assert np.array_equal(found.values, shingles.values)
        assert sidecar.prompts(np.array([row]))[0] == int.from_bytes(
            prompt_key(prompt)[:8], "little"
        )


def test_rows_are_read_in_any_order_and_more_than_once(
    tmp_path: Path, records: list[Record]
) -> None:
    sketch_bucket(0, records, NearDedupe(), tmp_path)
    sidecar = Sidecar(sidecar_file(tmp_path, 0))
    every = sidecar.shingles(np.arange(4))
    picked = sidecar.shingles(np.array([3, 0, 3]))
    assert [one.values.tolist() for one in picked] == [
        every[row].values.tolist() for row in (3, 0, 3)
    ]


def test_an_empty_bucket_has_an_empty_sidecar(tmp_path: Path) -> None:
    assert sketch_bucket(0, [], NearDedupe(), tmp_path).records == 0
    sidecar = Sidecar(sidecar_file(tmp_path, 0))
    assert sidecar.keys().shape == (0, 16)
    assert sidecar.bands()[1].shape == (0, 20)


def test_identities_join_id_and_exact_key(tmp_path: Path) -> None:
    sketches = [Sketch(bytes([n]) * 32, bytes([9 - n]) * 16, n, NO_SHINGLES) for n in range(3)]
    write_sidecar(tmp_path / "a.arrow", sketches, np.empty((0, 20), np.uint64))
    identities = Sidecar(tmp_path / "a.arrow").identities()
    # NumPy drops zero bytes at the end of such a value alone; a key is compared as a whole.
    assert [bytes(one).ljust(48, b"\0") for one in identities] == [
        one.id + one.key for one in sketches
    ]


def test_the_prompts_share_of_shingles_is_kept(tmp_path: Path) -> None:
    shingles = Shingles(np.array([3, 5, 8], np.uint64), 2)
    sketches = [Sketch(b"a" * 32, b"k" * 16, 7, shingles)]
    write_sidecar(tmp_path / "a.arrow", sketches, np.arange(20, dtype=np.uint64).reshape(1, 20))
    (found,) = Sidecar(tmp_path / "a.arrow").shingles(np.array([0]))
    assert (found.values.tolist(), found.shared) == ([3, 5, 8], 2)
    rows, bands = Sidecar(tmp_path / "a.arrow").bands()
    assert (rows.tolist(), bands.tolist()) == ([0], [list(range(20))])
