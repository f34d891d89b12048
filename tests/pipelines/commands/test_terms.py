"""`stillroom terms`: what it prints, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
import yaml
from typer.testing import CliRunner, Result

from pipelines.commands import terms
from schemas.errors import InputError


def stillroom(*arguments: object) -> Result:
    app = typer.Typer()
    terms.register(app)
    texts = [str(argument) for argument in arguments]
    return CliRunner().invoke(app, texts, catch_exceptions=False)


def test_the_list_of_terms_tells_how_each_document_stands(tmp_path: Path) -> None:
    found = json.loads(stillroom("terms", "list", "--json").stdout)
    states = {one["document"]: one["state"] for one in found}
    assert states["spdx/apache-2.0"] == "open"
    assert states["meta/llama-3.1-license"] == "unapproved"
    assert "meta/llama-3.1-license" in stillroom("terms", "list").stdout
    path = tmp_path / "teachers.yaml"
    approval = {"document": "spdx/apache-2.0", "version": "2.0", "by": "legal", "on": "2025-10-01"}
    path.write_text(yaml.safe_dump({"approvals": [approval]}))
    (own,) = json.loads(stillroom("terms", "list", "--registry", path, "--json").stdout)
    assert (own["document"], own["state"], own["by"]) == (
        "spdx/apache-2.0",
        "approved",
        "legal",
    )


def test_one_document_is_shown_with_its_clauses_at_any_version() -> None:
    shown = stillroom("terms", "show", "meta/llama-3.1-license")
    assert shown.exit_code == 0
    for text in ("Llama 3.1 Community License", "1.b.i", "name_prefix", "confidence high"):
        assert text in shown.stdout
    document = json.loads(stillroom("terms", "show", "anthropic/usage-policy", "--json").stdout)
    assert document["version"] in document["versions"]
    assert "where" not in document
    older = f"anthropic/usage-policy@{document['versions'][0]}"
    assert json.loads(stillroom("terms", "show", older, "--json").stdout)["version"] in older


@pytest.mark.parametrize("name", ["meta/llama-31-license", "meta/llama-3.1-license@2024"])
def test_a_document_that_nobody_wrote_is_wrong_input(name: str) -> None:
    with pytest.raises(InputError, match=r"did you mean|known:"):
        stillroom("terms", "show", name)


def test_a_check_ends_with_1_where_something_needs_attention(tmp_path: Path) -> None:
    path = tmp_path / "teachers.yaml"
    approval = {
        "document": "meta/llama-3.1-license",
        "version": "2024-07-23",
        "by": "legal",
        "on": "2024-10-01",
    }
    path.write_text(yaml.safe_dump({"approvals": [approval]}))
    good = stillroom("terms", "check", "--registry", path, "--json")
    assert (good.exit_code, json.loads(good.stdout)) == (
        0,
        {"ok": True, "findings": [], "compared": []},
    )
    assert "nothing needs attention" in stillroom("terms", "check", "--registry", path).stdout
    path.write_text(yaml.safe_dump({"approvals": [approval | {"expires": "2025-10-01"}]}))
    bad = stillroom("terms", "check", "--registry", path, "--json")
    assert bad.exit_code == 1
    (finding,) = json.loads(bad.stdout)["findings"]
    assert (finding["document"], finding["what"]) == ("meta/llama-3.1-license", "expired")
    assert "expired" in stillroom("terms", "check", "--registry", path).stdout
