"""What holds for columns must be what the JSON Schema says of each record."""

from __future__ import annotations

import copy
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.arrow import RECORDS, REJECTED, table
from schemas.files import load_schema, problem_with, unstructure
from tests.corpus_builder import make_record, make_rejected, typical_rows
from transforms.auditing.constraints import violations

KEYWORDS = {"enum", "items", "maximum", "minItems", "minLength", "minimum", "pattern", "properties"}
TYPES_AND_TEXT = {"$ref", "type", "required", "additionalProperties", "description"}

Step = str | int


def leaves(value: Any, path: tuple[Step, ...] = ()) -> list[tuple[tuple[Step, ...], Any]]:
    """Returns every list, text and number of a record with the way that leads there."""
    children: list[tuple[Step, Any]] = []
    if isinstance(value, dict):
        children = list(value.items())
    elif isinstance(value, list):
        children = list(enumerate(value))
    inner = [leaf for step, child in children for leaf in leaves(child, (*path, step))]
    return inner if isinstance(value, dict) else [(path, value), *inner]


def replacements(value: Any) -> st.SearchStrategy[Any]:
    if isinstance(value, list):
        return st.just([])
    if isinstance(value, str):
        return st.sampled_from(["", "x", "0" * 64, "A" * 64, "teacher", "tag", "en"])
    return st.sampled_from([-1, 0, 1, 2])


def put(row: Any, path: tuple[Step, ...], value: Any) -> Any:
    changed = copy.deepcopy(row)
    place = changed
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return changed


@settings(max_examples=200)
@given(data=st.data())
def test_columns_break_a_constraint_where_the_record_breaks_the_schema(data: Any) -> None:
    row = unstructure(make_record(1, llama=True))
    path, value = data.draw(
        st.sampled_from([leaf for leaf in leaves(row) if leaf[0] and leaf[1] is not None])
    )
    changed = put(row, path, data.draw(replacements(value)))
    columns = pa.Table.from_pylist([row, changed], schema=RECORDS)
    found = list(violations(columns, "record"))
    assert bool(found) == bool(problem_with(changed, "record"))
    assert all(violation.rows == [1] for violation in found)
    if found:
        names = [step for step in path if isinstance(step, str)]
        assert found[0].path == ".".join(names)


def test_rows_of_every_sort_break_nothing() -> None:
    records, rejected = typical_rows()
    assert list(violations(table(records, RECORDS), "record")) == []
    assert list(violations(table(rejected, REJECTED), "rejected")) == []


def test_all_rows_that_break_a_constraint_are_named_once() -> None:
    rows = [unstructure(make_rejected(number)) for number in range(4)]
    for row in rows[1::2]:
        row["messages"] = [{"role": "tool", "content": ""}, {"role": "tool", "content": ""}]
    (found,) = violations(pa.Table.from_pylist(rows, schema=REJECTED), "rejected")
    assert (found.path, found.rows) == ("messages.role", [1, 3])


@pytest.mark.parametrize("definition", ["record", "rejected"])
def test_the_schema_uses_no_keyword_that_columns_are_not_held_to(definition: str) -> None:
    definitions = load_schema("record")["$defs"]
    used: set[str] = set()
    waiting, seen = [definitions[definition]], []
    while waiting:
        schema = waiting.pop()
        used |= schema.keys()
        inner = [
            *schema.get("properties", {}).values(),
            *([schema["items"]] if "items" in schema else []),
        ]
        if "$ref" in schema:
            inner.append(definitions[schema["$ref"].rpartition("/")[2]])
        waiting += [one for one in inner if one not in seen]
        seen += inner
    assert used <= KEYWORDS | TYPES_AND_TEXT
