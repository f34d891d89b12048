"""Runs that are killed or stopped: nothing paid for is lost, and nothing is bought twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.pipelines.project import Project, make_project, questions
from tests.teacher import Call, Reply, Teacher, echo

_IN_FLIGHT = 8  # the project's concurrency


def _start(project: Project) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "stillroom", "run", str(project.path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def _await_calls(teacher: Teacher, count: int) -> None:
    deadline = time.monotonic() + 60
    while teacher.count < count:
        assert time.monotonic() < deadline
        time.sleep(0.005)


def _slowly(call: Call) -> Reply:
    return echo(call).after(0.05)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_killed_run_buys_again_at_most_what_was_in_flight(tmp_path: Path, seed: int) -> None:
    moment = random.Random(seed).randrange(10, 190)
    with Teacher(_slowly) as teacher:
        project = make_project(tmp_path, teacher.endpoint, questions(200))
        process = _start(project)
        _await_calls(teacher, moment)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        result = project.run()
        twice = sum(count - 1 for count in teacher.times_asked.values())
    assert (result.accepted, result.pending) == (200, 0)
    assert len(teacher.times_asked) == 200
    assert twice <= _IN_FLIGHT
    assert result.from_ledger >= moment - 2 * _IN_FLIGHT
    assert project.shards(result) == project.shards(project.run(asks=False))


def test_ctrl_c_waits_for_what_is_in_flight_and_says_how_to_go_on(tmp_path: Path) -> None:
    with Teacher(_slowly) as teacher:
        project = make_project(tmp_path, teacher.endpoint, questions(200))
        process = _start(project)
        _await_calls(teacher, 40)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
        asked = teacher.count
        assert process.returncode == 130
        assert "in the ledger" in output
        assert "Run the same command again" in output
        assert "Traceback" not in output
        assert not (project.corpus / "LATEST.json").exists()
        result = project.run()
        assert teacher.count == 200
    assert asked < 200
    assert (result.from_ledger, result.asked) == (asked, 200 - asked)
