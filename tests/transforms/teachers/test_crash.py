"""Killed at any moment, asking goes on where it was: at most what was in flight is bought again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from schemas.registry import Quota
from tests.teacher import Teacher, always, answer
from tests.transforms.teachers.asking import ROUTE, make_requests, make_route, run_engine, seeded
from transforms.teachers.lane import RouteWork

REQUESTS = 400
IN_FLIGHT = 16
ROOT = Path(__file__).parents[3]

# What is killed: the same engine, asking the same requests into the same ledger.
PROGRAM = """
import sys
from pathlib import Path
from tests.transforms.teachers.test_crash import ask
ask(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
"""


def ask(endpoint: str, folder: Path, run_id: str) -> int:
    """Asks all requests; returns how many were answered, now or before."""
    route = make_route(endpoint, quota=Quota(concurrency=IN_FLIGHT))
    done = run_engine(folder, RouteWork(route, make_requests(REQUESTS)), run_id=run_id)[ROUTE]
    return done.answered + done.from_ledger


@pytest.mark.parametrize("answers_before", [1, 300])
def test_after_sigkill_at_most_what_was_in_flight_is_asked_twice(
    tmp_path: Path, answers_before: int
) -> None:
    with Teacher(always(answer().after(0.02))) as teacher:
        command = [sys.executable, "-c", PROGRAM, teacher.endpoint, str(tmp_path), "run-1"]
        with subprocess.Popen(command, cwd=ROOT) as asking:
            while teacher.count < answers_before + IN_FLIGHT:
                assert asking.poll() is None
                time.sleep(0.001)
            os.kill(asking.pid, signal.SIGKILL)
        assert teacher.count < REQUESTS
        assert ask(teacher.endpoint, tmp_path, "run-2") == REQUESTS
        assert len(teacher.times_asked) == REQUESTS
        assert teacher.count - REQUESTS <= IN_FLIGHT
        assert max(teacher.times_asked.values()) <= 2


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_again_and_again_at_any_moment_it_loses_and_repeats_no_more(
    tmp_path: Path, seed: int
) -> None:
    chance, kills = seeded(seed), 4
    with Teacher(always(answer().after(0.02))) as teacher:
        for number in range(kills):
            repeated = teacher.count - len(teacher.times_asked)
            until = teacher.count + chance.randrange(1, REQUESTS // kills - 2 * IN_FLIGHT)
            command = [sys.executable, "-c", PROGRAM, teacher.endpoint, str(tmp_path), f"{number}"]
            with subprocess.Popen(command, cwd=ROOT) as asking:
                while teacher.count < until:
                    assert asking.poll() is None
                    time.sleep(0.001)
                time.sleep(chance.uniform(0, 0.02))
                os.kill(asking.pid, signal.SIGKILL)
            # What was asked a second time had been in flight when the one before was killed.
            assert teacher.count - len(teacher.times_asked) - repeated <= IN_FLIGHT * (number > 0)
        assert ask(teacher.endpoint, tmp_path, "last") == REQUESTS
        assert len(teacher.times_asked) == REQUESTS
        assert teacher.count - REQUESTS <= kills * IN_FLIGHT
