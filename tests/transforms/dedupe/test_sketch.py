"""The records of a bucket are sketched into its sidecar."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from schemas.inputs.quality import NearDedupe
from schemas.records import Record
from transforms.dedupe.sidecar import Sidecar, sidecar_file
from transforms.dedupe.signature import band_keys, signature
from transforms.dedupe.sketch import sketch_bucket

LONG = " ".join(f"word{number}" for number in range(60))


@pytest.fixture
def records(make_record: Callable[..., Record]) -> list[Record]:
    texts = [LONG, "short", LONG + " and more of it", "also short"]
    return [make_record(number, text) for number, text in enumerate(texts)]


def test_records_with_too_few_shingles_have_no_bands(tmp_path: Path, records: list[Record]) -> None:
    sketch_bucket(0, records, NearDedupe(), tmp_path)
    sidecar = Sidecar(sidecar_file(tmp_path, 0))
    rows, bands = sidecar.bands()
    ordered = sorted(records, key=lambda record: record.record_id)
    assert [ordered[row].completion[:4] for row in rows] == ["word", "word"]
    shingles = sidecar.shingles(rows)
    assert np.array_equal(bands, band_keys(np.array([signature(one.values) for one in shingles])))


def test_without_near_duplicates_only_ids_and_keys_are_kept(
    tmp_path: Path, records: list[Record]
) -> None:
    sketch_bucket(0, records, None, tmp_path)
    sidecar = Sidecar(sidecar_file(tmp_path, 0))
    assert sidecar.keys().shape == (4, 16)
    assert len(sidecar.bands()[0]) == 0


def test_the_order_of_records_does_not_change_a_byte(tmp_path: Path, records: list[Record]) -> None:
    files = []
    for order in (records, records[::-1]):
        sketch_bucket(0, order, NearDedupe(), tmp_path)
        files.append(sidecar_file(tmp_path, 0).read_bytes())
    assert files[0] == files[1]


def test_two_records_with_one_id_are_refused(tmp_path: Path, records: list[Record]) -> None:
    with pytest.raises(ValueError, match="two records have the id"):
        sketch_bucket(0, [*records, records[0]], None, tmp_path)
