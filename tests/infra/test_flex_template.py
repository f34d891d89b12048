"""The Flex Template offers every field of a run file, in the form that Dataflow takes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from google.cloud.dataflow_v1beta3 import LaunchFlexTemplateRequest, TemplateMetadata
from google.protobuf.json_format import ParseDict, ParseError

from schemas.files import load_schema

ROOT = Path(__file__).resolve().parents[2]
INFRA = ROOT / "infra"
METADATA: dict[str, Any] = json.loads((INFRA / "flex_template.json").read_text("utf-8"))
PARAMETERS: dict[str, dict[str, Any]] = {each["name"]: each for each in METADATA["parameters"]}


def _launch() -> dict[str, Any]:
    """Returns the request body that the page on launching shows."""
    (body,) = re.findall(r"```json\n(.*?)```", (INFRA / "README.md").read_text("utf-8"), re.S)
    request: dict[str, Any] = json.loads(body)
    return request


def test_the_committed_metadata_is_what_the_script_prints() -> None:
    printed = subprocess.run(
        [sys.executable, "-S", str(INFRA / "flex_template.py")],  # -S: nothing is installed
        check=True,
        capture_output=True,
    )
    assert printed.stdout == (INFRA / "flex_template.json").read_bytes()


def test_dataflow_accepts_the_metadata() -> None:
    parsed = ParseDict(METADATA, TemplateMetadata.pb()())
    assert [parameter.name for parameter in parsed.parameters] == list(PARAMETERS)
    assert all(parameter.help_text and parameter.label for parameter in parsed.parameters)


@pytest.mark.parametrize(
    ("old", "new"), [('"helpText"', '"helptexts"'), ('"ENUM"', '"CHOICE"')], ids=["key", "type"]
)
def test_dataflow_rejects_metadata_with_a_mistake(old: str, new: str) -> None:
    broken = json.loads(json.dumps(METADATA).replace(old, new))
    with pytest.raises(ParseError):
        ParseDict(broken, TemplateMetadata.pb()())


def test_every_field_of_a_run_file_is_a_parameter_and_none_is_made_up() -> None:
    assert PARAMETERS.keys() - {"slices"} == load_schema("run")["properties"].keys()


def test_exactly_the_required_fields_are_required_parameters() -> None:
    required = {name for name, each in PARAMETERS.items() if not each["isOptional"]}
    assert required == set(load_schema("run")["required"])


def test_a_choice_offers_the_values_of_the_schema() -> None:
    offered = [option["value"] for option in PARAMETERS["unapproved"]["enumOptions"]]
    assert offered == load_schema("run")["properties"]["unapproved"]["enum"]


@pytest.mark.parametrize("name", ["registry", "corpus", "ledger"])
def test_what_no_run_could_use_is_refused_before_a_machine_is_started(name: str) -> None:
    (pattern,) = PARAMETERS[name]["regexes"]
    assert re.match(pattern, "/mnt/shared/corpus")
    assert not re.match(pattern, "corpora/tutor")
    assert bool(re.match(pattern, "gs://bucket/folder")) == (name == "ledger")


def test_the_launch_that_the_page_shows_is_a_request_that_dataflow_takes() -> None:
    request = ParseDict(_launch(), LaunchFlexTemplateRequest.pb()())
    given = dict(request.launch_parameter.parameters)
    assert request.launch_parameter.environment.sdk_container_image
    assert given.keys() <= PARAMETERS.keys()
    assert given.keys() >= set(load_schema("run")["required"])
    for name, value in given.items():
        assert all(re.match(pattern, value) for pattern in PARAMETERS[name].get("regexes", ()))


def test_dataflow_rejects_a_launch_with_an_unknown_setting() -> None:
    body = _launch()
    body["launchParameter"]["environment"]["noUsePublicIps"] = True
    with pytest.raises(ParseError):
        ParseDict(body, LaunchFlexTemplateRequest.pb()())
