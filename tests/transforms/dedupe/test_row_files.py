"""Rows on disk between two steps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from transforms.dedupe.row_files import RowFiles
from transforms.dedupe.rows import Rows

ROW = np.dtype([("a", "<u4"), ("b", "<f8")])


def _rows(*values: int) -> Rows:
    return np.array([(value, value / 3) for value in values], ROW)


def test_a_receiver_reads_its_slice_of_every_file(tmp_path: Path) -> None:
    files = RowFiles(tmp_path / "rows", ROW)
    one = dict(files.write(0, [(5, _rows(1, 2)), (9, _rows(3))]))
    other = dict(files.write(1, [(9, _rows(4)), (5, _rows(5, 6))]))
    assert files.read([one[5], other[5]]).tolist() == _rows(1, 2, 5, 6).tolist()
    assert files.read([other[9], one[9]]).tolist() == _rows(4, 3).tolist()
    assert len(files.read([])) == 0


def test_a_failed_step_keeps_the_former_file(tmp_path: Path) -> None:
    files = RowFiles(tmp_path, ROW)
    ((_, piece),) = files.write(0, [(1, _rows(1, 2))])

    def failing() -> Iterator[tuple[int, Rows]]:
        yield 1, _rows(7)
        raise OSError("disk full")

    with pytest.raises(Exception, match="disk full"):
        list(files.write(0, failing()))
    assert files.read([piece]).tolist() == _rows(1, 2).tolist()
    assert len(list(tmp_path.iterdir())) == 1
