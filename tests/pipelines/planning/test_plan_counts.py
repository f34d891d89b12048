"""A long plan says how far it has come."""

from __future__ import annotations

from pathlib import Path

from pipelines.planning.plan_run import plan_run
from tests.pipelines.project import make_project, questions


def test_a_plan_counts_its_prompts_as_it_goes(tmp_path: Path) -> None:
    project = make_project(tmp_path, "http://127.0.0.1:9/v1", questions(2_500))
    counts: list[int] = []
    assert plan_run(project.path, counted=counts.append).prompts == 2_500
    assert counts == [1_000, 2_000]


def test_a_days_quota_spreads_a_run_over_days(tmp_path: Path) -> None:
    quota = {"requests_per_day": 10, "concurrency": 2}
    project = make_project(tmp_path, "http://127.0.0.1:9/v1", questions(31), route={"quota": quota})
    assert plan_run(project.path).days_min == 4
