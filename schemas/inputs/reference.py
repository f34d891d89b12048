"""Writes the JSON Schemas and the reference pages of what people write: `make schemas`.

Both come from the models, so what is documented is what is checked.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from schemas.inputs.conversation import Conversation
from schemas.inputs.documents import WrittenTerms
from schemas.inputs.registry import WrittenChanges, WrittenRegistry
from schemas.inputs.run import WrittenRun

ROOT = Path(__file__).parents[2]
DIALECT = "https://json-schema.org/draft/2020-12/schema"

SCHEMAS: Mapping[str, tuple[str, Any]] = {
    "run": ("stillroom run file", WrittenRun),
    "registry": ("stillroom registry", WrittenRegistry),
    "terms": ("stillroom terms document", WrittenTerms),
    "terms_changed": ("stillroom terms-changed.json", WrittenChanges),
    "prompt": ("stillroom prompt", Conversation),
}
PAGES = {
    "run-file": (
        "run",
        "# The run file",
        "A run file is YAML. Paths in it are relative to its folder. Each table lists the keys"
        " of one mapping; keys in **bold** are required. What rules may be set to is in"
        " [rules.md](rules.md).",
    ),
    "teachers": (
        "registry",
        "# The registry, `teachers.yaml`",
        "A registry is YAML: a team's own routes, its approvals and its authorisations. Each table"
        " lists the keys of one mapping; keys in **bold** are required.",
    ),
}


class _Generator(GenerateJsonSchema):
    """Leaves out what pydantic adds: titles, and null as the default of what may be left out."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        written = super().default_schema(schema)
        if written.get("default", ...) in (None, "", [], {}) or "$ref" in written:
            written.pop("default", None)
        return written

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        written = super().dict_schema(schema)
        return written | ({"additionalProperties": False} if "patternProperties" in written else {})


def json_schema(name: str) -> dict[str, Any]:
    """Returns the JSON Schema of a file that people write.

    Args:
        name: Its short name, as in `SCHEMAS`.
    """
    title, kind = SCHEMAS[name]
    schema = TypeAdapter(kind).json_schema(schema_generator=_Generator)
    for written in (schema, *schema.get("$defs", {}).values()):
        written.pop("title", None)
    return {"$schema": DIALECT, "$id": f"{name}.schema.json", "title": title, **schema}


def files() -> Iterator[tuple[Path, str]]:
    """Yields the path and the text of every generated file."""
    for name in SCHEMAS:
        text = json.dumps(json_schema(name), indent=2, ensure_ascii=False)
        yield ROOT / "schemas" / f"{name}.schema.json", f"{text}\n"
    for page in PAGES:
        yield ROOT / "docs" / f"{page}.md", reference(page)


def reference(page: str) -> str:
    """Returns a reference page: a table for each mapping, in the order in which they are met."""
    name, title, introduction = PAGES[page]
    schema = json_schema(name)
    parts = [title, introduction, _table(schema, schema["$defs"])]
    for model in _met(schema, schema["$defs"]):
        written = schema["$defs"][model]
        parts += [f"## {model}", written["description"], _table(written, schema["$defs"])]
    note = f"<!-- Written by `make schemas` from schemas/inputs/{name}.py: edit that. -->"
    return "\n\n".join((note, *parts)) + "\n"


def _met(schema: Any, models: Mapping[str, Any], seen: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Returns the names of the models that a schema refers to, each once, in order."""
    if isinstance(schema, dict):
        name = str(schema.get("$ref", "")).removeprefix("#/$defs/")
        if name and name not in seen:
            seen = _met(models[name], models, (*seen, name))
        schema = [value for key, value in schema.items() if key != "$defs"]
    for value in schema if isinstance(schema, list) else ():
        seen = _met(value, models, seen)
    return seen


def _table(schema: Mapping[str, Any], models: Mapping[str, Any]) -> str:
    rows = ["| key | type | default | bounds | what it is | example |", "|---|---|---|---|---|---|"]
    for key, field in schema["properties"].items():
        name = f"**`{key}`**" if key in schema.get("required", ()) else f"`{key}`"
        default = f"`{_json(field['default'])}`" if "default" in field else ""
        example = f"`{_json(field['examples'][0])}`" if "examples" in field else ""
        # Pydantic leaves a description out that is the model's own.
        model = models.get(field.get("$ref", "").removeprefix("#/$defs/"), {})
        what = field.get("description") or model["description"]
        cells = (name, _type(field), default, _bounds(field), what, example)
        rows.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(rows)


def _type(field: Mapping[str, Any]) -> str:
    if "$ref" in field:
        name = field["$ref"].removeprefix("#/$defs/")
        return f"[{name}](#{name.lower()})"
    if choices := field.get("anyOf") or field.get("oneOf"):
        return " or ".join(_type(choice) for choice in choices)
    if words := field.get("enum") or [field[key] for key in ("const",) if key in field]:
        return ", ".join(f"`{word}`" for word in words)
    if field.get("type") == "array":
        return f"list of {_type(field['items'])}"
    if field.get("type") == "object":
        values = next(iter(field.get("patternProperties", {}).values()), None)
        return f"mapping to {_type(values)}" if values else "mapping"
    names = {"string": "text", "integer": "whole number", "number": "number", "boolean": "boolean"}
    return "date" if field.get("format") == "date" else names[field["type"]]


_BOUNDS = {
    "minimum": "≥ {}",
    "exclusiveMinimum": "> {}",
    "maximum": "≤ {}",
    "minItems": "at least {}",
    "maxItems": "at most {}",
    "minProperties": "at least {}",
    "pattern": "`{}`",
}


def _bounds(field: Mapping[str, Any]) -> str:
    found = [words.format(field[key]) for key, words in _BOUNDS.items() if key in field]
    return ", ".join(found)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def main() -> None:
    """Writes every generated file."""
    for path, text in files():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
