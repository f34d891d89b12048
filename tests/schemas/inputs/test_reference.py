"""What is committed is what the models generate."""

from __future__ import annotations

from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from schemas.inputs.document import read_yaml
from schemas.inputs.reference import ROOT, SCHEMAS, files, json_schema

GENERATED = dict(files())


@pytest.mark.parametrize("path", GENERATED, ids=lambda path: path.name)
def test_a_generated_file_is_committed_as_it_is_generated(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == GENERATED[path], "run `make schemas`"


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_json_schema_and_every_key_has_a_sentence(name: str) -> None:
    schema = json_schema(name)
    Draft202012Validator.check_schema(schema)
    models = schema.get("$defs", {})
    for model in (schema, *models.values()):
        assert model["description"].endswith(".")
        for field in model.get("properties", {}).values():
            target = models.get(field.get("$ref", "").removeprefix("#/$defs/"), {})
            assert (field.get("description") or target["description"]).endswith(".")


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("run", "examples/demo/run.yaml"),
        ("run", "pipelines/commands/starter/run.yaml"),
        ("registry", "pipelines/commands/starter/teachers.yaml"),
    ],
)
def test_the_examples_are_valid_by_the_schema(name: str, file: str) -> None:
    data = read_yaml(ROOT / file).data
    assert not list(Draft202012Validator(json_schema(name)).iter_errors(data))


def test_the_reference_names_every_model_of_the_run_file() -> None:
    page = GENERATED[ROOT / "docs" / "run-file.md"]
    for name in json_schema("run")["$defs"]:
        assert f"## {name}\n" in page
