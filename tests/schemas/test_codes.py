"""The codes are plain strings wherever they are written."""

from __future__ import annotations

import json
import pickle

from schemas.arrow import REJECTED, table
from schemas.codes import RowKind
from schemas.files import unstructure
from tests.corpus_builder import make_rejected


def test_a_code_is_written_as_a_plain_string() -> None:
    row = make_rejected(1, kind=RowKind.FAILED)
    plain = unstructure(row)
    assert type(plain["stage"]) is str
    assert json.dumps([plain["stage"], RowKind.FAILED]) == '["ask", "failed"]'
    assert table([row], REJECTED).column("kind").to_pylist() == ["failed"]


def test_a_code_stays_the_same_object_in_another_process() -> None:
    assert pickle.loads(pickle.dumps(make_rejected(1))).kind is RowKind.REJECTED  # noqa: S301
