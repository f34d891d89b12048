"""A run with a target goes on asking until so many records are accepted, and no further."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.launch import launch_template
from pipelines.planning.plan_run import plan_run
from schemas.canonical import sha256
from schemas.errors import InputError
from tests.pipelines.project import Project, make_project, questions, write_prompts
from tests.teacher import Call, Reply, Teacher, answer

SEEDED = {"max_tokens": 50, "seed": 1}


def half_empty(call: Call) -> Reply:
    """Answers about half of all samples with nothing, which the rule `empty` drops."""
    name = f"{call.prompt} {call.body['seed']}"
    drawn = int(sha256(name.encode())[:2], 16)
    return answer(f"The answer to {name} is {drawn}." if drawn % 2 else "")


def make(folder: Path, teacher: Teacher, prompts: int, **fields: Any) -> Project:
    run: dict[str, Any] = {"teachers": [{"id": "test/echo", "parameters": SEEDED}], **fields}
    return make_project(folder, teacher.endpoint, questions(prompts), **run)


def versions(project: Project) -> list[str]:
    return [path.name for path in project.corpus.iterdir() if (path / "manifest.json").exists()]


def test_it_asks_until_the_target_is_reached_and_publishes_once(tmp_path: Path) -> None:
    with Teacher(half_empty) as teacher:
        project = make(tmp_path, teacher, 60, target={"accepted": 12, "extra_samples": 1})
        result = project.run()
    assert result.exit_code == 0
    assert result.accepted >= 12
    assert result.asked == result.requests == teacher.count < 60
    assert versions(project) == [result.version]


def test_the_order_of_the_prompts_and_the_slices_do_not_matter(tmp_path: Path) -> None:
    with Teacher(half_empty) as teacher:
        project = make(tmp_path, teacher, 60, target={"accepted": 12, "extra_samples": 1})
        first, asked = project.run(), teacher.count
        prompts = questions(60)
        random.Random(7).shuffle(prompts)
        write_prompts(project.folder / "prompts.jsonl", prompts)
        second = project.run(slices=3)
        assert teacher.count == asked
    assert project.shards(first) == project.shards(second)


def test_a_second_run_takes_the_same_rounds_and_asks_nobody(tmp_path: Path) -> None:
    with Teacher(half_empty) as teacher:
        project = make(tmp_path, teacher, 60, target={"accepted": 12})
        first = project.run()
        asked = teacher.count
        second, built = project.run(), project.run(asks=False)
        assert teacher.count == asked
    assert project.shards(first) == project.shards(second) == project.shards(built)


def test_without_prompts_left_it_publishes_what_there_is_and_says_so(tmp_path: Path) -> None:
    with Teacher(half_empty) as teacher:
        project = make(tmp_path, teacher, 6, target={"accepted": 50, "extra_samples": 2})
        result = project.run()
    assert (result.stopped, result.exit_code) == ("prompts", 4)
    assert result.requests == result.asked == 6 * 3
    assert result.version
    assert f"{result.accepted} of 50 accepted" in result.stops[0]


def test_the_budget_holds_over_all_rounds(tmp_path: Path) -> None:
    with Teacher(half_empty) as teacher:
        fields = {"target": {"accepted": 12}, "budget": {"requests": 15}}
        project = make(tmp_path, teacher, 60, **fields)
        stopped = project.run()
        assert (stopped.stopped, stopped.exit_code) == ("budget", 4)
        assert teacher.count == stopped.asked == 15
        project.change(budget=None)
        assert project.run().accepted >= 12


def test_a_plan_tells_the_most_that_may_be_asked(tmp_path: Path) -> None:
    with Teacher(half_empty) as teacher:
        project = make(tmp_path, teacher, 10, target={"accepted": 3, "extra_samples": 2})
        plan = plan_run(project.path)
    assert plan.requests == 30


def test_a_job_that_nobody_waits_for_takes_no_target(tmp_path: Path) -> None:
    with Teacher() as teacher:
        project = make(tmp_path, teacher, 3, target={"accepted": 3})
        with pytest.raises(InputError, match="stillroom run"):
            launch_template(project.path, [], 1)


@pytest.mark.parametrize("target", [{}, {"accepted": 0}, {"accepted": 5, "extra_samples": -1}])
def test_a_target_that_makes_no_sense_is_refused(tmp_path: Path, target: object) -> None:
    project = make_project(tmp_path, "http://127.0.0.1:9/v1", ["a"])
    run = yaml.safe_load(project.path.read_text())
    project.path.write_text(json.dumps(run | {"target": target}))
    with pytest.raises(InputError, match="target"):
        plan_run(project.path)
