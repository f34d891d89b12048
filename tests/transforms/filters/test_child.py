"""A child that hangs or dies costs one question, and never outlives its parent."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from schemas.errors import StillroomError
from transforms.filters.child import Child, ChildDied, ChildHung

SECONDS = 60.0
SCRIPT = """
import os, signal, sys, time
from multiprocessing.connection import Connection

connection = Connection(int(sys.argv[1]))
connection.send("ready")
print("this is no answer", flush=True)
while True:
    question = connection.recv()
    if question == "hang":
        time.sleep(600)
    if question == "compute":
        signal.setitimer(signal.ITIMER_PROF, 0.05)
        while True:
            pass
    if question == "die":
        os._exit(3)
    if question == "hash":
        question = hash("a text")
    connection.send([question, os.getpid()])
    if question == "die afterwards":
        sys.exit()
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "answering.py"
    path.write_text(SCRIPT)
    return path


@pytest.fixture
def child(script: Path) -> Child:
    return Child(script)


def _state(pid: int) -> str:
    """Returns the state of a process, "Z" for a zombie; "" where there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return ""


def _until(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + SECONDS
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.01)
    return holds()


def test_one_child_answers_all_questions_however_long_they_are(child: Child) -> None:
    long = "é\n" * 200_000
    pids = {child.ask(question, SECONDS)[1] for question in ("a", {"b": [1]}, "c")}
    assert len(pids) == 1
    assert child.ask(long, SECONDS)[0] == long
    child.stop()
    assert _state(pids.pop()) == ""


@pytest.mark.parametrize(
    ("question", "seconds", "expected"),
    [("hang", 0.05, ChildHung), ("compute", SECONDS, ChildHung), ("die", SECONDS, ChildDied)],
)
def test_a_child_that_hangs_or_dies_costs_one_question_and_leaves_no_zombie(
    child: Child, question: str, seconds: float, expected: type[Exception]
) -> None:
    _, before = child.ask("a", SECONDS)
    with pytest.raises(expected):
        child.ask(question, seconds)
    assert _state(before) == ""
    answer, after = child.ask("b", SECONDS)
    assert answer == "b"
    assert after != before
    child.stop()


def test_a_child_that_ended_between_two_questions_costs_none(child: Child) -> None:
    _, pid = child.ask("die afterwards", SECONDS)
    assert _until(lambda: _state(pid) == "Z")
    assert child.ask("a", SECONDS)[0] == "a"
    child.stop()


def test_every_child_has_a_session_of_its_own_and_orders_sets_alike(child: Child) -> None:
    first, pid = child.ask("hash", SECONDS)
    assert os.getsid(pid) == pid != os.getsid(0)
    child.stop()
    assert child.ask("hash", SECONDS)[0] == first
    child.stop()


def test_threads_share_the_child_and_each_gets_its_own_answer(child: Child) -> None:
    answers: dict[int, tuple[int, int]] = {}

    def ask(number: int) -> None:
        answers[number] = tuple(child.ask(number, SECONDS))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    child.stop()
    assert all(answer == number for number, (answer, _) in answers.items())
    assert len({pid for _, pid in answers.values()}) == 1


def test_a_forked_process_has_a_child_of_its_own(child: Child) -> None:
    _, ours = child.ask("a", SECONDS)
    context = multiprocessing.get_context("fork")
    results = context.SimpleQueue()
    forked = context.Process(target=lambda: results.put(child.ask("b", SECONDS)))
    forked.start()
    answer, theirs = results.get()
    forked.join()
    assert answer == "b"
    assert theirs != ours
    assert child.ask("c", SECONDS) == ["c", ours]
    child.stop()


@pytest.mark.parametrize("end", ["pass", "os.kill(os.getpid(), 9)"])
@pytest.mark.parametrize("forks", [False, True])
def test_a_child_ends_with_its_parent_however_that_ends(
    script: Path, end: str, forks: bool
) -> None:
    parent = textwrap.dedent(f"""
        import os, signal
        from pathlib import Path
        from transforms.filters.child import Child
        child = Child(Path({str(script)!r}))
        print(child.ask("a", 60)[1], flush=True)
        if {forks}:
            forked = os.fork()
            if not forked:
                os.close(1), os.close(2)
                signal.pause()
            print(forked, flush=True)
        {end}
    """)
    run = subprocess.run(
        [sys.executable, "-c", parent], capture_output=True, text=True, check=False
    )
    pid, *forked = map(int, run.stdout.split())
    try:
        assert _until(lambda: _state(pid) in ("", "Z"))  # an orphan is not ours to wait for
    finally:
        for other in forked:
            os.kill(other, signal.SIGKILL)
    assert run.stderr == ""


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "import sys; from multiprocessing.connection import Connection\n"
            "Connection(int(sys.argv[1])).send('no algebra here')",
            "no algebra here",
        ),
        ("raise SystemExit(1)", "ChildDied"),
    ],
)
def test_a_child_that_does_not_start_raises_its_reason(
    tmp_path: Path, text: str, says: str
) -> None:
    path = tmp_path / "broken.py"
    path.write_text(text)
    with pytest.raises(StillroomError, match=rf"broken\.py does not start: {says}"):
        Child(path).ask("a", SECONDS)
