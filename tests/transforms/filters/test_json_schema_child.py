"""A schema that takes for ever costs one answer a second, and has a stated outcome."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from schemas.canonical import canonical_json
from tests.transforms.filters.test_schema_cost import doubling
from transforms.filters.json_schema import violation

BACKTRACKS = {"type": "string", "pattern": "^(a+)+$"}
SLOW: list[tuple[dict[str, Any], Any]] = [
    (BACKTRACKS, "a" * 40 + "!"),
    ({"uniqueItems": True}, [{"a": [n]} for n in range(20_000)]),
    (doubling(30), {}),
]


@pytest.mark.parametrize(("schema", "value"), SLOW, ids=["pattern", "uniqueItems", "fan-out"])
def test_what_takes_too_long_is_unchecked_and_the_next_answer_is_not(
    schema: dict[str, Any], value: Any
) -> None:
    began = time.monotonic()
    found = violation("the answer", json.dumps(value), canonical_json(schema))
    assert found is not None
    assert (found.code, found.finding) == (
        "unchecked",
        "the schema cannot be applied: it takes more than 1 s of CPU time",
    )
    assert time.monotonic() - began < 30
    assert violation("the answer", '"aaa"', canonical_json(BACKTRACKS)) is None
    found = violation("the answer", '"b"', canonical_json(BACKTRACKS))
    assert found is not None
    assert found.finding == "the answer does not keep to its JSON Schema at pattern"
