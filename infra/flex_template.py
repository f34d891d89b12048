"""Prints the Flex Template's metadata, made from the schema of a run file.

Run `python infra/flex_template.py > infra/flex_template.json` after a change of the schema. Every
top-level key of a run file becomes a parameter of the template: text unchanged, anything else as
JSON, since the parameters of a template are text.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

_SCHEMA = Path(__file__).resolve().parent.parent / "schemas" / "run.schema.json"

# Fields that name a place: a template has no folder that a relative path could start from. Only a
# ledger may lie in a bucket; any other address is refused before a machine is started.
_PATHS = {"registry": "^/.+$", "corpus": "^/.+$", "ledger": "^(/|gs://).+$"}
_SHARED = "An absolute path on a file system that all workers share"

Json = dict[str, Any]


def metadata(schema: Json) -> Json:
    """Makes a Flex Template's metadata.

    Args:
        schema: JSON Schema of a run file.

    Returns:
        A `TemplateMetadata` of `google.cloud.dataflow_v1beta3`, as JSON.
    """
    parameters = [
        _parameter(name, _resolve(field, schema), schema)
        | {"isOptional": name not in schema["required"]}
        for name, field in schema["properties"].items()
    ]
    return {
        "name": "stillroom",
        "description": "Builds a licensed distillation corpus: asks permitted teachers, keeps every"
        " answer, publishes Parquet in which every record carries its provenance.",
        "streaming": False,
        "parameters": [*parameters, _slices()],
    }


def _parameter(name: str, field: Json, schema: Json) -> Json:
    parameter: Json = {"name": name, "label": name.capitalize()}
    if "enum" in field:
        options = [{"value": value, "label": value} for value in field["enum"]]
        return parameter | _help(field) | {"paramType": "ENUM", "enumOptions": options}
    if name in _PATHS:
        return parameter | _help(field, _SHARED) | {"paramType": "TEXT", "regexes": [_PATHS[name]]}
    if field["type"] == "string":
        patterns = {"regexes": [field["pattern"]]} if "pattern" in field else {}
        return parameter | _help(field) | {"paramType": "TEXT"} | patterns
    return parameter | _help(field, _shape(field, schema)) | {"paramType": "TEXT"}


def _slices() -> Json:
    """Returns the one parameter that belongs to the execution, not to the run file."""
    return {
        "name": "slices",
        "label": "Slices",
        "helpText": "Shares of quota and budget, one worker each: 1 to 16, by default 1.",
        "paramType": "NUMBER",
        "regexes": ["^([1-9]|1[0-6])$"],
        "isOptional": True,
    }


def _help(field: Json, *more: str) -> Json:
    sentences = [field["description"]] if "description" in field else []
    return {"helpText": " ".join(f"{text.rstrip('.')}." for text in (*sentences, *more))}


def _shape(field: Json, schema: Json) -> str:
    """Returns a sentence on the JSON that a field needs."""
    if field["type"] == "array":
        return f"JSON: a list of objects with {_fields(_resolve(field['items'], schema))}"
    if "properties" in field:
        return f"JSON: an object with {_fields(field)}"
    return "JSON: an object"


def _fields(field: Json) -> str:
    required = field.get("required", ())
    return ", ".join(
        f"{name} (required)" if name in required else name for name in field["properties"]
    )


def _resolve(field: Json, schema: Json) -> Json:
    """Returns a field with the definition that it refers to; its own keys win."""
    if "$ref" not in field:
        return field
    definition: Json = schema["$defs"][field["$ref"].removeprefix("#/$defs/")]
    return definition | field


if __name__ == "__main__":
    text = json.dumps(
        metadata(json.loads(_SCHEMA.read_text("utf-8"))), indent=2, ensure_ascii=False
    )
    sys.stdout.write(text + "\n")
