"""SPDX expressions are parsed against the list, and a misspelt name gets the nearest one."""

from __future__ import annotations

import subprocess
import sys

import pytest

from schemas.errors import InputError
from schemas.spdx import is_licence, parse_licence


@pytest.mark.parametrize(
    "expression",
    [
        "MIT",
        "mit",
        "GPL-2.0+",
        "GPL-2.0",
        "LicenseRef-our.terms-2",
        "DocumentRef-spdx:LicenseRef-x",
        "(MIT or Apache-2.0) and CC-BY-3.0-DE",
        "GPL-2.0-only WITH Classpath-exception-2.0",
    ],
)
def test_a_valid_expression_is_parsed(expression: str) -> None:
    assert is_licence(expression)


def test_a_name_takes_the_spelling_of_the_list_and_a_license_ref_keeps_its_own() -> None:
    tree = parse_licence("apache-2.0 OR LicenseRef-MIT-TC")
    assert [symbol.key for symbol in tree.args] == ["Apache-2.0", "LicenseRef-MIT-TC"]


@pytest.mark.parametrize(
    ("expression", "nearest"),
    [
        ("Apache2", "'Apache-2.0'"),
        ("Apache 2.0", "'Apache-2.0'"),
        ("MIT OR CC-BY-5.0", "'CC-BY-4.0'"),
        ("GPL-2.0-only+", "'GPL-2.0-only'"),
        ("GPL-2.0-only WITH Classpath-exception", ""),
        ("proprietary", ""),
        ("LicenseRef-", ""),
        ("LicenseRef-a b", ""),
        ("MIT WITH MIT", ""),
        ("Classpath-exception-2.0", ""),
        ("MIT Apache-2.0", ""),
        ("MIT AND", ""),
        ("()", ""),
        ("", ""),
        (" ", ""),
        ("MIT\ud800", ""),
        ("(" * 100_000, ""),
    ],
    ids=lambda value: str(value)[:40].encode("utf-8", "replace").decode(),
)
def test_an_invalid_expression_is_refused_with_the_nearest_name(
    expression: str, nearest: str
) -> None:
    assert not is_licence(expression)
    with pytest.raises(InputError) as caught:
        parse_licence(expression)
    (problem,) = caught.value.problems
    assert nearest in problem.remedy
    assert "LicenseRef-NAME" in problem.expected


def test_every_unknown_name_is_reported() -> None:
    with pytest.raises(InputError) as caught:
        parse_licence("Apache2 OR proprietary OR MIT")
    assert [problem.found for problem in caught.value.problems] == ["'Apache2'", "'proprietary'"]


def test_the_list_is_loaded_only_when_an_expression_is_read() -> None:
    code = "import sys, transforms.guard.evaluate; print('license_expression' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"
