from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from schemas.arrow import RECORDS
from schemas.manifest import Manifest
from schemas.purpose import Purpose
from tests.corpus_builder import make_build, make_record, publish_rows, publish_typical
from transforms.corpus.read import open_corpus


def described(folder: Path) -> dict[str, Any]:
    text = (open_corpus(folder).folder / "croissant.json").read_text()
    data: dict[str, Any] = json.loads(text)
    return data


def nodes(value: Any) -> list[dict[str, Any]]:
    """Returns every object of a JSON document."""
    if isinstance(value, list):
        return [node for item in value for node in nodes(item)]
    if not isinstance(value, dict):
        return []
    return [value, *(node for item in value.values() for node in nodes(item))]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Manifest]:
    folder = tmp_path_factory.mktemp("corpus")
    manifest = publish_typical(folder)
    return described(folder), manifest


def test_every_required_property_of_the_specification_is_present(
    corpus: tuple[dict[str, Any], Manifest],
) -> None:
    description, manifest = corpus
    required = {
        "@context", "@type", "conformsTo", "name", "description", "url", "creator", "license",
        "datePublished", "distribution", "recordSet",
    }  # fmt: skip
    assert required <= description.keys()
    assert description["conformsTo"] == "http://mlcommons.org/croissant/1.1"
    assert description["version"] == manifest.version


def test_every_shard_is_a_file_with_its_digest(corpus: tuple[dict[str, Any], Manifest]) -> None:
    description, manifest = corpus
    files = [node for node in nodes(description) if node.get("@type") == "cr:FileObject"]
    assert [(file["contentUrl"], file["sha256"]) for file in files] == [
        (shard.path, shard.sha256) for shard in manifest.shards
    ]


def test_every_column_is_a_field(corpus: tuple[dict[str, Any], Manifest]) -> None:
    (records,) = (node for node in nodes(corpus[0]) if node.get("@id") == "records")
    assert [field["name"] for field in records["field"]] == RECORDS.names
    (messages,) = (field for field in records["field"] if field["name"] == "messages")
    assert messages["isArray"] is True
    assert [field["name"] for field in messages["subField"]] == ["role", "content"]


def test_every_reference_leads_to_a_node(corpus: tuple[dict[str, Any], Manifest]) -> None:
    description = {key: value for key, value in corpus[0].items() if key != "@context"}
    every = nodes(description)
    defined = [node["@id"] for node in every if "@id" in node and len(node) > 1]
    references = {node["@id"] for node in every if node.keys() == {"@id"}}
    assert len(defined) == len(set(defined))
    assert references <= set(defined)


def test_licence_duties_and_creator_come_from_the_corpus(
    corpus: tuple[dict[str, Any], Manifest],
) -> None:
    description, _ = corpus
    assert description["license"] == ["https://spdx.org/licenses/MIT"]
    assert description["creator"] == {"@type": "sc:Organization", "name": "Example Ltd"}
    assert "name_prefix: Llama (llama/license)" in description["usageInfo"]


def test_without_declarations_the_properties_are_left_out(tmp_path: Path) -> None:
    build = replace(make_build(1), purpose=Purpose(use="train_generative"))
    publish_rows(tmp_path, [make_record(1, license="LicenseRef-own-work")], build=build)
    description = described(tmp_path)
    assert description["license"] == ["LicenseRef-own-work"]
    assert "creator" not in description
    assert "usageInfo" not in description
