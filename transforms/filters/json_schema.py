"""Checks answers against the JSON Schema that was asked for.

Teachers mostly follow a schema, but no API guarantees it: an answer that was cut or refused does
not. `transforms.asking.repair` asks again for an answer that does not follow its schema.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from schemas.canonical import canonical_json
from transforms.filters.child import Child, ChildDied, ChildHung
from transforms.filters.codes import FindingCode
from transforms.filters.json_schema_child import unchecked
from transforms.filters.rules import Candidate, Finding, Rule
from transforms.filters.schema_cost import most_at_once

MOST_AT_ONCE = 10_000  # subschemas on one value; schemas that people write have tens
CPU_SECONDS = 1.0  # for one answer; a check takes less than a millisecond
# This limit is on real time, for a machine that is extremely busy.
_WALL_FACTOR = 60
_CHILD = Child(Path(__file__).with_name("json_schema_child.py"))


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
        if (most := most_at_once(schema)) > MOST_AT_ONCE:
            return _fan_out(most)
    except SchemaError as error:
        place = "/".join(map(str, error.absolute_path))
        return f"{place}: {error.message}" if place else error.message
    except RecursionError:
        return "more levels of nesting than any schema has"
    return ""


def _fan_out(most: float) -> str:
    if most == float("inf"):
        return "a $ref leads back to itself for the same value, so that checking has no end"
    return f"{most:.3g} subschemas apply to one value, through $ref; at most {MOST_AT_ONCE} can"


def find_json_schema(candidate: Candidate, settings: JsonSchemaSettings) -> Iterator[Finding]:
    """Finds an answer that is not JSON, or does not follow its schema."""
    schema = candidate.response_schema
    if settings.schema is not None:
        schema = canonical_json(settings.schema)
    if not schema or candidate.only_calls:
        return
    found = violation("the answer", candidate.completion, schema)
    if found is not None:
        yield Finding(found.code, found.finding)


def violation(name: str, text: str, schema: str) -> SchemaViolation | None:
    """Returns how a text violates a JSON Schema, or None.

    A process checks it, and is killed at a limit; meanwhile this waits. That costs 0.04 ms more
    than a check in this process.

    Args:
        name: The name of the text in messages.
        text: What should be JSON.
        schema: The schema as canonical JSON.
    """
    question = (name, text, schema, CPU_SECONDS)
    try:
        found = _CHILD.ask(question, CPU_SECONDS * _WALL_FACTOR)
    except ChildHung:
        found = unchecked(f"it takes more than {CPU_SECONDS:g} s of CPU time")
    except ChildDied:
        found = unchecked("the process that checks it died")
    return SchemaViolation(*found) if found else None


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


JSON_SCHEMA = Rule(
    "json_schema",
    1,
    "drop",
    (FindingCode.NOT_JSON, FindingCode.SCHEMA_MISMATCH, FindingCode.UNCHECKED),
    find_json_schema,
    JsonSchemaSettings(),
)
