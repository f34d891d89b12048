from __future__ import annotations

import subprocess
import sys

import pytest

from schemas.key_help import key_help
from schemas.purpose import CorpusPurpose, Organisation, Purpose, Student


@pytest.mark.parametrize("model", [Student, Organisation, CorpusPurpose])
def test_a_key_has_the_description_of_its_field(model: type[Student]) -> None:
    for name, field in model.model_fields.items():
        assert key_help(model.__name__, name) == field.description


def test_the_use_has_a_description() -> None:
    assert key_help("Purpose", "use") == Purpose.model_fields["use"].description


def test_help_is_read_without_the_models() -> None:
    code = "import sys, schemas.key_help as k; k.key_help('Student', 'name'); print(*sys.modules)"
    modules = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "pydantic" not in modules
