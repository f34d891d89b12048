"""Prompts that hold an item of an evaluation set: counted by the plan, and never paid for."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.planning.plan_run import plan_run
from tests.pipelines.project import ROUTE, Project, make_project, questions, write_prompts
from tests.teacher import Teacher, answer, by_prompt
from transforms.auditing.verify import verify

ITEM = "A train leaves Ulm at noon with ninety people and stops twice before it reaches Kempten."
HELD = [f"{start} {ITEM} How many arrive?" for start in ("Solve this.", "Think.", "Compute it.")]
EVALUATION = [{"files": "eval.jsonl", "text": "question"}]


def make(folder: Path, endpoint: str, **fields: Any) -> Project:
    """Makes a project with five prompts of which the last three hold an evaluation item."""
    project = make_project(
        folder, endpoint, [*questions(2), *HELD], **{"decontaminate": EVALUATION, **fields}
    )
    (folder / "eval.jsonl").write_text(json.dumps({"question": ITEM}) + "\n")
    return project


def test_a_prompt_that_holds_an_evaluation_item_is_not_asked(tmp_path: Path) -> None:
    gives_it_away = by_prompt({questions(1)[0]: answer(f"I know one: {ITEM}")})
    with Teacher(gives_it_away) as teacher:
        project = make(tmp_path, teacher.endpoint)
        result = project.run(slices=2)
        assert not {call.prompt for call in teacher.calls} & set(HELD)
        assert teacher.count == 2
    assert (result.requests, result.asked, result.accepted, result.pending) == (5, 2, 1, 0)
    assert (result.rejected, result.exit_code) == ({"contaminated": 4}, 0)
    rows = project.rows(result, "rejected")
    assert {row["stage"] for row in rows} == {"decontaminate"}
    assert all("eval.jsonl" in row["detail"] for row in rows)
    assert verify(project.corpus).ok


def test_a_target_is_reached_beside_them(tmp_path: Path) -> None:
    with Teacher() as teacher:
        project = make(tmp_path, teacher.endpoint, target={"accepted": 2})
        result = project.run()
        assert teacher.count == 2
    assert (result.accepted, result.pending, result.exit_code) == (2, 0, 0)


def test_neither_teacher_nor_judge_is_planned_to_be_asked(tmp_path: Path) -> None:
    judge = {"teacher": {"id": ROUTE}, "criteria": "Is it right?"}
    project = make(tmp_path, "http://127.0.0.1:9/v1", judge=judge)
    plan = plan_run(project.path)
    assert (plan.prompts, plan.contaminated, plan.withheld, plan.to_ask) == (5, 3, 3, 2)
    assert plan.judge is not None
    assert plan.judge.requests == 2
    write_prompts(tmp_path / "prompts.jsonl", questions(2))
    assert plan.prompt_tokens == plan_run(project.path).prompt_tokens
    project.change(decontaminate=[])
    assert plan_run(project.path).contaminated == 0


def test_a_file_that_is_both_prompts_and_an_evaluation_set_is_named_and_not_asked(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Teacher() as teacher:
        project = make(tmp_path, teacher.endpoint)
        project.change(
            prompts=[{"files": "*al.jsonl", "text": "question", "license": "MIT", "source": "s"}]
        )
        shown = CliRunner().invoke(app, ["plan", str(project.path)])
        with caplog.at_level(logging.WARNING):
            result = project.run()
        assert teacher.count == 0
    assert (result.rejected, result.version, result.exit_code) == ({"contaminated": 1}, None, 1)
    sentence = "eval.jsonl is both a file of prompts and an evaluation set"
    assert sentence in shown.output
    assert sentence in caplog.text
