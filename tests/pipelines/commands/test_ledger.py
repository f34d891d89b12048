"""`stillroom ledger stats`, `compact` and `export`: what they print, how they end."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from pipelines.commands import ledger as ledger_commands
from schemas.errors import InputError, LedgerBusy
from schemas.inputs.registry import Price
from tests.teacher import Call, Reply, Teacher, answer, failure, raw
from tests.transforms.asking.asking import ALL_DIGITS, make_requests, make_route, run_engine
from transforms.ledger import Ledger
from transforms.limits.route_work import RouteWork
from transforms.providers.key import Key
from transforms.providers.retry import MAX_ATTEMPTS

DOLLARS = Price(
    input_usd_per_million=100_000.0, output_usd_per_million=200_000.0
)  # an answer of 10 and 5 tokens costs 2
SECRET = "sk-very-secret"


def script(call: Call) -> Reply:
    """Fails twice before the first question is answered; one answer does not say what it cost."""
    if call.prompt == "Question 0" and call.attempt < 3:
        return failure(503 if call.attempt == 1 else 429)
    if call.prompt == "Question 1":
        return answer(usage=None)
    return raw(b"\xff\xfe") if call.prompt == "spoilt" else answer()


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs, so two segments: two routes, five requests, seven attempts."""
    folder = tmp_path_factory.mktemp("asked") / "ledger"
    with Teacher(script) as teacher:
        for run_id, name, prompts in (
            ("run-1", "t/a", ["Question 0", "Question 1", "Question 2"]),
            ("run-2", "t/b", ["Question 3", "spoilt"]),
        ):
            route = make_route(teacher.endpoint, name, price=DOLLARS)
            work = RouteWork(route, make_requests(prompts, name), Key(SECRET))
            run_engine(folder, work, run_id=run_id)
    return folder


def stillroom(*arguments: object) -> Result:
    app = typer.Typer()
    ledger_commands.register(app)
    app.command("other")(lambda: None)  # with one command only, it would need no name
    texts = ["ledger", *(str(argument) for argument in arguments)]
    return CliRunner().invoke(app, texts, catch_exceptions=False)


def rows(folder: Path) -> dict[str, dict[str, Any]]:
    return {
        row["route"]: row for row in json.loads(stillroom("stats", folder, "--json").stdout)["rows"]
    }


def test_stats_tell_what_each_route_was_asked_and_what_it_cost(ledger: Path) -> None:
    found = rows(ledger)
    a, b = found["t/a"], found["t/b"]
    assert (a["model"], len(a["day"])) == ("test-model", len("2026-11-22"))
    assert (a["requests"], a["attempts"], a["answered"]) == (3, 5, 3)
    assert a["failed"] == {"http_429": 1, "http_503": 1}
    assert (a["prompt_tokens"], a["completion_tokens"], a["usd"]) == (20, 10, 4.0)
    assert a["uncertain"] == 1
    assert a["usd_uncertain"] > 50 * 0.2
    # The body that is no JSON is no answer: it was retried, and each attempt may have cost money.
    assert (b["requests"], b["answered"], b["usd"]) == (2, 1, 2.0)
    assert b["failed"] == {"not_json": MAX_ATTEMPTS}
    assert b["uncertain"] == MAX_ATTEMPTS


def test_stats_add_up(ledger: Path) -> None:
    found = json.loads(stillroom("stats", ledger, "--json").stdout)
    for name in ("requests", "attempts", "answered", "usd", "uncertain"):
        assert found["total"][name] == sum(row[name] for row in found["rows"])


def test_stats_are_a_table_for_people(ledger: Path) -> None:
    shown = stillroom("stats", ledger).stdout
    assert "t/a" in shown
    assert "http_429 1, http_503 1" in shown
    assert "all" in shown.splitlines()[-1]


def exported(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_an_export_holds_every_response_with_what_was_asked(ledger: Path) -> None:
    found = exported(stillroom("export", ledger).stdout)
    assert len(found) == 6 + MAX_ATTEMPTS
    asked = {entry["request"]["messages"][0]["content"] for entry in found}
    assert asked == {"spoilt", *(f"Question {n}" for n in range(4))}
    outcomes = [each["response"]["outcome"] for each in found]
    assert (outcomes.count("answer"), outcomes.count("http_503")) == (4, 1)
    for entry in found:
        if entry["request"]["messages"][0]["content"] == "spoilt":
            assert base64.b64decode(entry["response"]["body_base64"]) == b"\xff\xfe"
        elif entry["response"]["outcome"] == "answer":
            assert json.loads(entry["response"]["body"])["model"] == "test-model"


def test_an_export_to_a_file_is_the_same_and_holds_no_key(ledger: Path, tmp_path: Path) -> None:
    file = tmp_path / "export.jsonl"
    assert stillroom("export", ledger, "--to", file).exit_code == 0
    assert file.read_text() == stillroom("export", ledger).stdout
    assert SECRET not in file.read_text()
    with pytest.raises(InputError, match="cannot be written"):
        stillroom("export", ledger, "--to", tmp_path / "no" / "folder.jsonl")


def test_a_compaction_changes_nothing_that_anyone_reads(ledger: Path) -> None:
    before = rows(ledger), sorted(stillroom("export", ledger).stdout.splitlines())
    assert "merged 2 segments" in stillroom("compact", ledger).stdout
    assert len(list((ledger / "segments").glob("*.jsonl"))) == 1
    assert (rows(ledger), sorted(stillroom("export", ledger).stdout.splitlines())) == before
    assert "nothing to merge" in stillroom("compact", ledger).stdout


def test_a_ledger_in_use_is_not_compacted(ledger: Path) -> None:
    with Ledger(ledger).writer(ALL_DIGITS, "a-run"), pytest.raises(LedgerBusy, match="a-run"):
        stillroom("compact", ledger)


@pytest.mark.parametrize("command", ["stats", "compact", "export"])
def test_a_mistyped_ledger_is_not_an_empty_one(tmp_path: Path, command: str) -> None:
    with pytest.raises(InputError, match="no such ledger"):
        stillroom(command, tmp_path / "leger")
    assert not (tmp_path / "leger").exists()


def test_a_folder_that_is_no_ledger_is_told(tmp_path: Path) -> None:
    (tmp_path / "other.txt").touch()
    with pytest.raises(InputError, match="holds something else"):
        stillroom("stats", tmp_path)


def test_no_command_imports_beam(ledger: Path) -> None:
    program = (
        "import sys, typer; from pipelines.commands.ledger import stats, export\n"
        f"stats({str(ledger)!r}); export({str(ledger)!r}, None)\n"
        "sys.exit('apache_beam' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
