"""An answer that was asked for by a JSON Schema keeps to it, or is found."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.canonical import canonical_json
from schemas.errors import InputError
from schemas.inputs.quality import FilterChoice
from transforms.filters.json_schema import (
    JsonSchemaSettings,
    find_json_schema,
    schema_asked_for,
    schema_problem,
)
from transforms.filters.policy import compile_filters
from transforms.filters.rules import Candidate

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "pattern": "^[a-z]+$"},
        "parts": {"type": "array", "items": {"$ref": "#"}},
        "grams": {"type": "number", "multipleOf": 0.5},
    },
    "required": ["name"],
    "additionalProperties": False,
}


def codes(answer: str, asked: Any = SCHEMA, written: Any = None) -> list[str]:
    candidate = Candidate((), answer, response_schema=canonical_json(asked) if asked else "")
    return [found.code for found in find_json_schema(candidate, JsonSchemaSettings(written))]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ('{"name": "still"}', []),
        (' {"name": "still", "grams": 2.5, "parts": [{"name": "head"}]}\n', []),
        ('{"grams": 2.5}', ["schema_mismatch"]),
        ('{"name": "Still"}', ["schema_mismatch"]),
        ('{"name": "still", "colour": "copper"}', ["schema_mismatch"]),
        ('{"name": "still", "parts": [{"name": 1}]}', ["schema_mismatch"]),
        ('[{"name": "still"}]', ["schema_mismatch"]),
        ("", ["not_json"]),
        ("A still.", ["not_json"]),
        ('{"name": "sti', ["not_json"]),
        ('{"name": "still"}.', ["not_json"]),
        ('```json\n{"name": "still"}\n```', ["not_json"]),
        ('{"name": "still", "grams": NaN}', ["not_json"]),
        ('{"name": "still", "grams": ' + "7" * 5000 + "}", ["not_json"]),
        ("[" * 100_000, ["not_json"]),
        ('{"name": "still", "grams": 1' + "0" * 400 + "}", ["unchecked"]),
        ('{"parts": [' * 300 + "]}" * 300, ["unchecked"]),
    ],
)
def test_an_answer_keeps_to_the_schema_that_was_asked_for(answer: str, expected: list[str]) -> None:
    assert codes(answer) == expected


def test_an_answer_that_no_schema_was_asked_for_may_be_anything() -> None:
    assert codes("A still.", asked=None) == []


def test_a_schema_in_the_run_file_takes_the_place_of_the_one_asked_for() -> None:
    assert codes("7", {"type": "integer"}, {"type": "string"}) == ["schema_mismatch"]
    assert codes("7", {"type": "string"}, {"type": "integer"}) == []


def test_the_finding_quotes_nothing_of_the_answer() -> None:
    candidate = Candidate((), '{"name": 7, "ada@x.org": 1}', response_schema=canonical_json(SCHEMA))
    for found in find_json_schema(candidate, JsonSchemaSettings()):
        assert "ada" not in found.detail
        assert found.detail.endswith(("additionalProperties", "properties/name/type"))


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        (SCHEMA, ""),
        ({}, ""),
        ({"$defs": {"a": {"type": "null"}}, "$ref": "#/$defs/a"}, ""),
        ({"$defs": {"a": {"$anchor": "here"}}, "$ref": "#here"}, ""),
        ({"type": "dict"}, "type: 'dict' is not valid"),
        ({"properties": {"a": {"minLength": -1}}}, "properties/a/minLength"),
        ({"pattern": "("}, "pattern: '(' is not a 'regex'"),
        ({"$ref": "#/$defs/b"}, "'#/$defs/b' leads to no place in the schema"),
        ({"items": [{"$ref": "a"}]}, "items"),
        ({"anyOf": [{"$ref": "https://example.org/s"}]}, "'https://example.org/s' leads to no"),
    ],
)
def test_a_schema_that_cannot_be_used_is_refused(schema: dict[str, Any], says: str) -> None:
    found = schema_problem(schema)
    assert says in found
    assert bool(says) == bool(found)


def test_a_schema_in_a_run_file_is_checked_with_its_line() -> None:
    choice = FilterChoice(rule="json_schema", schema={"type": "dict"})
    with pytest.raises(InputError, match=r"run\.yaml:7.*'dict'"):
        compile_filters((choice,), lambda _: "run.yaml:7")
    with pytest.raises(InputError, match="expected a mapping"):
        compile_filters((FilterChoice(rule="json_schema", schema="x"),), str)


def test_the_schema_survives_the_way_to_a_worker() -> None:
    choice = FilterChoice(rule="json_schema", action="tag", schema=SCHEMA)
    filters = pickle.loads(pickle.dumps(compile_filters((choice,), str)))  # noqa: S301 - our own
    assert [found.code for found in filters.apply(Candidate((), "{}"))] == ["schema_mismatch"]


def test_the_schema_is_found_in_a_requests_parameters() -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "still", "schema": SCHEMA}}
    parameters = canonical_json({"temperature": 1, "response_format": wanted})
    assert json.loads(schema_asked_for(parameters)) == SCHEMA
    assert schema_asked_for('{"temperature":1}') == ""


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["name", "parts"]), inner),
    max_leaves=10,
)


@given(st.text() | JSON.map(json.dumps))
def test_whatever_was_answered_there_is_at_most_one_finding(answer: str) -> None:
    assert len(codes(answer)) <= 1
