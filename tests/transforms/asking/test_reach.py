"""Hosts that no connection reaches: a run does not wait for them, and says which they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from schemas.codes import Outcome, StopReason
from schemas.requests import Request
from tests.teacher import Teacher
from tests.transforms.asking.asking import (
    ROUTE,
    make_requests,
    make_route,
    responses,
    run_engine,
    verdict,
    work,
)
from transforms.asking.reach import GIVE_UP_FAILURES, GIVE_UP_SECONDS, Reach
from transforms.limits.route_work import RouteWork
from transforms.providers.http_client import Exchange

REFUSED = Exchange(Outcome.CONNECTION_FAILED)


@pytest.mark.parametrize(
    "endpoint", ["http://127.0.0.1:9/v1", "http://no-such-host.invalid/v1"], ids=["port", "name"]
)
def test_a_route_to_nowhere_stops_soon_and_names_the_address(tmp_path: Path, endpoint: str) -> None:
    done = run_engine(tmp_path, RouteWork(make_route(endpoint), make_requests(40)))[ROUTE]
    assert done.stopped is StopReason.UNREACHABLE
    assert f"{endpoint}/chat/completions cannot be reached: ClientConnector" in done.detail
    assert (done.pending, done.failed) == (40, {})
    tries = responses(tmp_path)
    assert GIVE_UP_FAILURES <= sum(map(len, tries.values())) <= 40
    assert not any(each.final for attempts in tries.values() for each in attempts)


def test_a_host_that_worked_and_then_goes_away_is_waited_for(tmp_path: Path) -> None:
    teacher = Teacher().__enter__()
    asked: list[str] = []

    def permits(request: Request) -> Any:
        asked.append(request.request_id)
        if len(asked) == 2:
            teacher.__exit__(None, None, None)
        return verdict()

    one_by_one = {"quota": make_route("").quota.model_copy(update={"concurrency": 1})}
    done = run_engine(tmp_path, work(teacher, 3, **one_by_one), permits=permits)[ROUTE]
    assert (done.answered, done.failures, done.stopped) == (1, 2, None)
    assert max(map(asked.count, asked)) == 6


def test_routes_to_one_host_share_what_is_known_of_it(tmp_path: Path) -> None:
    gone = "http://127.0.0.1:9/v1"
    routes = [
        RouteWork(make_route(gone, name), make_requests(30, name)) for name in ("t/one", "t/two")
    ]
    done = run_engine(tmp_path, *routes)
    assert {each.stopped for each in done.values()} == {StopReason.UNREACHABLE}


def test_a_host_is_given_up_after_enough_attempts_and_time_and_never_once_it_answered() -> None:
    now = [0.0]
    reach = Reach(lambda: now[0])
    assert not any(reach.gives_up(REFUSED) for _ in range(2 * GIVE_UP_FAILURES))
    now[0] = GIVE_UP_SECONDS
    assert reach.gives_up(REFUSED)
    few = Reach(lambda: now[0])
    assert not few.gives_up(REFUSED)
    now[0] += GIVE_UP_SECONDS
    assert not few.gives_up(REFUSED)
    assert not few.gives_up(Exchange(Outcome.CONNECTION_CLOSED))
    now[0] += GIVE_UP_SECONDS
    assert not any(few.gives_up(REFUSED) for _ in range(2 * GIVE_UP_FAILURES))
