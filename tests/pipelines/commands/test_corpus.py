"""`stillroom audit`, `withdraw`, `release-check` and `report`: what they print, how they end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from pipelines.commands import corpus as corpus_commands
from schemas.errors import InputError
from tests.corpus_builder import publish_typical
from transforms.auditing.verify import verify


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    publish_typical(folder)
    return folder


def stillroom(*arguments: object) -> Result:
    app = typer.Typer()
    corpus_commands.register(app)
    texts = [str(argument) for argument in arguments]
    return CliRunner().invoke(app, texts, catch_exceptions=False)


def as_json(done: Result) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(done.stdout)
    return value


def test_an_audit_ends_with_3_where_records_are_denied(corpus: Path, tmp_path: Path) -> None:
    """No catalogue has the documents of these records, so their terms are unknown."""
    ids = tmp_path / "ids"
    done = stillroom("audit", corpus, "--on", "2026-11-22", "--ids", ids, "--json")
    found = as_json(done)
    assert done.exit_code == 3
    assert (found["records"], found["permitted"], found["denied"]) == (60, 0, 60)
    assert [(c["document"], c["teacher"], c["records"]) for c in found["by_clause"]] == [
        ("apache/license", "our-vllm/qwen", 45),
        ("llama/license", "our-vllm/llama", 15),
    ]
    assert {"document", "version", "clause", "teacher", "records"} <= set(found["by_clause"][0])
    assert len(ids.read_text().split()) == 60
    shown = stillroom("audit", corpus, "--on", "2026-11-22")
    assert shown.exit_code == 3
    assert "not_in_force: apache/license" in shown.stdout
    assert "60 denied" in shown.stdout


def test_a_withdrawal_tells_where_the_rest_is(corpus: Path, tmp_path: Path) -> None:
    new = tmp_path / "new"
    done = stillroom("withdraw", corpus, "--where", "route=our-vllm/llama", "--to", new, "--json")
    printed = as_json(done)
    assert done.exit_code == 0
    assert printed["folder"] == str(new / printed["version"])
    assert (printed["records"], printed["removed"]["records"]) == (45, 15)
    assert printed["removed"]["where"] == "route=our-vllm/llama"
    assert verify(Path(printed["folder"])).ok
    shown = stillroom("withdraw", corpus, "--where", "route=our-vllm/llama", "--to", new)
    assert "15 records withdrawn" in shown.stdout


def test_a_release_ends_with_1_until_all_that_is_owed_is_met(corpus: Path, tmp_path: Path) -> None:
    card = tmp_path / "CARD.md"
    card.write_text("# Tutor\n")
    release = ("release-check", corpus, "--student-license", "MIT", "--card", card)
    done = stillroom(*release, "--student-name", "tutor", "--json")
    found = as_json(done)
    assert (done.exit_code, found["ok"]) == (1, False)
    assert {(duty["kind"], duty["met"]) for duty in found["duties"]} == {
        ("name_prefix", False),
        ("notice", False),
    }
    card.write_text("# Llama tutor\n\nKeep the notice with every copy.\n")
    done = stillroom(*release, "--student-name", "Llama-tutor", "--json")
    assert (done.exit_code, as_json(done)["ok"]) == (0, True)
    shown = stillroom(*release, "--student-name", "tutor")
    assert shown.exit_code == 1
    assert "not met" in shown.stdout
    assert "looked for the student's name begins with 'Llama'" in shown.stdout


def test_the_report_is_where_it_says(corpus: Path) -> None:
    path = Path(stillroom("report", corpus).stdout.strip())
    assert path.name == "report.html"
    assert path.is_file()


@pytest.mark.parametrize(
    "arguments",
    [
        ("audit",),
        ("report",),
        ("withdraw", "--where", "audit", "--to", "x"),
        ("release-check", "--student-name", "a", "--student-license", "MIT", "--card", "none.md"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_no_corpus_is_wrong_input(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    command, *rest = arguments
    with pytest.raises(InputError):
        stillroom(command, tmp_path, *rest)
