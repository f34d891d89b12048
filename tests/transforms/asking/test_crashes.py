"""After a kill at any moment, the next run repeats at most the requests that were in flight."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from schemas.inputs.registry import Quota
from tests.teacher import Teacher, always, answer
from tests.transforms.asking.asking import ROUTE, make_requests, make_route, run_engine, seeded
from transforms.limits.route_work import RouteWork

IN_FLIGHT = 16
ROOT = Path(__file__).parents[3]

# What is killed: the same engine, asking the same requests into the same ledger.
PROGRAM = """
import sys
from pathlib import Path
from tests.transforms.asking.test_crashes import ask
ask(sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
"""


def ask(endpoint: str, folder: Path, run_id: str, requests: int) -> int:
    """Asks all requests; returns how many were answered, now or before."""
    route = make_route(endpoint, quota=Quota(concurrency=IN_FLIGHT))
    done = run_engine(folder, RouteWork(route, make_requests(requests)), run_id=run_id)[ROUTE]
    return done.answered + done.from_ledger


def asking(teacher: Teacher, folder: Path, run_id: str, requests: int) -> subprocess.Popen[bytes]:
    """Starts asking in a process that can be killed."""
    arguments = [teacher.endpoint, str(folder), run_id, str(requests)]
    return subprocess.Popen([sys.executable, "-c", PROGRAM, *arguments], cwd=ROOT)


def await_count(teacher: Teacher, count: int, process: subprocess.Popen[bytes]) -> None:
    while teacher.count < count:
        assert process.poll() is None
        time.sleep(0.001)


@pytest.mark.parametrize("answers_before", [1, 300])
def test_after_sigkill_at_most_the_requests_in_flight_are_repeated(
    tmp_path: Path, answers_before: int
) -> None:
    requests = 400
    with Teacher(always(answer().after(0.02))) as teacher:
        with asking(teacher, tmp_path, "run-1", requests) as process:
            await_count(teacher, answers_before + IN_FLIGHT, process)
            os.kill(process.pid, signal.SIGKILL)
        assert teacher.count < requests
        assert ask(teacher.endpoint, tmp_path, "run-2", requests) == requests
        assert len(teacher.times_asked) == requests
        assert teacher.count - requests <= IN_FLIGHT
        assert max(teacher.times_asked.values()) <= 2


@pytest.mark.timeout(600)  # twenty processes start: half a minute, and more on a busy machine
def test_after_twenty_kills_at_most_the_requests_in_flight_are_repeated(tmp_path: Path) -> None:
    requests, kills, chance = 2_000, 20, seeded(1)
    with Teacher(always(answer().after(0.02))) as teacher:
        for number in range(kills):
            repeated = teacher.count - len(teacher.times_asked)
            until = teacher.count + chance.randrange(1, requests // kills - 2 * IN_FLIGHT)
            with asking(teacher, tmp_path, f"{number}", requests) as process:
                await_count(teacher, until, process)
                time.sleep(chance.uniform(0, 0.02))
                os.kill(process.pid, signal.SIGKILL)
            # What was asked a second time had been in flight when the one before was killed.
            assert teacher.count - len(teacher.times_asked) - repeated <= IN_FLIGHT * (number > 0)
        assert ask(teacher.endpoint, tmp_path, "last", requests) == requests
        assert len(teacher.times_asked) == requests
        assert teacher.count - requests <= kills * IN_FLIGHT
