"""Runs started from Python: quiet, in a notebook's event loop or in any thread, as data."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import stillroom
from tests.pipelines.project import make_project, questions
from tests.teacher import Teacher, echo, failure


def test_a_run_is_planned_made_verified_and_found(tmp_path: Path) -> None:
    with Teacher() as teacher:
        project = make_project(tmp_path, teacher.endpoint, questions(5))
        plan = stillroom.plan(str(project.path))
        assert (plan.permitted, plan.to_ask, teacher.count) == (True, 5, 0)
        result = stillroom.run(project.path, slices=2)
        built = stillroom.build(project.path)
        assert teacher.count == 5
    assert (result.accepted, result.stopped, built.asked) == (5, None, 0)
    assert built.version == result.version
    folder = str(project.corpus / str(result.version))
    assert result.folder == stillroom.latest(project.corpus) == folder
    assert stillroom.verify(project.corpus).ok


def test_nothing_is_printed_unless_progress_is_asked_for(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with Teacher() as teacher:
        project = make_project(tmp_path, teacher.endpoint, questions(3))
        stillroom.plan(project.path)
        stillroom.run(project.path)
    assert capfd.readouterr() == ("", "")


def test_a_notebooks_event_loop_and_a_thread_of_ones_own_are_no_obstacle(tmp_path: Path) -> None:
    results = []

    async def cell() -> None:
        results.append(stillroom.run(project.path))

    with Teacher() as teacher:
        project = make_project(tmp_path, teacher.endpoint, questions(3))
        asyncio.run(cell())
        thread = threading.Thread(target=lambda: results.append(stillroom.build(project.path)))
        thread.start()
        thread.join()
    first, second = results
    assert first.accepted == 3
    assert first.version == second.version


def test_an_error_of_a_worker_is_raised_beside_an_event_loop_too(tmp_path: Path) -> None:
    async def cell() -> None:
        stillroom.run(project.path)

    evaluation = [{"files": "eval.jsonl", "text": "q"}]
    (tmp_path / "eval.jsonl").write_text('{"other": 1}\n')
    with Teacher() as teacher:
        project = make_project(tmp_path, teacher.endpoint, questions(3), decontaminate=evaluation)
        with pytest.raises(stillroom.InputError, match=r"eval.jsonl:1"):
            asyncio.run(cell())


_NOTEBOOK = """
import asyncio, sys
import stillroom

async def cell():
    try:
        stillroom.run(sys.argv[1])
    except stillroom.Interrupted as error:
        print(error)

asyncio.run(cell())
"""


def test_interrupting_a_notebook_waits_for_what_is_in_flight(tmp_path: Path) -> None:
    with Teacher(lambda call: echo(call).after(0.05)) as teacher:
        project = make_project(tmp_path, teacher.endpoint, questions(200))
        process = subprocess.Popen(
            [sys.executable, "-c", _NOTEBOOK, str(project.path)], stdout=subprocess.PIPE, text=True
        )
        deadline = time.monotonic() + 60
        while teacher.count < 40:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
        assert "Every answer that was paid for is in the ledger" in output
        asked = teacher.count
        assert asked < 200
        assert stillroom.run(project.path).from_ledger == asked


def test_what_ends_the_asking_is_in_the_result(tmp_path: Path) -> None:
    with Teacher(lambda _: failure(403)) as teacher:
        project = make_project(tmp_path, teacher.endpoint, questions(8))
        result = stillroom.run(project.path)
    assert (result.stopped, result.version, result.folder) == ("access", None, None)
