"""The engine: many routes at once, stops and errors, with real connections and a real ledger."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from schemas.codes import StopReason
from schemas.errors import InputError, StillroomError
from schemas.inputs.registry import Quota, Timeouts
from schemas.requests import Request
from tests.teacher import (
    Call,
    Reply,
    Script,
    Teacher,
    always,
    answer,
    failure,
    hang,
    in_turn,
)
from tests.transforms.asking.asking import (
    ROUTE,
    ask_teacher,
    make_requests,
    make_route,
    responses,
    run_engine,
    verdict,
    work,
)
from transforms.asking.progress import RouteProgress
from transforms.clock import Clock
from transforms.limits.route_work import RouteWork


def test_every_request_is_asked_once_and_answered(tmp_path: Path) -> None:
    with Teacher() as teacher:
        done = run_engine(tmp_path, work(teacher, 50))[ROUTE]
        assert set(teacher.times_asked.values()) == {1}
        assert teacher.count == 50
    assert (done.answered, done.asked, done.attempts, done.pending) == (50, 50, 50, 0)
    assert done.stopped is None
    assert done.in_flight == 0


def test_after_a_stop_requests_in_flight_finish_and_nothing_more_is_sent(tmp_path: Path) -> None:
    stop = threading.Event()

    def script(call: Call) -> Reply:
        if call.number == 20:
            stop.set()
        return answer().after(0.05)

    with Teacher(script) as teacher:
        done = run_engine(tmp_path, work(teacher, 500), stop=stop.is_set)[ROUTE]
        assert done.answered == teacher.count < 100
    assert done.stopped == "interrupted"
    assert done.answered + done.pending == 500


@pytest.mark.parametrize(
    "script", [always(failure(503, retry_after="500")), always(failure(429, retry_after="500"))]
)
def test_a_stop_ends_a_pause(tmp_path: Path, script: Script) -> None:
    with Teacher(script) as teacher:
        done = run_engine(
            tmp_path, work(teacher, 9), stop=lambda: teacher.count > 0, clock=Clock()
        )[ROUTE]
    assert (done.pending, done.stopped) == (9, "interrupted")
    assert not any(each[-1].final for each in responses(tmp_path).values())


def test_a_stop_ends_a_wait_for_the_quota(tmp_path: Path) -> None:
    with Teacher() as teacher:
        done = run_engine(
            tmp_path,
            work(teacher, 9, quota=Quota(requests_per_minute=1, concurrency=4)),
            stop=lambda: teacher.count > 0,
            clock=Clock(),
        )[ROUTE]
    assert (done.answered, done.pending, done.stopped) == (1, 8, "interrupted")


def test_a_stop_with_nothing_left_to_ask_is_not_reported(tmp_path: Path) -> None:
    with Teacher(always(answer().after(0.3))) as teacher:
        done = run_engine(tmp_path, work(teacher, 4), stop=lambda: teacher.count == 4)[ROUTE]
    assert (done.answered, done.pending, done.stopped) == (4, 0, None)


def test_a_slow_route_does_not_delay_another(tmp_path: Path) -> None:
    with Teacher(always(answer().after(1.0))) as slow, Teacher() as fast:
        run_engine(
            tmp_path,
            RouteWork(make_route(slow.endpoint, "t/slow"), make_requests(4, "t/slow")),
            RouteWork(make_route(fast.endpoint, "t/fast"), make_requests(100, "t/fast")),
        )
        assert fast.calls[-1].at - slow.calls[0].at < 1.0


def test_requests_are_drawn_only_when_there_is_room_to_ask_them(tmp_path: Path) -> None:
    drawn: list[int] = []
    ahead: list[int] = []

    with Teacher() as teacher:

        def requests() -> Iterator[Request]:
            for request in make_requests(100):
                drawn.append(1)
                ahead.append(len(drawn) - teacher.count)
                yield request

        run_engine(tmp_path, RouteWork(make_route(teacher.endpoint), requests()))
    assert len(drawn) == 100
    assert max(ahead) <= 5


def test_a_ledger_that_cannot_be_written_stops_everything_at_once(tmp_path: Path) -> None:
    with Teacher(always(answer().after(0.01))) as teacher, Teacher(always(hang())) as slow:

        def fill_the_disk(_: Request) -> Any:
            if teacher.count >= 8:
                break_ledger(tmp_path)
            return verdict()

        began = time.monotonic()
        with pytest.raises(StillroomError):
            run_engine(
                tmp_path,
                work(teacher, 500),
                RouteWork(make_route(slow.endpoint, "t/slow"), make_requests(9, "t/slow")),
                permits=fill_the_disk,
            )
        assert time.monotonic() - began < 4  # the slow teacher would be given up after 5
        assert teacher.count < 100
    assert all(each[-1].answered for each in responses(tmp_path).values())


def break_ledger(folder: Path) -> None:
    """Makes every further write to the ledger's open segment fail, as a full disk does."""
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            path = os.readlink(f"/proc/self/fd/{descriptor}")
        except OSError:
            continue
        if path.startswith(str(folder)) and path.endswith(".jsonl"):
            reading = os.open(path, os.O_RDONLY)
            os.dup2(reading, int(descriptor))
            os.close(reading)


def test_an_unknown_api_is_an_error_before_anything_is_asked(tmp_path: Path) -> None:
    with Teacher() as teacher:
        # A registry cannot name such an API: a copy is not validated.
        other = make_route(teacher.endpoint, "t/other").model_copy(update={"api": "smoke-signals"})
        with pytest.raises(InputError, match="does not support the API"):
            run_engine(
                tmp_path,
                work(teacher),
                RouteWork(other, []),
            )
        assert teacher.count == 0


def test_a_route_given_twice_is_an_error(tmp_path: Path) -> None:
    with Teacher() as teacher, pytest.raises(ValueError, match="given twice"):
        run_engine(tmp_path, work(teacher), work(teacher))


def test_a_dead_host_does_not_affect_a_healthy_route(tmp_path: Path) -> None:
    impatient = Timeouts(connect_seconds=0.2, response_seconds=0.2, patience_seconds=60.0)
    with Teacher() as healthy:
        done = run_engine(
            tmp_path,
            RouteWork(
                make_route("http://127.0.0.1:9", "t/dead", timeouts=impatient),
                make_requests(3, "t/dead"),
            ),
            work(healthy, 30),
        )
    assert (done["t/dead"].pending, done["t/dead"].stopped) == (3, StopReason.UNREACHABLE)
    assert (done["t/dead"].usd_uncertain, done["t/dead"].uncertain) == (0, 0)
    assert done[ROUTE].answered == 30


def test_asking_nothing_returns_empty_counts(tmp_path: Path) -> None:
    with Teacher() as teacher:
        assert run_engine(tmp_path, work(teacher, 0))[ROUTE] == RouteProgress()


def test_no_task_is_left_running(tmp_path: Path) -> None:
    left: list[set[asyncio.Task[Any]]] = []

    def permits(_: Request) -> Any:
        left.append(asyncio.all_tasks())
        return verdict()

    ask_teacher(tmp_path, in_turn(failure(503), answer()), 3, permits=permits)
    assert all(task.done() for tasks in left for task in tasks)
