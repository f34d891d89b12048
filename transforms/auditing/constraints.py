"""Checks Arrow tables against a JSON Schema, a column at a time.

The schema is `record.schema.json`. To validate a million records one by one takes a quarter of an
hour (1 ms each); to check their columns takes seconds. The keywords that the schema uses are
supported: `minLength`, `pattern`, `enum`, `minimum`, `maximum`, `minItems`, `items`, `properties`,
`$ref`. Types and missing values are checked by the Arrow schema.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from schemas.files import load_schema

_REF = "#/$defs/"


@dataclass(frozen=True, slots=True)
class RowViolation:
    """A problem of some rows of a table.

    Attributes:
        path: The field, names joined by dots.
        what: The problem.
        rows: Indices of the rows, ascending.
    """

    path: str
    what: str
    rows: list[int]


def violations(table: pa.Table, definition: str) -> Iterator[RowViolation]:
    """Finds the constraints of a definition in `record.schema.json` that a table breaks.

    Args:
        table: Rows with the Arrow schema of the definition.
        definition: `record`, `rejected` or `preference`.

    Yields:
        Each broken constraint once, with all rows that break it.
    """
    whole = table.to_struct_array().combine_chunks()
    rows = pa.array(range(table.num_rows), pa.int64())
    yield from _walk("", whole, _definition(definition), rows)


@functools.cache
def _definition(name: str) -> dict[str, Any]:
    return _resolved({"$ref": _REF + name}, load_schema("record")["$defs"])


def _resolved(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """Returns a schema with all references, nested ones too, replaced by their definitions."""
    if "$ref" in schema:
        rest = {key: value for key, value in schema.items() if key != "$ref"}
        schema = definitions[schema["$ref"].removeprefix(_REF)] | rest
    resolved = dict(schema)
    if "items" in schema:
        resolved["items"] = _resolved(schema["items"], definitions)
    if "properties" in schema:
        resolved["properties"] = {
            name: _resolved(inner, definitions) for name, inner in schema["properties"].items()
        }
    return resolved


def _walk(
    path: str, values: pa.Array, schema: dict[str, Any], rows: pa.Array
) -> Iterator[RowViolation]:
    """Checks values; `rows` has the index of the row that each value belongs to."""
    if "properties" in schema:
        for name, inner in schema["properties"].items():
            within = f"{path}.{name}" if path else name
            # Not `values.field`, which does not return null for the fields of a null struct.
            yield from _walk(within, pc.struct_field(values, name), inner, rows)
        return
    if "items" in schema:
        parents = rows.take(pc.list_parent_indices(values))
        yield from _walk(path, pc.list_flatten(values), schema["items"], parents)
    for broken, what in _broken(values, schema):
        found = pc.unique(rows.filter(broken)).to_pylist()
        if found:
            yield RowViolation(path, what, sorted(found))


def _broken(values: pa.Array, schema: dict[str, Any]) -> Iterator[tuple[pa.Array, str]]:
    """Yields a mask of the values that break a constraint, and the problem."""
    if pa.types.is_timestamp(values.type):
        values = values.cast(pa.int64())
    if "minItems" in schema:
        yield pc.less(pc.list_value_length(values), schema["minItems"]), "has too few entries"
    if "minLength" in schema:
        yield pc.less(pc.utf8_length(values), schema["minLength"]), "is empty"
    if "pattern" in schema:
        matches = pc.match_substring_regex(values, schema["pattern"])
        yield pc.invert(matches), f"is not of the form {schema['pattern']}"
    if "enum" in schema:
        known = pc.is_in(values, value_set=pa.array(schema["enum"], values.type))
        yield pc.invert(known), f"is none of {', '.join(schema['enum'])}"
    if "minimum" in schema:
        yield pc.less(values, schema["minimum"]), f"is less than {schema['minimum']}"
    if "maximum" in schema:
        yield pc.greater(values, schema["maximum"]), f"is more than {schema['maximum']}"
