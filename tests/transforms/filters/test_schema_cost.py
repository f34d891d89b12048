"""A schema that applies too many subschemas to one value is found before anything is asked."""

from __future__ import annotations

import math
from typing import Any

import pytest

from transforms.filters.json_schema import schema_problem
from transforms.filters.schema_cost import most_at_once


def doubling(levels: int) -> dict[str, Any]:
    """Returns a schema in which each level refers twice to the next."""
    levels_of = {f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(levels)}
    return {"$ref": "#/$defs/a0", "$defs": levels_of | {f"a{levels}": {"type": "object"}}}


@pytest.mark.parametrize(
    ("schema", "most"),
    [
        ({}, 1),
        ({"type": "object", "properties": {"a": {"type": "string"}}}, 1),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, 3),
        ({"not": {"if": {}, "then": {"const": 1}}}, 4),
        ({"properties": {"a": {"oneOf": [{}, {}, {}]}}}, 4),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"allOf": [{}, {}]}}}, 4),
        ({"properties": {"parts": {"items": {"$ref": "#"}}}}, 2),
        ({"$ref": "#"}, math.inf),
        ({"anyOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"not": {"$ref": "#"}}}}, math.inf),
    ],
)
def test_subschemas_that_apply_to_one_value_are_counted(
    schema: dict[str, Any], most: float
) -> None:
    assert most_at_once(schema) == most


@pytest.mark.parametrize("levels", [20, 60])
def test_a_fan_out_is_counted_at_once_and_refused(levels: int) -> None:
    assert most_at_once(doubling(levels)) > 2**levels
    assert "subschemas apply to one value" in schema_problem(doubling(levels))


def test_a_reference_to_itself_is_refused_only_where_it_has_no_end() -> None:
    assert "leads back to itself" in schema_problem(
        {
            "properties": {"a": {"$ref": "#/$defs/b"}},
            "$defs": {"b": {"allOf": [{"$ref": "#/$defs/b"}]}},
        }
    )
    tree = {"properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}}}
    assert schema_problem(tree) == ""
