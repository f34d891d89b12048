"""The public names: all of them are there, typed, and quick to import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import stillroom


@pytest.mark.parametrize("name", stillroom.__all__)
def test_every_public_name_can_be_imported(name: str) -> None:
    assert getattr(stillroom, name).__name__ == name


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(stillroom, "rnu")


def test_the_package_says_that_it_is_typed() -> None:
    assert (Path(stillroom.__file__).parent / "py.typed").is_file()


def test_importing_the_door_imports_neither_beam_nor_our_packages() -> None:
    code = (
        "import sys, stillroom\n"
        "assert not {'apache_beam', 'schemas', 'transforms', 'pipelines'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
