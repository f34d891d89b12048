"""Does the answer keep to the JSON Schema that was asked for?

Teachers that are given a schema mostly keep to it, and no API promises it: an answer that was cut
or refused does not. So each answer is held to its schema. `transforms.asking.repair` asks once
more for one that does not keep to it.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from schemas.canonical import canonical_json
from transforms.filters.rules import Candidate, Finding, Rule


@dataclass(frozen=True, slots=True)
class JsonSchemaSettings:
    """Settings of `json_schema`.

    Attributes:
        schema: What answers are to keep to; None for what each request asked for, if anything.
    """

    schema: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        """Checks that it is a schema."""
        problem = schema_problem(self.schema) if self.schema is not None else ""
        if problem:
            raise ValueError(f"schema: {problem}")


@dataclass(frozen=True, slots=True)
class SchemaViolation:
    """How a text violates a JSON Schema.

    Attributes:
        code: `not_json`, `schema_mismatch`, or `unchecked` for a schema that cannot be applied.
        finding: What was found, in the schema's words alone.
        explanation: The same for whoever wrote the text, whom it may quote.
    """

    code: str
    finding: str
    explanation: str


@functools.lru_cache(maxsize=64)
def schema_asked_for(parameters: str) -> str:
    """Returns the JSON Schema that a request asks its answer to keep to.

    Args:
        parameters: The request's parameters as canonical JSON.

    Returns:
        The schema as canonical JSON, or "" for none.
    """
    wanted = json.loads(parameters).get("response_format")
    return canonical_json(wanted["json_schema"]["schema"]) if wanted else ""


def schema_problem(schema: Mapping[str, Any]) -> str:
    """Returns what keeps a JSON Schema (2020-12) from being used, or "" for nothing.

    A reference must lead to a place in the schema itself: nothing is ever fetched.
    """
    try:
        Draft202012Validator.check_schema(schema)
        for reference in _references(schema):
            if not _leads_somewhere(reference, schema):
                return f"the reference {reference!r} leads to no place in the schema"
    except SchemaError as error:
        place = "/".join(map(str, error.absolute_path))
        return f"{place}: {error.message}" if place else error.message
    except RecursionError:
        return "more levels of nesting than any schema has"
    return ""


def find_json_schema(candidate: Candidate, settings: JsonSchemaSettings) -> Iterator[Finding]:
    """Finds an answer that is no JSON, or not the JSON that was asked for."""
    schema = candidate.response_schema
    if settings.schema is not None:
        schema = canonical_json(settings.schema)
    if not schema or candidate.only_calls:
        return
    found = violation(candidate.completion, schema)
    if found is not None:
        yield Finding(found.code, found.finding)


def read_json(text: str) -> Any:
    """Reads JSON that a teacher wrote.

    Raises:
        ValueError: It is none.
        RecursionError: It has more levels of nesting than can be read.
    """
    return _DECODER.decode(text)


def violation(text: str, schema: str) -> SchemaViolation | None:
    """Returns how an answer violates a JSON Schema; None where it does not.

    Args:
        text: What should be JSON.
        schema: The schema as canonical JSON.
    """
    try:
        value = read_json(text)
    except (ValueError, RecursionError) as error:
        finding = "the answer is not JSON, though a JSON Schema was asked for"
        return SchemaViolation("not_json", finding, f"it is not JSON: {error}")
    return value_violation("the answer", value, schema)


def value_violation(name: str, value: Any, schema: str) -> SchemaViolation | None:
    """Returns how a value violates a JSON Schema; None where it does not.

    Args:
        name: What to call the value.
        value: What a teacher wrote.
        schema: The schema as canonical JSON.
    """
    try:
        found = next(_validator(schema).iter_errors(value), None)
    except (ArithmeticError, RecursionError, Unresolvable) as failure:
        finding = f"the schema cannot be applied: {type(failure).__name__}"
        return SchemaViolation("unchecked", finding, finding)
    if found is None:
        return None
    # The place in the schema is ours to tell; what was answered is not.
    place = "/".join(map(str, found.absolute_schema_path))
    return SchemaViolation(
        "schema_mismatch",
        f"{name} does not keep to its JSON Schema at {place}",
        f"at {found.json_path}: {found.message}",
    )


@functools.lru_cache(maxsize=64)
def _validator(schema: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads(schema), registry=Registry())


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key in ("$ref", "$dynamicRef") and isinstance(inner, str):
                yield inner
            yield from _references(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _references(inner)


def _leads_somewhere(reference: str, schema: Mapping[str, Any]) -> bool:
    registry: Registry[Any] = Registry().with_resource("", DRAFT202012.create_resource(schema))
    try:
        registry.resolver().lookup(reference)
    except Unresolvable:
        return False
    return True


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number that JSON knows")


_DECODER = json.JSONDecoder(parse_constant=_refuse)

JSON_SCHEMA = Rule(
    "json_schema",
    1,
    "drop",
    ("not_json", "schema_mismatch", "unchecked"),
    find_json_schema,
    JsonSchemaSettings(),
)
