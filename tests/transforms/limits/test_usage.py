"""Earlier usage is read from the ledger: of this run, today, and this month."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from schemas.inputs.budget import Budget as Caps
from schemas.inputs.registry import Price, Quota, Route
from tests.money import known
from tests.teacher import Script, Teacher, always, answer, failure, in_turn
from tests.transforms.asking.asking import ROUTE, make_requests, make_route, run_engine
from transforms.asking.progress import RouteProgress
from transforms.clock import Clock
from transforms.ledger import Ledger
from transforms.limits.budget import BudgetTracker
from transforms.limits.quota import DayUsage
from transforms.limits.route_work import RouteWork
from transforms.limits.usage import PastUsage, past_usage
from transforms.providers.tokens import Tokens

UNKNOWN = Price()
PRICE = Price(
    input_usd_per_million=100_000.0, output_usd_per_million=200_000.0
)  # an answer of 10 and 5 tokens costs 2 dollars
DAILY = Quota(requests_per_day=1000, concurrency=4)


def at(day: str, time: str = "12:00:00") -> int:
    """Returns a time UTC, by default noon of a day, as milliseconds since 1970."""
    return int(datetime.fromisoformat(f"{day}T{time}+00:00").timestamp() * 1000)


def ask(
    folder: Path,
    day: str,
    run_id: str,
    prompts: Iterable[str],
    script: Script | None = None,
    *,
    time: str = "12:00:00",
) -> None:
    """Asks at a time, at which the clock stays."""
    clock = Clock(wall=lambda: at(day, time) / 1000)
    with Teacher(script or always(answer())) as teacher:
        route = make_route(teacher.endpoint, price=PRICE)
        run_engine(folder, RouteWork(route, make_requests(prompts)), run_id=run_id, clock=clock)


def used(
    folder: Path,
    day: str,
    run_id: str = "now",
    *,
    mine: bool = True,
    started: str = "",
    monthly: bool = False,
    elsewhere: bool = False,
    price_now: Price = UNKNOWN,
    **settings: Any,
) -> PastUsage:
    """Reads what was used before noon of a day, by a run that started on a day, by default then."""
    route: Route = make_route("http://t/v1", price=PRICE, quota=DAILY)
    return past_usage(
        Ledger(folder).reader(),
        {} if elsewhere else {ROUTE: route},
        run_id=run_id,
        run_started=at(started or day),
        now=at(day),
        mine=lambda _: mine,
        monthly=monthly,
        price_now=lambda _: price_now,
        **settings,
    )


def test_a_month_counts_all_runs_of_the_month_and_no_earlier_one(tmp_path: Path) -> None:
    ask(tmp_path, "2026-01-31", "january", "abc")
    ask(tmp_path, "2026-02-01", "first", "de")
    ask(tmp_path, "2026-02-20", "second", "f")
    assert used(tmp_path, "2026-02-27", monthly=True).month.usd == pytest.approx(6.0)
    assert used(tmp_path, "2026-03-01", monthly=True).month.usd == 0
    assert used(tmp_path, "2026-02-27").month.usd == 0  # only read where it is of interest


@pytest.mark.parametrize("started", ["2026-02-27", "2026-01-15"])
def test_a_month_begins_at_midnight_utc_whenever_the_run_started(
    tmp_path: Path, started: str
) -> None:
    ask(tmp_path, "2026-01-31", "january", "abc", time="23:59:59")
    ask(tmp_path, "2026-02-01", "february", "d", time="00:00:00")
    before = used(tmp_path, "2026-02-27", started=started, monthly=True)
    assert before.month.usd == pytest.approx(2.0)


def test_a_month_counts_routes_that_the_run_does_not_ask(tmp_path: Path) -> None:
    ask(tmp_path, "2026-02-01", "first", "de")
    before = used(tmp_path, "2026-02-27", monthly=True, elsewhere=True)
    assert before.month.usd == pytest.approx(4.0)
    assert before.today == {}


def test_the_runs_own_spending_is_not_counted_as_that_of_others(tmp_path: Path) -> None:
    ask(tmp_path, "2026-02-27", "now", "abc")
    before = used(tmp_path, "2026-02-27", monthly=True)
    assert before.spent.requests == 3
    assert before.spent.usd == pytest.approx(6.0)
    assert before.month.usd == 0


def test_an_answer_of_unknown_cost_counts_as_the_most_it_can_cost(tmp_path: Path) -> None:
    ask(tmp_path, "2026-02-01", "first", "a", always(answer(usage=None)))
    before = used(tmp_path, "2026-02-27", monthly=True)
    assert known(before.month.usd) >= 50 * 0.2  # `max_tokens`, and the prompt


def test_a_failure_that_cost_nothing_is_not_counted(tmp_path: Path) -> None:
    ask(tmp_path, "2026-02-01", "first", "a", in_turn(failure(503), answer()))
    assert used(tmp_path, "2026-02-27", monthly=True).month.usd == pytest.approx(2.0)


def test_today_counts_what_every_run_asked_since_midnight(tmp_path: Path) -> None:
    ask(tmp_path, "2026-02-26", "yesterday", "abc")
    ask(tmp_path, "2026-02-27", "today", "de")
    assert used(tmp_path, "2026-02-27").today == {ROUTE: DayUsage(2, 30)}


def test_a_slice_counts_its_own_requests_and_its_share_of_those_of_other_runs(
    tmp_path: Path,
) -> None:
    ask(tmp_path, "2026-02-27", "other", "abc")
    ask(tmp_path, "2026-02-27", "now", "defg")
    half = Fraction(1, 2)
    assert used(tmp_path, "2026-02-27", share=half).slice_today == {ROUTE: DayUsage(6, 83)}
    another = used(tmp_path, "2026-02-27", share=half, mine=False)
    assert another.slice_today == {ROUTE: DayUsage(2, 23)}
    assert another.today == {ROUTE: DayUsage(7, 105)}


@pytest.mark.parametrize(("dated", "counted"), [("2026-02-28", 2), ("2026-03-01", 0)])
def test_what_is_dated_later_counts_today_unless_its_clock_was_more_than_a_day_ahead(
    tmp_path: Path, dated: str, counted: int
) -> None:
    ask(tmp_path, dated, "ahead", "ab")
    before = used(tmp_path, "2026-02-27", monthly=True)
    assert before.today.get(ROUTE, DayUsage()).requests == counted
    assert before.month.requests == counted
    assert before.latest == (at(dated) / 1000 if counted else 0)


def test_what_a_clock_that_was_behind_wrote_into_a_file_counts_on_its_day(tmp_path: Path) -> None:
    ask(tmp_path, "2026-02-27", "today", "ab")
    (segment,) = (tmp_path / "segments").glob("*.jsonl")
    os.utime(segment, (at("2026-02-26") / 1000, at("2026-02-26") / 1000))
    assert used(tmp_path, "2026-02-27").today == {ROUTE: DayUsage(2, 30)}


def test_a_request_in_flight_at_midnight_counts_on_the_day_it_was_answered(tmp_path: Path) -> None:
    before, after = at("2026-02-26", "23:59:59"), at("2026-02-27", "00:00:01")
    with Teacher(always(answer())) as teacher:
        clock = Clock(wall=lambda: (after if teacher.count else before) / 1000)
        route = make_route(teacher.endpoint, price=PRICE)
        run_engine(tmp_path, RouteWork(route, make_requests("a")), run_id="x", clock=clock)
    assert used(tmp_path, "2026-02-27").today == {ROUTE: DayUsage(1, 15)}


def test_the_last_minute_counts_this_slices_requests_and_those_of_other_runs(
    tmp_path: Path,
) -> None:
    ask(tmp_path, "2026-02-26", "yesterday", "a")
    ask(tmp_path, "2026-02-27", "other", "bc")
    ask(tmp_path, "2026-02-27", "now", "de")
    sent = used(tmp_path, "2026-02-27").minute[ROUTE]
    assert [each.tokens for each in sent] == [Tokens(10, 5)] * 4
    assert sorted(sent, key=lambda each: each.at) == sent
    assert len(used(tmp_path, "2026-02-27", mine=False).minute[ROUTE]) == 2
    assert used(tmp_path, "2026-02-27", elsewhere=True).minute == {}


def test_three_runs_of_one_month_keep_to_its_budget_together(tmp_path: Path) -> None:
    caps = Caps(usd_per_month=25.0)
    asked = 0
    for number in range(3):
        done = spend(tmp_path, f"run-{number}", caps, f"{number}-{{}}")
        asked += done.answered
        assert (done.answered + done.pending) == 5
    assert done.stopped == "budget"
    assert 2.0 * asked <= 25.0
    assert asked > 5


def spend(folder: Path, run_id: str, caps: Caps, prompt: str) -> RouteProgress:
    """Runs with what earlier runs left of the month's budget; each answer may cost 12 dollars."""
    now = int(datetime.now(UTC).timestamp() * 1000)
    with Teacher(always(answer())) as teacher:
        route = make_route(teacher.endpoint, price=PRICE, quota=Quota(concurrency=2))
        before = past_usage(
            Ledger(folder).reader(),
            {ROUTE: route},
            run_id=run_id,
            run_started=now,
            now=now,
            mine=lambda _: True,
            monthly=True,
        )
        requests = make_requests((prompt.format(n) for n in range(5)), max_tokens=1)
        budget = BudgetTracker(caps, month=before.month)
        return run_engine(
            folder, RouteWork(route, requests), run_id=run_id, budget=budget, clock=Clock()
        )[ROUTE]
