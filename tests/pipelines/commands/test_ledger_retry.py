"""`stillroom ledger retry`: what was final is asked again by the next run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from schemas.errors import InputError, LedgerBusy
from tests.pipelines.commands.test_ledger import stillroom
from tests.pipelines.project import make_project
from tests.teacher import Call, Reply, Teacher, answer, error, raw
from tests.transforms.asking.asking import ALL_DIGITS, ROUTE, run_engine, work
from transforms.ledger import Ledger

PROMPTS = ["good", "cut", "refused"]
CUT = b'{"choices": [{"message": {"content": "An ans'


def badly(call: Call) -> Reply:
    """Answers one prompt, cuts off the answer to another and refuses the third."""
    if call.prompt == "refused":
        return error(400, {"code": "content_filter", "message": "no"})
    return raw(CUT) if call.prompt == "cut" else answer()


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    with Teacher(badly) as teacher:
        run_engine(tmp_path / "ledger", work(teacher, PROMPTS), run_id="run-1")
    return tmp_path / "ledger"


def asked_again(ledger: Path) -> list[str]:
    """Asks the same again, of a teacher that answers all; returns what it was asked."""
    with Teacher() as teacher:
        run_engine(ledger, work(teacher, PROMPTS), run_id="run-2")
    return [call.prompt for call in teacher.calls]


def as_json(*arguments: object) -> Any:
    return json.loads(stillroom("retry", *arguments, "--json").stdout)


def test_without_a_reason_the_reasons_are_listed_and_nothing_changes(ledger: Path) -> None:
    reasons = {"truncated_json": 1, "http_400": 1, "content_filter": 1}
    assert as_json(ledger) == {"reasons": reasons}
    assert stillroom("retry", ledger).stdout.split() == [
        word for name in reasons for word in ("1", name)
    ]
    assert asked_again(ledger) == []


@pytest.mark.parametrize(
    ("reason", "prompt"), [("truncated_json", "cut"), ("content_filter", "refused")]
)
def test_a_reason_is_asked_again_by_the_next_run_once(
    ledger: Path, reason: str, prompt: str
) -> None:
    shown = as_json(ledger, "--reason", reason)
    assert shown == {"reason": reason, "route": None, "requests": 1, "dry_run": False}
    assert asked_again(ledger) == [prompt]
    assert asked_again(ledger) == []
    assert reason not in as_json(ledger)["reasons"]


def test_a_dry_run_shows_how_many_and_changes_nothing(ledger: Path) -> None:
    shown = stillroom("retry", ledger, "--reason", "http_400", "--dry-run").stdout
    assert shown == "1 requests with http_400 would be asked again\n"
    assert asked_again(ledger) == []


def test_a_route_limits_what_is_asked_again(ledger: Path) -> None:
    with pytest.raises(InputError, match="final for this reason"):
        stillroom("retry", ledger, "--reason", "http_400", "--route", "another/route")
    assert as_json(ledger, "--reason", "http_400", "--route", ROUTE)["requests"] == 1


def test_a_run_file_names_its_ledger(ledger: Path) -> None:
    project = make_project(ledger.parent / "project", "http://t/v1", ledger=str(ledger))
    assert as_json(project.path, "--reason", "truncated_json")["requests"] == 1
    assert asked_again(ledger) == ["cut"]


def test_a_retry_is_refused_while_a_run_writes(ledger: Path) -> None:
    with Ledger(ledger).writer(ALL_DIGITS, "run-2"), pytest.raises(LedgerBusy, match="run-2"):
        stillroom("retry", ledger, "--reason", "http_400")


def test_a_missing_ledger_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such ledger"):
        stillroom("retry", tmp_path / "none", "--reason", "http_400")
