"""A field is named in three places, dataclass, JSON Schema and Arrow schema: they must agree."""

from __future__ import annotations

import dataclasses
import inspect
import types
import typing
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any, Literal

import pyarrow as pa
import pytest
from pydantic import BaseModel

from schemas.arrow import PREFERENCES, RECORDS, REJECTED
from schemas.files import load_schema
from schemas.index import IndexManifest
from schemas.logprobs import Logprobs, TokenLogprob
from schemas.manifest import Latest, Manifest
from schemas.records import Preference, Record, Rejected

# What stands packed in a dataclass, and as a list everywhere else.
PACKED: dict[Any, Any] = {Logprobs: tuple[TokenLogprob, ...]}


@dataclass(frozen=True)
class Shape:
    """What a value may be, however it was declared."""

    kind: str
    fields: tuple[tuple[str, Shape], ...] = ()
    item: Shape | None = None
    values: frozenset[str] | None = None
    nullable: bool = False


def of_dataclass(hint: Any) -> Shape:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        (inner,) = (argument for argument in arguments if argument is not type(None))
        return dataclasses.replace(of_dataclass(inner), nullable=True)
    if origin is Literal:
        return Shape("text", values=frozenset(arguments))
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return Shape("text", values=frozenset(hint))
    if origin is tuple:
        return Shape("list", item=of_dataclass(arguments[0]))
    if origin is dict:
        return Shape("map", item=of_dataclass(arguments[1]))
    if is_record(hint):
        return Shape("object", tuple((name, of_dataclass(kind)) for name, kind in written(hint)))
    names = {str: "text", int: "integer", float: "number", bool: "boolean", date: "text"}
    return Shape(names.get(hint, "any"))


def is_record(hint: Any) -> bool:
    """Whether a type is a dataclass or a model."""
    return dataclasses.is_dataclass(hint) or (
        isinstance(hint, type) and issubclass(hint, BaseModel)
    )


def written(kind: Any) -> list[tuple[str, Any]]:
    """Returns the fields of a dataclass or of a model, by their keys in a file."""
    hints = typing.get_type_hints(kind)
    fields = getattr(kind, "model_fields", None) or getattr(kind, "__dataclass_fields__", {})
    return [(name, PACKED.get(hints[name], hints[name])) for name in fields]


def of_json(schema: dict[str, Any], file: str) -> Shape:
    schema, file = resolved(schema, file)
    if "oneOf" in schema:
        return of_choice(schema["oneOf"], file)
    if "enum" in schema:
        values = [value for value in schema["enum"] if value is not None]
        return Shape("text", values=frozenset(values), nullable=None in schema["enum"])
    kinds = schema.get("type", "any")
    kinds = [kinds] if isinstance(kinds, str) else kinds
    (kind,) = (kind for kind in kinds if kind != "null")
    return dataclasses.replace(of_type(kind, schema, file), nullable="null" in kinds)


def of_choice(choices: list[dict[str, Any]], file: str) -> Shape:
    """A value with a short form counts as its long form."""
    nullable = {"type": "null"} in choices
    shapes = [of_json(choice, file) for choice in choices if choice != {"type": "null"}]
    longest = max(shapes, key=lambda shape: ("text", "list", "object").index(shape.kind))
    return dataclasses.replace(longest, nullable=nullable)


def of_type(kind: str, schema: dict[str, Any], file: str) -> Shape:
    if kind == "array":
        return Shape("list", item=of_json(schema["items"], file))
    if kind == "object" and "properties" in schema:
        fields = schema["properties"].items()
        return Shape("object", tuple((name, of_json(inner, file)) for name, inner in fields))
    if kind == "object":
        return Shape("map", item=of_json(schema["additionalProperties"], file))
    return Shape({"string": "text"}.get(kind, kind))


def resolved(schema: dict[str, Any], file: str) -> tuple[dict[str, Any], str]:
    """Follows references, into other files too."""
    while "$ref" in schema:
        other, _, pointer = schema["$ref"].partition("#")
        file = other.removesuffix(".schema.json") or file
        rest = {key: value for key, value in schema.items() if key not in ("$ref", "$defs")}
        target = load_schema(file)
        for step in pointer.strip("/").split("/"):
            target = target[step]
        schema = target | rest
    return schema, file


def of_arrow(kind: pa.DataType, nullable: bool = False) -> Shape:
    if pa.types.is_list(kind):
        return Shape("list", item=of_arrow(kind.value_type), nullable=nullable)
    if pa.types.is_struct(kind):
        fields = tuple((field.name, of_arrow(field.type, field.nullable)) for field in kind)
        return Shape("object", fields, nullable=nullable)
    if pa.types.is_integer(kind) or pa.types.is_timestamp(kind):
        return Shape("integer", nullable=nullable)
    return Shape("number" if pa.types.is_floating(kind) else "text", nullable=nullable)


def differences(one: Shape, other: Shape, *, nulls: bool, path: str = "") -> list[str]:
    """Returns where two shapes differ. A closed set of values binds the other only if both do."""
    if one.kind == "map" and one.item == Shape("any"):
        return [] if other.kind in ("map", "object") else [f"{path}: {other.kind}"]
    found = [] if one.kind == other.kind else [f"{path}: {one.kind} and {other.kind}"]
    # An unknown cost is NaN in a shard and in code, and null in JSON, which has no NaN.
    may_be_nan = path.endswith(".usd")
    if nulls and one.nullable != other.nullable and not may_be_nan:
        found.append(f"{path}: {one.nullable} and {other.nullable} on null")
    if one.values is not None and other.values is not None and one.values != other.values:
        found.append(f"{path}: {set(one.values ^ other.values)}")
    if one.item and other.item:
        found += differences(one.item, other.item, nulls=nulls, path=f"{path}[]")
    mine, theirs = dict(one.fields), dict(other.fields)
    found += [f"{path}.{name}: in one only" for name in mine.keys() ^ theirs.keys()]
    for name in mine.keys() & theirs.keys():
        found += differences(mine[name], theirs[name], nulls=nulls, path=f"{path}.{name}")
    return found


@dataclass(frozen=True)
class Inner:
    """A dataclass for the tests of the comparison itself."""

    number: int


@dataclass(frozen=True)
class Outer:
    """The same, with one nested in it."""

    inner: tuple[Inner, ...]


FILES = [
    pytest.param(Record, "record", "record", True, id="record"),
    pytest.param(Rejected, "record", "rejected", True, id="rejected"),
    pytest.param(Preference, "record", "preference", True, id="preference"),
    pytest.param(Manifest, "manifest", None, True, id="manifest"),
    pytest.param(Latest, "latest", None, True, id="latest"),
    pytest.param(IndexManifest, "index", None, True, id="index"),
]

ROWS = [
    pytest.param(Record, RECORDS, id="record"),
    pytest.param(Rejected, REJECTED, id="rejected"),
    pytest.param(Preference, PREFERENCES, id="preference"),
]


@pytest.mark.parametrize(("kind", "file", "definition", "nulls"), FILES)
def test_dataclass_and_json_schema_name_the_same_fields(
    kind: type, file: str, definition: str | None, nulls: bool
) -> None:
    schema = load_schema(file)
    schema = schema["$defs"][definition] if definition else schema
    assert differences(of_dataclass(kind), of_json(schema, file), nulls=nulls) == []


@pytest.mark.parametrize(("kind", "schema"), ROWS)
def test_dataclass_and_arrow_schema_name_the_same_fields(kind: type, schema: pa.Schema) -> None:
    arrow = of_arrow(pa.struct(list(schema)))
    assert differences(of_dataclass(kind), arrow, nulls=True) == []


@pytest.mark.parametrize(("kind", "schema"), ROWS)
def test_dataclass_and_arrow_schema_have_one_order(kind: type, schema: pa.Schema) -> None:
    assert [name for name, _ in written(kind)] == schema.names


@pytest.mark.parametrize(("kind", "file", "definition", "nulls"), FILES)
def test_json_schema_requires_what_has_no_default(
    kind: type, file: str, definition: str | None, nulls: bool
) -> None:
    schema = load_schema(file)
    assert_required(kind, schema["$defs"][definition] if definition else schema, file)


def assert_required(kind: Any, schema: dict[str, Any], file: str) -> None:
    schema, file = object_schema(schema, file)
    needed = {
        name
        for name, parameter in inspect.signature(kind).parameters.items()
        if parameter.default is inspect.Parameter.empty
    }
    assert set(schema.get("required", ())) == needed, kind
    for name, hint in written(kind):
        for nested in nested_dataclasses(hint):
            assert_required(nested, schema["properties"][name], file)


def nested_dataclasses(hint: Any) -> list[Any]:
    """Returns the records that a field holds, in a list, a mapping or by itself."""
    if is_record(hint):
        return [hint]
    return [found for inner in typing.get_args(hint) for found in nested_dataclasses(inner)]


def object_schema(schema: dict[str, Any], file: str) -> tuple[dict[str, Any], str]:
    """Returns the schema of the object that a schema holds, likewise."""
    schema, file = resolved(schema, file)
    if "properties" in schema:
        return schema, file
    inner = [schema[key] for key in ("items", "additionalProperties") if key in schema]
    inner += [
        choice for choice in schema.get("oneOf", []) if "properties" in resolved(choice, file)[0]
    ]
    return object_schema(inner[0], file)


def test_a_field_that_is_missing_in_one_place_is_noticed() -> None:
    without = pa.struct([field for field in RECORDS if field.name != "language"])
    assert differences(of_dataclass(Record), of_arrow(without), nulls=True) == [
        ".language: in one only"
    ]


def test_a_nested_field_of_another_type_is_noticed() -> None:
    items = {"type": "object", "properties": {"number": {"type": "string"}}}
    schema = {"type": "object", "properties": {"inner": {"type": "array", "items": items}}}
    assert differences(of_dataclass(Outer), of_json(schema, "run"), nulls=True) == [
        ".inner[].number: integer and text"
    ]
