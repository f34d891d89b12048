"""A ledger of an older scheme is refused until it is migrated; then nothing is bought again."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.planning.plan_run import plan_run
from schemas.errors import InputError
from tests.pipelines.project import ROUTE, Project, make_project, questions
from tests.teacher import MODEL, Call, Reply, Teacher, answer, failure, raw

# What `project` below asked, by the last version with ids of scheme 1.
SCHEME_1 = Path(__file__).parents[1] / "data/ledgers/scheme_1"
TOOLS, JUDGE = "test/tools", "test/judge"
# Names in an order that sorts otherwise by code point than by UTF-16.
SCHEMA = {"type": "object", "required": ["\uff4e"], "properties": {"\uff4e": {}, "\U0001d48f": {}}}
FORMAT = {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}


def script(call: Call) -> Reply:
    """Rates answers, calls a tool, or answers with JSON, badly in the first place."""
    messages = call.body["messages"]
    if str(messages[0]["content"]).startswith("You rate answers"):
        return answer("It is so.\nScore: 5", usage=(100, 10))
    if "tools" in call.body:
        return _call_of_a_tool(f"I look: {call.prompt}")
    if call.attempt == 1 and len(messages) == 1:
        return failure(503)
    if len(messages) == 1:
        return answer('{"n": 1}')
    return answer(json.dumps({"\uff4e": f"It is {messages[0]['content']}"}))


def _call_of_a_tool(text: str) -> Reply:
    call = {"id": "1", "type": "function", "function": {"name": "look", "arguments": '{"at": 1}'}}
    message = {"role": "assistant", "content": text, "tool_calls": [call]}
    usage = {"prompt_tokens": 9, "completion_tokens": 9}
    choices = [{"message": message, "finish_reason": "tool_calls"}]
    return raw(json.dumps({"model": MODEL, "choices": choices, "usage": usage}).encode())


def project(folder: Path, endpoint: str) -> Project:
    """A run with a small number, follow-ups, calls of tools and a judge: all kinds of ids."""
    asked = {"max_tokens": 60, "temperature": 0.00001, "seed": 7, "response_format": FORMAT}
    here = make_project(
        folder,
        endpoint,
        questions(3),
        teachers=[
            {"id": ROUTE, "samples": 2, "parameters": asked},
            {"id": TOOLS, "parameters": {"max_tokens": 60, "tools": [TOOL]}},
        ],
        judge={
            "teacher": {"id": JUDGE, "parameters": {"max_tokens": 40}},
            "criteria": "Is it right?",
        },
        filters=[{"rule": "json_schema"}, {"rule": "tool_calls"}],
    )
    registry = yaml.safe_load((folder / "teachers.yaml").read_text())
    for route in (TOOLS, JUDGE):
        registry["routes"][route] = registry["routes"][ROUTE]
    (folder / "teachers.yaml").write_text(yaml.safe_dump(registry))
    return here


@pytest.fixture
def teacher() -> Iterator[Teacher]:
    with Teacher(script) as teacher:
        yield teacher


@pytest.fixture
def old(tmp_path: Path, teacher: Teacher) -> Project:
    """A project with a ledger of scheme 1."""
    here = project(tmp_path, teacher.endpoint)
    shutil.copytree(SCHEME_1, here.folder / "ledger")
    return here


def test_a_ledger_of_an_older_scheme_stops_a_run_before_a_teacher_is_asked(
    old: Project, teacher: Teacher
) -> None:
    for attempt in (lambda: plan_run(old.path), old.run, lambda: old.run(asks=False)):
        with pytest.raises(InputError, match=r"bought again .*scheme 1; .*\n  run `stillroom led"):
            attempt()
    assert teacher.count == 0
    assert not list(old.folder.rglob("*.parquet"))


def test_the_command_line_ends_with_2_and_says_what_to_do(old: Project) -> None:
    command = [sys.executable, "-m", "stillroom", "plan", str(old.path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"stillroom ledger migrate {old.folder / 'ledger'}" in done.stderr


def test_after_migrating_nothing_is_asked_again(old: Project, teacher: Teacher) -> None:
    result = CliRunner().invoke(app, ["ledger", "migrate", str(old.folder / "ledger")])
    assert (result.exit_code, result.output) == (0, "migrated 24 of 24 requests\n")
    built = old.run()
    assert teacher.count == 0
    assert (built.asked, built.from_ledger, built.judged) == (0, 9, 0)
    assert (built.accepted, built.duplicates, built.pending) == (6, 3, 0)
    assert [len(row["provenance"]["judgements"]) for row in old.rows(built)] == [1] * 6


def test_the_records_are_those_of_a_run_that_asks_anew(old: Project, teacher: Teacher) -> None:
    CliRunner().invoke(app, ["ledger", "migrate", str(old.folder / "ledger")])
    kept = old.rows(old.run())
    shutil.rmtree(old.folder / "ledger")
    asked = old.rows(old.run())
    assert teacher.count == 30
    assert [row["record_id"] for row in kept] == [row["record_id"] for row in asked]
    assert [row["messages"] for row in kept] == [row["messages"] for row in asked]


def test_an_old_ledger_can_still_be_counted_exported_and_compacted(old: Project) -> None:
    folder, lines = str(old.folder / "ledger"), []
    for _ in range(2):
        to = old.folder / "export.jsonl"
        CliRunner().invoke(app, ["ledger", "export", folder, "--to", str(to)])
        lines.append(sorted(to.read_bytes().splitlines()))
        compacted = CliRunner().invoke(app, ["ledger", "compact", folder])
    assert lines[0] == lines[1]
    assert len(lines[0]) == 30
    assert compacted.output == "there is nothing to merge\n"
    assert CliRunner().invoke(app, ["ledger", "stats", folder]).exit_code == 0
