"""Checks answers against the JSON Schema that was asked for.

Teachers mostly follow a schema, but no API guarantees it: an answer that was cut or refused does
not. `transforms.asking.repair` asks again for an answer that does not follow its schema.
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
from transforms.filters.codes import FindingCode
from transforms.filters.rules import Candidate, Finding, Rule


@dataclass(frozen=True, slots=True)
class JsonSchemaSettings:
    """Settings of `json_schema`.

    Attributes:
        schema: The schema of all answers; without it that of each request, if it has one.
    """

    schema: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        """Checks that the schema is valid."""
        problem = schema_problem(self.schema) if self.schema is not None else ""
        if problem:
            raise ValueError(f"schema: {problem}")


@dataclass(frozen=True, slots=True)
class SchemaViolation:
    """How a text or value violates a JSON Schema.

    Attributes:
        code: `not_json`, `schema_mismatch`, or `unchecked` if the schema cannot be applied.
        finding: A description that names the schema only.
        explanation: A description for the teacher, which may quote the answer.
    """

    code: str
    finding: str
    explanation: str


@functools.lru_cache(maxsize=64)
def schema_asked_for(parameters: str) -> str:
    """Returns the JSON Schema that a request asks for.

    Args:
        parameters: The request's parameters as canonical JSON.

    Returns:
        The schema as canonical JSON, or "".
    """
    wanted = json.loads(parameters).get("response_format")
    return canonical_json(wanted["json_schema"]["schema"]) if wanted else ""


def schema_problem(schema: Mapping[str, Any]) -> str:
    """Returns why a JSON Schema (2020-12) cannot be used, or "" if it can.

    References must be to places in the schema itself: nothing is fetched.
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
    """Finds an answer that is not JSON, or does not follow its schema."""
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
        ValueError: It is not JSON.
        RecursionError: It is nested too deeply to be read.
    """
    return _DECODER.decode(text)


def violation(text: str, schema: str) -> SchemaViolation | None:
    """Returns how an answer violates a JSON Schema, or None.

    Args:
        text: What should be JSON.
        schema: The schema as canonical JSON.
    """
    try:
        value = read_json(text)
    except (ValueError, RecursionError) as error:
        finding = "the answer is not JSON, though a JSON Schema was asked for"
        return SchemaViolation(FindingCode.NOT_JSON, finding, f"it is not JSON: {error}")
    return value_violation("the answer", value, schema)


def value_violation(name: str, value: Any, schema: str) -> SchemaViolation | None:
    """Returns how a value violates a JSON Schema, or None.

    Args:
        name: The name of the value in messages.
        value: A value that a teacher wrote.
        schema: The schema as canonical JSON.
    """
    try:
        found = next(_validator(schema).iter_errors(value), None)
    except (ArithmeticError, RecursionError, Unresolvable) as failure:
        finding = f"the schema cannot be applied: {type(failure).__name__}"
        return SchemaViolation(FindingCode.UNCHECKED, finding, finding)
    if found is None:
        return None
    # A finding is published: it may name the schema, but not quote the answer.
    place = "/".join(map(str, found.absolute_schema_path))
    return SchemaViolation(
        FindingCode.SCHEMA_MISMATCH,
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
    (FindingCode.NOT_JSON, FindingCode.SCHEMA_MISMATCH, FindingCode.UNCHECKED),
    find_json_schema,
    JsonSchemaSettings(),
)
