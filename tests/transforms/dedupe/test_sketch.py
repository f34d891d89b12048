"""Sketches and the sidecar that holds them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from schemas.inputs.run import NearDedupe
from schemas.records import Record
from transforms.dedupe.keys import exact_key, prompt_key, unit_shingles
from transforms.dedupe.sidecar import Sidecar, sidecar_file
from transforms.dedupe.signature import band_keys, signature
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


def test_records_too_short_for_likeness_have_no_bands(
    tmp_path: Path, records: list[Record]
) -> None:
    sketch_bucket(0, records, NearDedupe(), tmp_path)
    sidecar = Sidecar(sidecar_file(tmp_path, 0))
    rows, bands = sidecar.bands()
    ordered = sorted(records, key=lambda record: record.record_id)
    assert [ordered[row].completion[:4] for row in rows] == ["word", "word"]
    shingles = sidecar.shingles(rows)
    assert np.array_equal(bands, band_keys(np.array([signature(one.values) for one in shingles])))


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


def test_without_near_duplicates_only_ids_and_keys_are_kept(
    tmp_path: Path, records: list[Record]
) -> None:
    sketch_bucket(0, records, None, tmp_path)
    sidecar = Sidecar(sidecar_file(tmp_path, 0))
    assert sidecar.keys().shape == (4, 16)
    assert len(sidecar.bands()[0]) == 0


def test_an_empty_bucket_has_an_empty_sidecar(tmp_path: Path) -> None:
    assert sketch_bucket(0, [], NearDedupe(), tmp_path).records == 0
    sidecar = Sidecar(sidecar_file(tmp_path, 0))
    assert sidecar.keys().shape == (0, 16)
    assert sidecar.bands()[1].shape == (0, 20)


def test_the_order_of_records_does_not_change_a_byte(tmp_path: Path, records: list[Record]) -> None:
    files = []
    for order in (records, records[::-1]):
        sketch_bucket(0, order, NearDedupe(), tmp_path)
        files.append(sidecar_file(tmp_path, 0).read_bytes())
    assert files[0] == files[1]


def test_two_records_of_one_id_are_refused(tmp_path: Path, records: list[Record]) -> None:
    with pytest.raises(ValueError, match="two records have the id"):
        sketch_bucket(0, [*records, records[0]], None, tmp_path)
