"""Answers that the ledger holds under other settings: a plan says how many, and what differs."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.launch import get_ready
from pipelines.planning.other_settings import OtherAnswers
from pipelines.planning.plan_run import plan_run
from tests.gcs_server import GcsServer
from tests.pipelines.project import ROUTE, Project, make_project, questions, write_prompts
from tests.teacher import Teacher
from transforms.ledger import Ledger
from transforms.ledger.index import IndexEntry

WARM = {"temperature": 0.7, "max_tokens": 50}


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a project whose twelve prompts have been answered, twice each."""
    folder = tmp_path_factory.mktemp("asked")
    with Teacher() as teacher:
        teachers = [{"id": ROUTE, "samples": 2, "parameters": {**WARM, "seed": 7}}]
        make_project(folder, teacher.endpoint, questions(12), teachers=teachers).run()
    return folder


@pytest.fixture
def asked(once: Path, tmp_path: Path) -> Project:
    """A copy of that project."""
    shutil.copytree(once, tmp_path, dirs_exist_ok=True)
    return Project(tmp_path / "run.yaml")


def change(project: Project, **parameters: Any) -> tuple[OtherAnswers, ...]:
    """Plans a project with other parameters; None takes one out."""
    settings = {**WARM, "seed": 7, **parameters}
    kept = {name: value for name, value in settings.items() if value is not None}
    project.change(teachers=[{"id": ROUTE, "samples": 2, "parameters": kept}])
    return plan_run(project.path).other_answers


def differences(found: tuple[OtherAnswers, ...]) -> list[tuple[int, list[tuple[str, str, str]]]]:
    return [
        (each.answers, [(one.name, one.before, one.now) for one in each.differences])
        for each in found
    ]


def test_the_setting_that_differs_is_named_with_both_values(asked: Project) -> None:
    assert change(asked) == ()
    assert differences(change(asked, temperature=0.9)) == [(24, [("temperature", "0.7", "0.9")])]
    assert differences(change(asked, seed=8)) == [(24, [("seed", "7", "8")])]
    assert differences(change(asked, seed=None, max_tokens=60)) == [
        (24, [("max_tokens", "50", "60"), ("seed", "7", "none")])
    ]
    change(asked)
    asked.change(system="Be brief.")
    assert differences(plan_run(asked.path).other_answers) == [
        (24, [("system", "none", "Be brief.")])
    ]


def test_only_prompts_that_were_asked_before_are_counted(asked: Project) -> None:
    write_prompts(asked.folder / "prompts.jsonl", [*questions(5), "A new question?"])
    assert differences(change(asked, temperature=0.9)) == [(10, [("temperature", "0.7", "0.9")])]


def test_more_samples_are_no_other_setting(asked: Project) -> None:
    asked.change(teachers=[{"id": ROUTE, "samples": 4, "parameters": {**WARM, "seed": 7}}])
    plan = plan_run(asked.path)
    assert (plan.to_ask, plan.other_answers) == (24, ())


def test_another_revision_and_another_name_of_the_route_are_named(asked: Project) -> None:
    registry = asked.folder / "teachers.yaml"
    text = registry.read_text()
    registry.write_text(text.replace("model:", "revision: r2\n    model:"))
    assert differences(plan_run(asked.path).other_answers) == [(24, [("revision", "none", "r2")])]
    registry.write_text(text.replace(ROUTE, "test/renamed"))
    asked.change(teachers=[{"id": "test/renamed", "samples": 2, "parameters": {**WARM, "seed": 7}}])
    assert differences(plan_run(asked.path).other_answers) == [
        (24, [("teacher", ROUTE, "test/renamed")])
    ]


def test_the_plan_prints_it_and_a_run_warns_of_it(
    asked: Project, caplog: pytest.LogCaptureFixture
) -> None:
    change(asked, temperature=0.9)
    shown = CliRunner().invoke(app, ["plan", str(asked.path)]).output
    said = "have an answer in the ledger under other settings (temperature 0.7, now 0.9)"
    assert f"24 of the requests to {ROUTE} {said}" in " ".join(shown.split())
    with caplog.at_level(logging.WARNING):
        get_ready(asked.path, slices=1, asks=False)
        assert said not in caplog.text
        get_ready(asked.path, slices=1, asks=True)
        assert said in caplog.text


def test_a_ledger_in_a_bucket_is_sampled_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with GcsServer() as bucket, Teacher() as teacher:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", bucket.endpoint)
        project = make_project(
            tmp_path, teacher.endpoint, questions(6), ledger="gs://bucket/ledger"
        )
        project.run()
        project.change(teachers=[{"id": ROUTE, "parameters": {"max_tokens": 60}}])
        found = plan_run(project.path).other_answers
    assert differences(found) == [(6, [("max_tokens", "50", "60")])]


def test_no_more_entries_are_read_than_the_sample_has(
    asked: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[bytes] = []
    line = IndexEntry.line

    def counting(entry: IndexEntry) -> bytes:
        read.append(entry.id)
        return line(entry)

    monkeypatch.setattr(IndexEntry, "line", counting)
    sampled = list(Ledger(asked.folder / "ledger").reader().sample(5))
    assert len(read) <= 5
    assert 0 < len(sampled) <= 5
    assert {each["teacher"] for each in sampled} == {ROUTE}
