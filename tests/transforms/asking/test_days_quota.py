"""No more is sent on a day than its quota, whatever dies and whatever the clock does."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.codes import Outcome
from schemas.inputs.budget import Budget as Caps
from schemas.inputs.registry import Price, Quota, Route
from schemas.requests import Request
from schemas.responses import Response
from tests.money import known
from tests.teacher import Teacher, always, answer
from tests.transforms.asking.asking import (
    ALL_DIGITS,
    ROUTE,
    make_requests,
    make_route,
    run_engine,
)
from transforms.clock import DAY_SECONDS, Clock
from transforms.ledger import Ledger, LedgerWriter
from transforms.limits.budget import BudgetTracker
from transforms.limits.local_counter import LocalQuotaCounter
from transforms.limits.quota import DayUsage, Denied, Reservation
from transforms.limits.route_work import RouteWork
from transforms.limits.totals import usage_totals
from transforms.limits.usage import PastUsage, past_usage
from transforms.providers.tokens import Tokens

ROOT = Path(__file__).parents[3]
PROGRAM = """
import sys
from pathlib import Path
from tests.transforms.asking.test_days_quota import ask
ask(sys.argv[1], Path(sys.argv[2]), sys.argv[3], sys.argv[4])
"""
# An answer of 10 and 5 tokens costs 2 cents. It may cost more than 10: its limit is 50 tokens.
PRICE = Price(input_usd_per_million=1_000.0, output_usd_per_million=2_000.0)
USED = Tokens(10, 5)
LIMITS: dict[str, dict[str, Any]] = {
    "requests": {"quota": Quota(requests_per_day=20, concurrency=4)},
    "money": {"quota": Quota(concurrency=4), "price": PRICE},
}
CAPS = Caps(usd_per_month=3.0)
MOST = {"requests": 20, "money": 3.0}
LEAST = {"requests": 20, "money": 2.8}  # the rest does not cover another request
KILLS = 2
DAILY = 4


def used_before(writer: LedgerWriter, route: Route, run_id: str, now: int) -> PastUsage:
    """Returns what was used before, as a run of one slice reads it."""
    return past_usage(
        writer.snapshot,
        {ROUTE: route},
        run_id=run_id,
        run_started=now,
        now=now,
        mine=lambda _: True,
        monthly=True,
        lost=writer.lost,
    )


def ask(endpoint: str, folder: Path, run_id: str, limit: str) -> None:
    """Asks 100 requests as a run of one slice does."""
    route = make_route(endpoint, **LIMITS[limit])
    with Ledger(folder).writer(ALL_DIGITS, run_id) as writer:
        used = used_before(writer, route, run_id, Clock().now())
    today = used.slice_today.get(ROUTE, DayUsage())
    budget = BudgetTracker(CAPS if limit == "money" else Caps(), month=used.month)
    work = RouteWork(route, make_requests(100), slice_today=today)
    run_engine(folder, work, run_id=run_id, budget=budget, clock=Clock())


def kill_after(teacher: Teacher, more: int, folder: Path, run_id: str, limit: str) -> None:
    """Kills a run when the teacher has seen some more requests."""
    arguments = [teacher.endpoint, str(folder), run_id, limit]
    until = teacher.count + more
    with subprocess.Popen([sys.executable, "-c", PROGRAM, *arguments], cwd=ROOT) as process:
        while teacher.count < until:
            assert process.poll() is None
            time.sleep(0.001)
        os.kill(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("limit", LIMITS)
def test_a_limit_holds_whatever_is_killed_and_what_is_left_of_it_can_be_used(
    tmp_path: Path, limit: str
) -> None:
    with Teacher(always(answer().after(0.03))) as teacher:
        for number in range(KILLS):
            kill_after(teacher, 3, tmp_path, f"run-{number}", limit)
        ask(teacher.endpoint, tmp_path, "last", limit)
        ask(teacher.endpoint, tmp_path, "after", limit)
        seen = teacher.count
    reader = Ledger(tmp_path).reader()
    outcomes = Counter(each.outcome for each in reader.since(0))
    lost, answered = outcomes[Outcome.LOST], outcomes[Outcome.ANSWER]
    assert 3 <= lost <= KILLS * 4
    assert answered <= seen <= answered + lost
    counted = {
        "requests": lost + answered,
        "money": sum(known((each.spent + each.most).usd) for each in usage_totals(reader).values()),
    }[limit]
    assert LEAST[limit] <= counted <= MOST[limit]
    assert not list((tmp_path / "intents").iterdir())


def lost_response(request: Request, run_id: str, sent_at: int) -> Response:
    """Returns what is written down before a request is sent."""
    return Response(
        request_id=request.request_id,
        attempt=1,
        outcome=Outcome.LOST,
        final=False,
        status=None,
        headers={},
        body=b"",
        sent_at=sent_at,
        received_at=sent_at,
        run_id=run_id,
        route=ROUTE,
        host="t",
        decision_id="d" * 64,
        input_usd_per_million=1.0,
        output_usd_per_million=1.0,
    )


@dataclass
class World:
    """A ledger, what the server saw by UTC day, and a clock that is stepped.

    Attributes:
        folder: The ledger.
        now: The true time, seconds since 1970 UTC.
        wrong: Seconds by which the clock is ahead.
        seen: Requests by true day.
        in_flight: What was sent and has no response yet.
    """

    folder: Path
    now: float = 1_795_348_800.0  # 2026-11-22 12:00 UTC
    wrong: float = 0.0
    runs: int = 0
    seen: Counter[int] = field(default_factory=Counter)
    in_flight: list[tuple[Reservation, Response, Request]] = field(default_factory=list)

    def begin(self) -> None:
        """Starts the next run, of one process."""
        self.runs += 1
        clock = Clock(wall=lambda: self.now + self.wrong, monotonic=lambda: self.now)
        route = make_route("http://t/v1", quota=Quota(requests_per_day=DAILY))
        self.writer = Ledger(self.folder).writer(ALL_DIGITS, str(self.runs)).__enter__()
        used = used_before(self.writer, route, str(self.runs), clock.now())
        self.clock = clock.never_back(used.latest)
        today = used.slice_today.get(ROUTE, DayUsage())
        self.counter = LocalQuotaCounter(route, Fraction(1), today, self.clock)

    async def send(self) -> None:
        """Sends a request, if the quota grants it."""
        reserved = await self.counter.reserve(USED)
        if isinstance(reserved, Denied | float):
            return
        request = next(make_requests([f"{self.seen}"]))
        response = lost_response(request, str(self.runs), self.clock.now())
        await self.writer.intend(response, request)
        self.seen[int(self.now // DAY_SECONDS)] += 1
        self.in_flight.append((reserved, response, request))

    async def receive(self) -> None:
        """Receives the oldest response in flight."""
        if self.in_flight:
            reserved, lost, request = self.in_flight.pop(0)
            answered = replace(lost, outcome="answer", final=True, received_at=self.clock.now())
            await self.writer.append(answered, request)
            reserved.settle(USED)

    async def end(self, *, killed: bool) -> None:
        """Ends the process; the clock is right when the next one starts, unless it is behind."""
        while self.in_flight and not killed:
            await self.receive()
        self.in_flight.clear()
        self.writer.close()
        self.wrong = min(0.0, self.wrong)
        self.begin()
        await self.writer.record_lost()

    async def pass_time(self, hours: float) -> None:
        """Lets time pass. At midnight the clock is right, and a request is sent and answered."""
        before, self.now = self.now // DAY_SECONDS, self.now + hours * 3600
        if self.now // DAY_SECONDS != before:
            self.wrong = 0.0
            await self.end(killed=False)
            await self.send()
            await self.receive()


DO = st.one_of(
    st.tuples(st.just("send"), st.integers(1, 3)),
    st.tuples(st.just("receive"), st.integers(1, 3)),
    st.tuples(st.sampled_from(["kill", "end"]), st.just(1)),
    st.tuples(st.just("step"), st.sampled_from([0, -23, 23, -13, 13])),
    st.tuples(st.just("wait"), st.integers(1, 15)),
)


@settings(max_examples=30, deadline=None)
@given(st.lists(DO, max_size=15))
def test_a_day_sees_no_more_than_its_quota_whatever_dies_and_however_the_clock_is_stepped(
    steps: list[tuple[str, int]],
) -> None:
    """The clock is right when the first request of a day is sent; then it may be stepped."""

    async def run(world: World) -> None:
        world.begin()
        await world.send()
        for what, number in steps:
            if what == "step":
                world.wrong = number * 3600.0
            elif what == "wait":
                await world.pass_time(number)
            elif what in ("kill", "end"):
                await world.end(killed=what == "kill")
            else:
                for _ in range(number):
                    await (world.send() if what == "send" else world.receive())
        world.writer.close()

    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        asyncio.run(run(world))
    assert max(world.seen.values()) <= DAILY
