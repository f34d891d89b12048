"""The loop of a route and its limits: budget, guard, quota, requests in flight."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from schemas.inputs.budget import Budget as Caps
from schemas.inputs.registry import Price, Quota
from schemas.requests import Request
from tests.money import known
from tests.teacher import (
    Call,
    Reply,
    Script,
    Teacher,
    always,
    answer,
    failure,
    in_turn,
)
from tests.transforms.asking.asking import (
    ROUTE,
    ask_teacher,
    make_requests,
    make_route,
    run_engine,
    seeded,
    verdict,
    work,
)
from transforms.asking.progress import RouteProgress
from transforms.clock import Clock
from transforms.limits.budget import BudgetTracker, Spend
from transforms.limits.quota import DayUsage
from transforms.limits.route_work import RouteWork

PRICE = Price(input_usd_per_million=100.0, output_usd_per_million=400.0)


@pytest.mark.parametrize("seed", range(5))
def test_a_budget_is_never_overshot(tmp_path: Path, seed: int) -> None:
    random, spent = seeded(seed), []

    def script(_: Call) -> Reply:
        if random.random() < 0.1:
            return failure(503)
        used = (random.randint(1, 20), random.randint(1, 50))
        spent.append((used[0] * 100.0 + used[1] * 400.0) / 1e6)
        return answer(usage=used).after(random.uniform(0, 0.05))

    done = ask_with_budget(tmp_path, script, Caps(usd=1.0), 600)
    assert 0.9 < sum(spent) <= 1.0
    assert done.usd == pytest.approx(sum(spent))
    assert (done.stopped, done.ended) == ("budget", 600)


def ask_with_budget(folder: Path, script: Script, caps: Caps, requests: int) -> RouteProgress:
    with Teacher(script) as teacher:
        route_work = work(teacher, requests, price=PRICE, quota=Quota(concurrency=200))
        return run_engine(folder, route_work, caps=caps)[ROUTE]


def test_a_budget_of_requests_counts_every_attempt(tmp_path: Path) -> None:
    done = ask_teacher(tmp_path, in_turn(failure(500), answer()), 30, caps=Caps(requests=21))
    assert done.attempts == 21
    assert done.answered + done.pending == 30
    assert done.stopped == "budget"


def test_a_budget_holds_for_a_teacher_that_counts_a_token_a_byte(tmp_path: Path) -> None:
    used: list[int] = []

    def script(call: Call) -> Reply:
        usage = len(call.prompt.encode()) + 60, 50
        used.append(sum(usage))
        return answer(usage=usage)

    prompts = [f"Ꙩ{n} " * 40 for n in range(50)]
    done = ask_teacher(tmp_path, script, prompts, caps=Caps(tokens=5000))
    assert done.stopped == "budget"
    assert 4000 < sum(used) <= 5000


def test_an_answer_without_usage_counts_as_its_reservation(tmp_path: Path) -> None:
    done = ask_teacher(tmp_path, always(answer(usage=None)), 30, caps=Caps(tokens=1000))
    assert done.stopped == "budget"
    assert 0 < done.answered <= 1000 // 50
    assert done.usd == 0 < known(done.usd_uncertain)


def test_a_denial_by_the_quota_releases_the_budget(tmp_path: Path) -> None:
    budget = BudgetTracker(Caps(requests=4))
    with Teacher() as teacher:
        spent = replace(
            work(teacher, 9, quota=Quota(requests_per_day=5, concurrency=4)),
            slice_today=DayUsage(requests=5),
        )
        done = run_engine(tmp_path, spent, budget=budget)[ROUTE]
        assert teacher.count == 0
    assert (done.pending, done.stopped) == (9, "quota")
    assert budget.take(Spend(requests=4))


def test_a_request_that_the_guard_forbids_is_not_sent(tmp_path: Path) -> None:
    for answer_of_the_guard in (None, verdict("deny")):
        budget = BudgetTracker(Caps(requests=4))
        with Teacher() as teacher:
            done = run_engine(
                tmp_path,
                work(teacher),
                permits=lambda _, given=answer_of_the_guard: given,
                budget=budget,
            )[ROUTE]
            assert teacher.count == 0
        assert (done.pending, done.stopped) == (5, "terms")
        assert budget.take(Spend(requests=4))  # what was reserved is given back


def test_terms_that_end_during_a_run_stop_the_route(tmp_path: Path) -> None:
    with Teacher() as teacher, Teacher() as other:

        def permits(request: Request) -> Any:
            return verdict() if request.teacher != ROUTE or teacher.count < 7 else None

        done = run_engine(
            tmp_path,
            work(teacher, 50),
            RouteWork(make_route(other.endpoint, "other/one"), make_requests(50, "other/one")),
            permits=permits,
        )
    assert 7 <= teacher.count <= 11
    assert done[ROUTE].stopped == "terms"
    assert done[ROUTE].answered + done[ROUTE].pending == 50
    assert done["other/one"].answered == 50


def test_the_guard_decides_on_each_retry(tmp_path: Path) -> None:
    with Teacher(always(failure(503))) as teacher:
        done = run_engine(
            tmp_path, work(teacher, 1), permits=lambda _: None if teacher.count else verdict()
        )[ROUTE]
        assert teacher.count == 1
    assert (done.pending, done.stopped) == (1, "terms")


def test_a_spent_daily_quota_stops_the_route(tmp_path: Path) -> None:
    with Teacher() as teacher:
        route_work = RouteWork(
            make_route(teacher.endpoint, quota=Quota(requests_per_day=10, concurrency=4)),
            make_requests(20),
            slice_today=DayUsage(requests=4),
        )
        done = run_engine(tmp_path, route_work, clock=Clock())[ROUTE]
        assert teacher.count == 6
    assert (done.answered, done.pending, done.stopped) == (6, 14, "quota")


def test_a_request_larger_than_the_quota_does_not_block_the_others(tmp_path: Path) -> None:
    quota = Quota(tokens_per_minute=500, concurrency=4)
    prompts = ["short", "long " * 1000, "shorter"]
    done = ask_with_quota(tmp_path, prompts, quota)
    assert (done.answered, done.pending, done.stopped) == (2, 1, "quota")


def ask_with_quota(folder: Path, prompts: list[str], quota: Quota) -> RouteProgress:
    with Teacher() as teacher:
        return run_engine(folder, work(teacher, prompts, quota=quota))[ROUTE]


def test_a_quota_holds_over_the_wire(tmp_path: Path) -> None:
    with Teacher() as teacher:
        route_work = work(teacher, 90, quota=Quota(requests_per_minute=3000, concurrency=16))
        done = run_engine(tmp_path, route_work, clock=Clock())[ROUTE]
        arrivals = [call.at for call in teacher.calls]
    assert done.answered == 90
    assert done.throttled_seconds > 1
    assert 90 / 3000 * 60 * 0.97 <= arrivals[-1] - arrivals[0] <= 90 / 3000 * 60 * 1.5


def test_as_many_requests_are_in_flight_as_allowed(tmp_path: Path) -> None:
    with Teacher(always(answer().after(0.05))) as teacher:
        run_engine(tmp_path, work(teacher, 40, quota=Quota(concurrency=8)))
        assert teacher.most_in_flight == 8


def test_slices_share_the_allowed_requests_in_flight(tmp_path: Path) -> None:
    with Teacher(always(answer().after(0.01))) as teacher:
        route_work = work(teacher, 40, quota=Quota(concurrency=8))
        run_engine(tmp_path, route_work, share=Fraction(1, 3))
        assert teacher.most_in_flight == 2
