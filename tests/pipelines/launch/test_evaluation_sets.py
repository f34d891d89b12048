"""Prompts that hold an item of an evaluation set: counted by the plan, and never paid for."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.planning.plan_run import plan_run
from tests.pipelines.project import ROUTE, Project, make_project, questions, write_prompts
from tests.teacher import Teacher, always, answer, by_prompt, failure
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


@pytest.mark.parametrize("slices", [1, 3])
def test_a_prompt_that_holds_an_evaluation_item_is_not_asked(tmp_path: Path, slices: int) -> None:
    with Teacher() as teacher:
        project = make(tmp_path, teacher.endpoint)
        result = project.run(slices=slices)
        assert teacher.count == 2
        assert not {call.prompt for call in teacher.calls} & set(HELD)
    assert (result.requests, result.asked, result.accepted, result.pending) == (5, 2, 2, 0)
    assert (result.rejected, result.exit_code) == ({"contaminated": 3}, 0)
    assert verify(project.corpus).ok


def test_its_row_says_what_the_row_of_its_answer_would_say(tmp_path: Path) -> None:
    with Teacher(always(answer("Sixty."))) as teacher:
        paid = make(tmp_path / "paid", teacher.endpoint, decontaminate=[])
        paid.run()
        paid.change(decontaminate=EVALUATION)
        answered = paid.rows(paid.run(), "rejected")
        saved = make(tmp_path / "saved", teacher.endpoint)
        unasked = saved.rows(saved.run(), "rejected")
    what = ("record_id", "messages", "stage", "kind", "reason", "detail", "findings", "file")
    assert [[row[name] for name in what] for row in unasked] == [
        [row[name] for name in what] for row in answered
    ]
    assert {row["completion"] for row in answered} == {"Sixty."}
    assert {(row["completion"], row["usd"]) for row in unasked} == {("", 0.0)}


def test_answers_of_earlier_runs_are_rejected_as_they_were(tmp_path: Path) -> None:
    with Teacher(by_prompt({HELD[0]: failure(400)})) as teacher:
        project = make(tmp_path, teacher.endpoint, decontaminate=[])
        project.run()
        assert teacher.count == 5
        project.change(decontaminate=EVALUATION)
        result = project.run()
        assert teacher.count == 5
    assert (result.rejected, result.failed) == ({"contaminated": 2}, {"http_400": 1})
    assert [row["completion"] for row in project.rows(result, "rejected") if row["completion"]]


def test_an_answer_that_gives_an_item_away_is_still_rejected(tmp_path: Path) -> None:
    with Teacher(by_prompt({questions(1)[0]: answer(f"I know one: {ITEM}")})) as teacher:
        project = make(tmp_path, teacher.endpoint)
        result = project.run()
    assert (result.asked, result.accepted, result.rejected) == (2, 1, {"contaminated": 4})


def test_no_judge_is_expected_to_rate_their_answers(tmp_path: Path) -> None:
    with Teacher() as teacher:
        project = make(tmp_path, teacher.endpoint, decontaminate=[])
        project.run()
    judge = {"teacher": {"id": ROUTE}, "criteria": "Is it right?"}
    project.change(decontaminate=EVALUATION, judge=judge)
    plan = plan_run(project.path)
    assert plan.judge is not None
    assert (plan.in_ledger, plan.judge.requests) == (5, 2)


def test_a_target_is_reached_beside_them(tmp_path: Path) -> None:
    with Teacher() as teacher:
        project = make(tmp_path, teacher.endpoint, target={"accepted": 2})
        result = project.run()
        assert teacher.count == 2
    assert (result.accepted, result.pending, result.exit_code) == (2, 0, 0)


def test_the_plan_counts_what_is_not_asked_and_what_it_saves(tmp_path: Path) -> None:
    project = make(tmp_path, "http://127.0.0.1:9/v1")
    plan = plan_run(project.path)
    assert (plan.prompts, plan.contaminated, plan.withheld, plan.to_ask) == (5, 3, 3, 2)
    write_prompts(tmp_path / "prompts.jsonl", questions(2))
    assert plan.prompt_tokens == plan_run(project.path).prompt_tokens
    project.change(decontaminate=None)
    assert plan_run(project.path).contaminated == 0


def test_with_every_prompt_in_the_evaluation_set_nothing_is_asked(tmp_path: Path) -> None:
    with Teacher() as teacher:
        project = make(tmp_path, teacher.endpoint)
        project.change(prompts=_prompts("eval.jsonl", "question"))
        result = project.run()
        assert teacher.count == 0
    assert (result.rejected, result.version, result.exit_code) == ({"contaminated": 1}, None, 1)


def test_a_file_that_is_both_prompts_and_an_evaluation_set_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Teacher() as teacher:
        project = make(tmp_path, teacher.endpoint)
        project.change(prompts=_prompts("*.jsonl", "question"))
        (tmp_path / "prompts.jsonl").unlink()
        shutil.copy(tmp_path / "eval.jsonl", tmp_path / "other.jsonl")
        with (tmp_path / "other.jsonl").open("a") as more:
            more.write(json.dumps({"question": "Why is the sky blue?"}) + "\n")
        plan = plan_run(project.path)
        shown = CliRunner().invoke(app, ["plan", str(project.path)])
        with caplog.at_level(logging.WARNING):
            assert project.run().accepted == 1
    assert plan.shared_files == ("eval.jsonl",)
    sentence = "eval.jsonl is both a file of prompts and an evaluation set"
    assert sentence in shown.output
    assert sentence in caplog.text


def _prompts(files: str, field: str) -> list[dict[str, str]]:
    return [{"files": files, "text": field, "license": "CC0-1.0", "source": "tests"}]
