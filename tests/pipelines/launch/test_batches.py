"""Whole runs with `mode: batch`: half the price, one purchase, and a crash costs nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.planning.plan_run import plan_run
from pipelines.results import Result
from schemas.errors import InputError
from tests.batch_server import USAGE, BatchServer
from tests.money import known
from tests.pipelines.project import ROUTE, Project, make_project, questions
from tests.teacher import Teacher
from transforms.ledger import Ledger
from transforms.limits.totals import usage_totals

BOTH = pytest.mark.parametrize("api", ["openai-chat", "anthropic-messages"])
PRICE = {"input_usd_per_million": 1, "output_usd_per_million": 2}
HALF = (USAGE[0] * 0.5 + USAGE[1] * 1.0) / 1e6
TEACHER = {"id": ROUTE, "mode": "batch", "parameters": {"max_tokens": 50}}


def make(folder: Path, server: BatchServer, api: str, **fields: Any) -> Project:
    route = {"api": api, "price": PRICE} | fields.pop("route", {})
    fields = {"teachers": [TEACHER]} | fields
    return make_project(folder, server.endpoint(api), route=route, **fields)


def _usd_in_ledger(project: Project) -> float:
    accounts = usage_totals(Ledger(project.folder / "ledger").reader())
    return sum(known(account.spent.usd) for account in accounts.values())


@BOTH
def test_a_run_in_batches_publishes_what_a_live_one_does_for_half(tmp_path: Path, api: str) -> None:
    with BatchServer() as server:
        server.lines = reversed
        project = make(tmp_path, server, api)
        plan = plan_run(project.path)
        result = project.run()
        assert (result.requests, result.accepted, result.pending) == (40, 40, 0)
        assert result.usd == pytest.approx(40 * HALF)
        assert (result.stopped, result.exit_code) == (None, 0)
        calls = len(server.calls)
        again = project.run()
        assert (again.from_ledger, again.asked, again.usd) == (40, 0, 0)
        assert len(server.calls) == calls
    assert project.shards(result) == project.shards(again)
    assert _usd_in_ledger(project) == pytest.approx(40 * HALF)
    project.change(teachers=[{**TEACHER, "mode": "live"}], ledger="another")
    assert plan.usd_max == pytest.approx(known(plan_run(project.path).usd_max) / 2)
    assert plan.seconds_min == 0


def test_the_same_question_has_the_same_answer_in_either_mode(tmp_path: Path) -> None:
    with BatchServer() as server, Teacher() as teacher:
        project = make(tmp_path, server, "openai-chat", prompts=questions(10))
        project.run()
        live = {**TEACHER, "mode": "live"}
        registry = yaml.safe_load((tmp_path / "teachers.yaml").read_text())
        registry["routes"][ROUTE]["endpoint"] = teacher.endpoint
        (tmp_path / "teachers.yaml").write_text(yaml.safe_dump(registry))
        project.change(teachers=[live])
        assert (project.run().from_ledger, teacher.count) == (10, 0)


def kill_at(server: BatchServer, project: Project, path: str) -> None:
    """Starts a run, and kills it when the provider has done what it asked for at a path."""
    process: list[subprocess.Popen[bytes]] = []

    def on_call(number: int, done: bool) -> None:
        if done and server.calls[number][1].endswith(path):
            os.killpg(process[0].pid, signal.SIGKILL)

    server.on_call = on_call
    process.append(start(project))
    process[0].wait(60)
    server.on_call = lambda number, done: None


def start(project: Project) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "stillroom", "run", str(project.path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


@pytest.mark.parametrize(
    ("api", "path", "slices"),
    [
        ("openai-chat", "/content", 3),
        ("anthropic-messages", "/batches", 2),
    ],
)
def test_a_killed_run_is_gone_on_with_by_any_number_of_slices(
    tmp_path: Path, api: str, path: str, slices: int
) -> None:
    with BatchServer() as server:
        project = make(tmp_path, server, api)
        kill_at(server, project, path)
        result = project.run(slices=slices)
        assert (result.accepted, result.asked, result.pending) == (40, 40, 0)
        assert (len(server.jobs), set(server.charged.values())) == (1, {1})
        assert result.usd == pytest.approx(40 * HALF)
        assert project.shards(result) == project.shards(project.run(asks=False))


def test_ctrl_c_says_that_batches_go_on(tmp_path: Path) -> None:
    with BatchServer() as server:
        server.ends_after = None
        project = make(tmp_path, server, "openai-chat")
        process: list[subprocess.Popen[bytes]] = []

        def on_call(number: int, done: bool) -> None:
            if done and server.jobs:
                process[0].send_signal(signal.SIGINT)
                server.on_call = lambda number, done: None

        server.on_call = on_call
        process.append(start(project))
        output, _ = process[0].communicate(timeout=60)
        assert process[0].returncode == 130
        assert b"go on at the provider; the next run collects them" in output
        server.ends_after = 1
        assert (project.run().accepted, len(server.jobs)) == (40, 1)


def test_a_job_that_has_not_ended_leaves_the_run_resumable(tmp_path: Path) -> None:
    with BatchServer() as server:
        server.ends_after = None
        project = make(tmp_path, server, "openai-chat", route={"timeouts": {"batch_seconds": 0.01}})
        first = project.run()
        assert (first.pending, first.stopped, first.exit_code) == (40, "quota", 4)
        assert "the next run collects them" in first.stops[0]
        server.ends_after = 1
        assert (project.run().accepted, len(server.jobs)) == (40, 1)


def _month(folder: Path, server: BatchServer, change: Callable[[Project], None]) -> Result:
    """Leaves a job of 40 requests open, then asks 50 with what is left of the month."""
    server.ends_after = None
    route = {
        "timeouts": {"batch_seconds": 0.01},
        "price": {"input_usd_per_million": 0, "output_usd_per_million": 4000},
    }
    project = make(folder, server, "openai-chat", route=route)
    assert project.run().pending == 40
    # At 50 tokens each and half of 0.004 dollars a token, the job may cost 4 dollars.
    project.change(budget={"usd_per_month": 4.55})
    change(project)
    return project.run()


def test_an_open_job_of_the_route_counts_against_the_month(tmp_path: Path) -> None:
    with BatchServer() as server:
        result = _month(tmp_path, server, lambda project: more_prompts(project, 50))
        assert (result.pending, result.stopped) == (50, "budget")
        assert [len(job.requests) for job in server.jobs] == [40, 5]


def test_an_open_job_of_another_route_counts_against_the_month(tmp_path: Path) -> None:
    def another(project: Project) -> None:
        registry = yaml.safe_load((project.folder / "teachers.yaml").read_text())
        registry["routes"]["test/other"] = registry["routes"][ROUTE]
        (project.folder / "teachers.yaml").write_text(yaml.safe_dump(registry))
        project.change(teachers=[{**TEACHER, "id": "test/other"}])

    with BatchServer() as server:
        result = _month(tmp_path, server, another)
        assert (result.pending, result.stopped) == (40, "budget")
        assert [len(job.requests) for job in server.jobs] == [40, 5]


def more_prompts(project: Project, count: int) -> None:
    lines = [json.dumps({"q": question}) for question in questions(count)]
    (project.folder / "prompts.jsonl").write_text("\n".join(lines))


def test_an_api_without_batches_is_an_input_error_with_its_line(tmp_path: Path) -> None:
    with BatchServer() as server:
        project = make(tmp_path, server, "gemini")
        with pytest.raises(InputError) as caught:
            project.run()
        assert server.calls == []
    (problem,) = caught.value.problems
    lines = project.path.read_text().splitlines()
    line = next(number for number, text in enumerate(lines, 1) if "mode: batch" in text)
    assert problem.where == f"{project.path}:{line}"
    assert "has no batches" in problem.what


def test_a_route_has_one_mode(tmp_path: Path) -> None:
    with BatchServer() as server:
        other = {"id": ROUTE, "parameters": {"max_tokens": 60}}
        project = make(tmp_path, server, "openai-chat", teachers=[TEACHER, other])
        with pytest.raises(InputError, match="two modes"):
            project.run()
