"""The engine, with real connections to a test's teacher and a real ledger."""

from __future__ import annotations

import asyncio
import logging
import os
import pickle
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from schemas.errors import InputError, StillroomError
from schemas.inputs.registry import Price, Quota, Timeouts
from schemas.inputs.run import Budget as Caps
from schemas.requests import Request
from tests.teacher import (
    Call,
    Reply,
    Script,
    Teacher,
    always,
    answer,
    by_prompt,
    close,
    failure,
    hang,
    in_turn,
    raw,
    redirect,
)
from tests.transforms.asking.asking import (
    ROUTE,
    Naps,
    make_requests,
    make_route,
    responses,
    run_engine,
    seeded,
    verdict,
)
from transforms.asking.progress import RouteProgress
from transforms.asking.route_loop import FAILURES_IN_A_ROW
from transforms.clock import Clock
from transforms.limits.budget import BudgetTracker, Spend
from transforms.limits.quota import DayUsage
from transforms.limits.route_work import RouteWork
from transforms.providers.key import Key
from transforms.providers.retry import MAX_ATTEMPTS

SECRET = "sk-very-secret"


def work(teacher: Teacher, requests: int | list[str] = 5, **route: Any) -> RouteWork:
    """Returns so many requests to a teacher, or those with the given prompts."""
    return RouteWork(make_route(teacher.endpoint, **route), make_requests(requests))


def ask(folder: Path, script: Script, requests: int | list[str] = 5, **more: Any) -> RouteProgress:
    """Asks one teacher that follows a script."""
    with Teacher(script) as teacher:
        return run_engine(folder, work(teacher, requests), **more)[ROUTE]


def test_every_request_is_asked_once_and_answered(tmp_path: Path) -> None:
    with Teacher() as teacher:
        done = run_engine(tmp_path, work(teacher, 50))[ROUTE]
        assert set(teacher.times_asked.values()) == {1}
        assert teacher.count == 50
    assert (done.answered, done.asked, done.attempts, done.pending) == (50, 50, 50, 0)
    assert done.stopped is None
    assert done.in_flight == 0


def test_a_response_in_the_ledger_says_what_was_asked_and_what_came(tmp_path: Path) -> None:
    before = int(time.time() * 1000)
    with Teacher() as teacher:
        run_engine(tmp_path, work(teacher, ["Why?"]), clock=Clock())
    [[response]] = responses(tmp_path).values()
    [request] = make_requests(["Why?"])
    assert response.request_id == request.request_id
    assert (response.outcome, response.final, response.status) == ("answer", True, 200)
    assert (response.attempt, response.run_id, response.route) == (1, "run-1", ROUTE)
    assert (response.host, response.decision_id) == ("127.0.0.1", verdict().decision_id)
    assert (response.input_usd_per_million, response.output_usd_per_million) == (1.0, 2.0)
    assert b"You said: Why?" in response.body
    assert before <= response.sent_at <= response.received_at <= int(time.time() * 1000)


def test_usage_is_counted_and_priced(tmp_path: Path) -> None:
    done = ask(tmp_path, always(answer(usage=(1000, 500))), 3)
    assert (done.prompt_tokens, done.completion_tokens) == (3000, 1500)
    assert done.usd == pytest.approx(3 * (1000 * 1.0 + 500 * 2.0) / 1e6)
    assert done.usd_uncertain == 0


def test_what_was_answered_is_never_asked_again(tmp_path: Path) -> None:
    with Teacher() as teacher:
        run_engine(tmp_path, work(teacher, 5), run_id="run-1")
        again = run_engine(tmp_path, work(teacher, 8), run_id="run-2")[ROUTE]
        assert set(teacher.times_asked.values()) == {1}
    assert (again.from_ledger, again.answered, again.asked) == (5, 3, 3)


def test_a_failure_is_asked_again_by_the_next_run_and_not_by_the_same(tmp_path: Path) -> None:
    with Teacher(by_prompt({"Question 1": failure(400)})) as teacher:
        first = run_engine(tmp_path, work(teacher, 3), run_id="run-1")[ROUTE]
        retried = run_engine(tmp_path, work(teacher, 3), run_id="run-1")[ROUTE]
        assert teacher.count == 3
        teacher.script = always(answer())
        later = run_engine(tmp_path, work(teacher, 3), run_id="run-2")[ROUTE]
        assert teacher.count == 4
    assert (first.answered, first.failed) == (2, {"http_400": 1})
    assert (retried.from_ledger, retried.failed, retried.asked) == (2, {"http_400": 1}, 0)
    assert (later.from_ledger, later.answered) == (2, 1)


def test_a_failure_that_may_pass_is_tried_again(tmp_path: Path) -> None:
    done = ask(tmp_path, in_turn(failure(503), close(), failure(429), answer()), 3)
    assert (done.answered, done.asked, done.attempts, done.uncertain) == (3, 3, 12, 3)
    for attempts in responses(tmp_path).values():
        assert [each.attempt for each in attempts] == [1, 2, 3, 4]
        assert [each.final for each in attempts] == [False, False, False, True]
        assert [each.outcome for each in attempts] == [
            "http_503",
            "connection_closed",
            "http_429",
            "answer",
        ]


def test_attempts_at_one_request_are_bounded(tmp_path: Path) -> None:
    done = ask(tmp_path, by_prompt({"Question 1": failure(500)}), 3)
    assert (done.answered, done.failed) == (2, {"http_500": 1})
    assert done.attempts == 2 + MAX_ATTEMPTS


@pytest.mark.parametrize("as_date", [False, True])
def test_the_time_a_server_names_is_kept(tmp_path: Path, as_date: bool) -> None:
    naps = Naps()
    wait = formatdate(time.time() + 31, usegmt=True) if as_date else "31"
    done = ask(tmp_path, in_turn(failure(429, retry_after=wait), answer()), 1, clock=naps.clock())
    assert done.answered == 1
    assert 29 <= sum(naps.taken) <= 33
    assert max(naps.taken) >= 29


def test_nothing_else_is_sent_while_a_server_asks_to_wait(tmp_path: Path) -> None:
    def script(call: Call) -> Reply:
        return failure(429, retry_after="1") if call.number == 1 else answer().after(0.05)

    with Teacher(script) as teacher:
        done = run_engine(tmp_path, work(teacher, 20), clock=Clock())[ROUTE]
        waited = [call.at - teacher.calls[0].at for call in teacher.calls]
    assert done.answered == 20
    assert not [seconds for seconds in waited if 0.5 < seconds < 1]


def test_a_time_beyond_our_patience_parks_the_route(tmp_path: Path) -> None:
    with Teacher(always(failure(429, retry_after="3600"))) as teacher, Teacher() as other:
        done = run_engine(
            tmp_path,
            work(teacher, 20),
            RouteWork(make_route(other.endpoint, "other/one"), make_requests(20, "other/one")),
        )
        assert teacher.count <= 4
    assert (done[ROUTE].pending, done[ROUTE].stopped) == (20, "quota")
    assert (done["other/one"].answered, done["other/one"].stopped) == (20, None)


@pytest.mark.parametrize("status", [401, 403])
def test_withdrawn_access_stops_every_route_of_the_account_and_no_other(
    tmp_path: Path, status: int
) -> None:
    def script(call: Call) -> Reply:
        return failure(status) if call.prompt.startswith("small") else answer().after(0.02)

    def lane(name: str, at: Teacher) -> RouteWork:
        prompts = [f"{name} {n}" for n in range(30)]
        return RouteWork(make_route(at.endpoint, name), make_requests(prompts, name), Key(SECRET))

    with Teacher(script) as teacher, Teacher() as other:
        done = run_engine(
            tmp_path, lane("small", teacher), lane("large", teacher), lane("elsewhere", other)
        )
        assert max(teacher.times_asked.values()) == 1
    assert done["small"].failed == {f"http_{status}": done["small"].attempts}
    assert done["small"].attempts <= 4  # what was in flight
    assert 0 < done["large"].answered <= 4
    for name in ("small", "large"):
        assert (done[name].stopped, done[name].ended) == ("access", 30)
    assert done["elsewhere"].answered == 30


def test_another_key_at_the_same_host_is_another_account(tmp_path: Path) -> None:
    def script(call: Call) -> Reply:
        return failure(401) if call.headers["authorization"].endswith("revoked") else answer()

    with Teacher(script) as teacher:
        done = run_engine(
            tmp_path,
            RouteWork(make_route(teacher.endpoint, "t/a"), make_requests(9, "t/a"), Key("revoked")),
            RouteWork(make_route(teacher.endpoint, "t/b"), make_requests(9, "t/b"), Key("valid")),
        )
    assert done["t/a"].stopped == "access"
    assert done["t/b"].answered == 9


def test_a_redirect_ends_the_request_and_leads_nowhere(tmp_path: Path) -> None:
    with Teacher() as elsewhere:
        done = ask(tmp_path, always(redirect(elsewhere.endpoint)), 2)
        assert elsewhere.count == 0
    assert (done.failed, done.attempts) == ({"redirect": 2}, 2)


def test_a_route_that_only_fails_is_left_alone(tmp_path: Path) -> None:
    with Teacher(always(failure(404))) as teacher:
        done = run_engine(tmp_path, work(teacher, 100))[ROUTE]
        assert teacher.count <= FAILURES_IN_A_ROW + 4
    assert done.stopped == "failing"
    assert done.failures + done.pending == 100
    assert "http_404" in done.detail


def test_failures_among_answers_do_not_stop_a_route(tmp_path: Path) -> None:
    def script(call: Call) -> Reply:
        return answer() if call.number % 10 == 0 else failure(422)

    done = ask(tmp_path, script, 100)
    assert done.stopped is None
    assert (done.answered, done.failed) == (10, {"http_422": 90})


PRICE = Price(input_usd_per_million=100.0, output_usd_per_million=400.0)


@pytest.mark.parametrize("seed", range(5))
def test_a_budget_is_never_overshot(tmp_path: Path, seed: int) -> None:
    random, spent = seeded(seed), []

    def script(_: Call) -> Reply:
        if random.random() < 0.1:
            return failure(503)
        used = (random.randint(1, 20), random.randint(0, 50))
        spent.append((used[0] * 100.0 + used[1] * 400.0) / 1e6)
        return answer(usage=used).after(random.uniform(0, 0.05))

    done = ask_with_budget(tmp_path, script, Caps(usd=1.0), 600)
    assert 0.9 < sum(spent) <= 1.0
    assert done.usd == pytest.approx(sum(spent))
    assert (done.stopped, done.ended) == ("budget", 600)


def ask_with_budget(folder: Path, script: Script, caps: Caps, requests: int) -> RouteProgress:
    with Teacher(script) as teacher:
        lane = work(teacher, requests, price=PRICE, quota=Quota(concurrency=200))
        return run_engine(folder, lane, caps=caps)[ROUTE]


def test_a_budget_of_requests_counts_every_attempt(tmp_path: Path) -> None:
    done = ask(tmp_path, in_turn(failure(500), answer()), 30, caps=Caps(requests=21))
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
    done = ask(tmp_path, script, prompts, caps=Caps(tokens=5000))
    assert done.stopped == "budget"
    assert 4000 < sum(used) <= 5000


def test_an_answer_that_does_not_say_what_it_cost_counts_in_full(tmp_path: Path) -> None:
    done = ask(tmp_path, always(answer(usage=None)), 30, caps=Caps(tokens=1000))
    assert done.stopped == "budget"
    assert 0 < done.answered <= 1000 // 50
    assert done.usd == 0 < done.usd_uncertain


def test_a_denial_by_the_quota_gives_the_budget_back(tmp_path: Path) -> None:
    budget = BudgetTracker(Caps(requests=4))
    with Teacher() as teacher:
        spent = replace(
            work(teacher, 9, quota=Quota(requests_per_day=5, concurrency=4)),
            today=DayUsage(requests=5),
        )
        done = run_engine(tmp_path, spent, budget=budget)[ROUTE]
        assert teacher.count == 0
    assert (done.pending, done.stopped) == (9, "quota")
    assert budget.take(Spend(requests=4))


def test_no_request_leaves_that_the_guard_does_not_permit(tmp_path: Path) -> None:
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


def test_terms_that_end_while_a_run_goes_on_stop_the_route(tmp_path: Path) -> None:
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


def test_a_retry_is_put_to_the_guard_too(tmp_path: Path) -> None:
    with Teacher(always(failure(503))) as teacher:
        done = run_engine(
            tmp_path, work(teacher, 1), permits=lambda _: None if teacher.count else verdict()
        )[ROUTE]
        assert teacher.count == 1
    assert (done.pending, done.stopped) == (1, "terms")


def test_told_to_stop_it_finishes_what_is_in_flight_and_sends_nothing_more(tmp_path: Path) -> None:
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
def test_told_to_stop_it_does_not_sit_out_a_pause(tmp_path: Path, script: Script) -> None:
    with Teacher(script) as teacher:
        done = run_engine(
            tmp_path, work(teacher, 9), stop=lambda: teacher.count > 0, clock=Clock()
        )[ROUTE]
    assert (done.pending, done.stopped) == (9, "interrupted")
    assert not any(each[-1].final for each in responses(tmp_path).values())


def test_told_to_stop_it_does_not_wait_for_a_quota(tmp_path: Path) -> None:
    with Teacher() as teacher:
        done = run_engine(
            tmp_path,
            work(teacher, 9, quota=Quota(requests_per_minute=1, concurrency=4)),
            stop=lambda: teacher.count > 0,
            clock=Clock(),
        )[ROUTE]
    assert (done.answered, done.pending, done.stopped) == (1, 8, "interrupted")


def test_a_stop_that_finds_nothing_left_to_ask_stopped_nothing(tmp_path: Path) -> None:
    with Teacher(always(answer().after(0.3))) as teacher:
        done = run_engine(tmp_path, work(teacher, 4), stop=lambda: teacher.count == 4)[ROUTE]
    assert (done.answered, done.pending, done.stopped) == (4, 0, None)


def test_a_days_quota_parks_the_route(tmp_path: Path) -> None:
    with Teacher() as teacher:
        lane = RouteWork(
            make_route(teacher.endpoint, quota=Quota(requests_per_day=10, concurrency=4)),
            make_requests(20),
            today=DayUsage(requests=4),
        )
        done = run_engine(tmp_path, lane, clock=Clock())[ROUTE]
        assert teacher.count == 6
    assert (done.answered, done.pending, done.stopped) == (6, 14, "quota")


def test_a_request_too_large_for_the_quota_keeps_no_other_from_being_asked(tmp_path: Path) -> None:
    quota = Quota(tokens_per_minute=500, concurrency=4)
    prompts = ["short", "long " * 1000, "shorter"]
    done = ask_with_quota(tmp_path, prompts, quota)
    assert (done.answered, done.pending, done.stopped) == (2, 1, "quota")


def ask_with_quota(folder: Path, prompts: list[str], quota: Quota) -> RouteProgress:
    with Teacher() as teacher:
        return run_engine(folder, work(teacher, prompts, quota=quota))[ROUTE]


def test_a_quota_holds_over_the_wire(tmp_path: Path) -> None:
    with Teacher() as teacher:
        lane = work(teacher, 90, quota=Quota(requests_per_minute=3000, concurrency=16))
        done = run_engine(tmp_path, lane, clock=Clock())[ROUTE]
        arrivals = [call.at for call in teacher.calls]
    assert done.answered == 90
    assert done.throttled_seconds > 1
    assert 90 / 3000 * 60 * 0.97 <= arrivals[-1] - arrivals[0] <= 90 / 3000 * 60 * 1.5


def test_a_slow_route_holds_no_other_up(tmp_path: Path) -> None:
    with Teacher(always(answer().after(1.0))) as slow, Teacher() as fast:
        run_engine(
            tmp_path,
            RouteWork(make_route(slow.endpoint, "t/slow"), make_requests(4, "t/slow")),
            RouteWork(make_route(fast.endpoint, "t/fast"), make_requests(100, "t/fast")),
        )
        assert fast.calls[-1].at - slow.calls[0].at < 1.0


def test_requests_are_drawn_as_there_is_room_to_ask_them(tmp_path: Path) -> None:
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


def test_an_api_that_is_not_spoken_is_told_before_anything_is_asked(tmp_path: Path) -> None:
    with Teacher() as teacher:
        with pytest.raises(InputError, match="does not speak the API"):
            run_engine(
                tmp_path,
                work(teacher),
                RouteWork(make_route(teacher.endpoint, "t/other", api="smoke-signals"), []),
            )
        assert teacher.count == 0


def test_a_route_has_one_quota_however_often_it_is_named(tmp_path: Path) -> None:
    with Teacher() as teacher, pytest.raises(ValueError, match="given twice"):
        run_engine(tmp_path, work(teacher), work(teacher))


def test_as_many_are_in_flight_as_may_be(tmp_path: Path) -> None:
    with Teacher(always(answer().after(0.05))) as teacher:
        run_engine(tmp_path, work(teacher, 40, quota=Quota(concurrency=8)))
        assert teacher.most_in_flight == 8


def test_slices_split_what_may_be_in_flight(tmp_path: Path) -> None:
    with Teacher(always(answer().after(0.01))) as teacher:
        lane = work(teacher, 40, quota=Quota(concurrency=8))
        run_engine(tmp_path, lane, share=Fraction(1, 3))
        assert teacher.most_in_flight == 2


def test_a_route_without_an_endpoint_is_asked_where_it_is_served(tmp_path: Path) -> None:
    with Teacher() as teacher:
        route = make_route("", api="embedded")
        lane = RouteWork(route, make_requests(2), endpoint=teacher.endpoint)
        assert run_engine(tmp_path, lane)[ROUTE].answered == 2
    assert {each[0].host for each in responses(tmp_path).values()} == {"embedded"}


def test_the_key_is_in_no_ledger_log_or_result(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def script(call: Call) -> Reply:
        echoed = {"X-Echo": call.headers["authorization"]}
        return answer(headers=echoed) if call.number % 2 else failure(400)

    with caplog.at_level(logging.DEBUG), Teacher(script) as teacher:
        lane = RouteWork(make_route(teacher.endpoint), make_requests(10), Key(SECRET))
        done = run_engine(tmp_path, lane)
        assert {call.headers["authorization"] for call in teacher.calls} == {f"Bearer {SECRET}"}
        assert SECRET not in repr(lane)
    assert SECRET not in caplog.text
    assert SECRET not in repr(done)
    assert SECRET.encode() not in pickle.dumps(done)
    for file in tmp_path.rglob("*"):
        assert file.is_dir() or SECRET.encode() not in file.read_bytes()


def test_a_bad_host_costs_a_healthy_route_nothing(tmp_path: Path) -> None:
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
    assert done["t/dead"].failed == {"connection_failed": 3}
    assert (done["t/dead"].usd_uncertain, done["t/dead"].uncertain) == (0, 0)
    assert done[ROUTE].answered == 30


def test_a_body_without_sense_is_an_answer_and_is_kept(tmp_path: Path) -> None:
    done = ask(tmp_path, always(raw(b"<html>")), 2)
    assert (done.answered, done.attempts) == (2, 2)
    assert {each[0].body for each in responses(tmp_path).values()} == {b"<html>"}


def test_asking_nothing_is_done_at_once(tmp_path: Path) -> None:
    with Teacher() as teacher:
        assert run_engine(tmp_path, work(teacher, 0))[ROUTE] == RouteProgress()


def test_asyncio_is_left_with_nothing_running(tmp_path: Path) -> None:
    left: list[set[asyncio.Task[Any]]] = []

    def permits(_: Request) -> Any:
        left.append(asyncio.all_tasks())
        return verdict()

    ask(tmp_path, in_turn(failure(503), answer()), 3, permits=permits)
    assert all(task.done() for tasks in left for task in tasks)


@pytest.mark.parametrize(
    ("remaining", "reset", "value"),
    [
        ("x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens", lambda: "1s"),
        (
            "anthropic-ratelimit-requests-remaining",
            "anthropic-ratelimit-requests-reset",
            lambda: (datetime.now(UTC) + timedelta(seconds=1)).isoformat(),
        ),
    ],
)
def test_a_server_that_says_nothing_is_left_is_not_asked_until_there_is(
    tmp_path: Path, remaining: str, reset: str, value: Callable[[], str]
) -> None:
    def script(call: Call) -> Reply:
        return answer(headers={remaining: "0" if call.number == 4 else "9", reset: value()})

    with Teacher(script) as teacher:
        done = run_engine(tmp_path, work(teacher, 20), clock=Clock())[ROUTE]
        at = [call.at for call in teacher.calls]
    waits = [after - before for before, after in pairwise(at)]
    assert (done.answered, done.attempts) == (20, 20)
    assert 0.7 < max(waits) < 1.5
    assert waits.index(max(waits)) <= 3 + 4  # those that were on their way already
    assert done.throttled_seconds > 0.7


def test_a_wait_that_a_server_names_is_bounded_by_our_patience(tmp_path: Path) -> None:
    naps = Naps()
    headers = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "24h0m0s"}
    impatient = Timeouts(connect_seconds=2.0, response_seconds=5.0, patience_seconds=30.0)
    with Teacher(always(answer(headers=headers))) as teacher:
        done = run_engine(
            tmp_path,
            work(teacher, 3, quota=Quota(concurrency=1), timeouts=impatient),
            clock=naps.clock(),
        )[ROUTE]
    assert done.answered == 3
    assert max(naps.taken) == pytest.approx(30.0, abs=1.0)


def test_a_server_that_bears_little_is_asked_less_at_once(tmp_path: Path) -> None:
    with Teacher() as teacher:

        def script(_: Call) -> Reply:
            return failure(529) if teacher.in_flight > 4 else answer().after(0.02)

        teacher.script = script
        done = run_engine(tmp_path, work(teacher, 400, quota=Quota(concurrency=64)))[ROUTE]
    assert done.answered >= 380  # pauses take no time here, so some come back too soon too often
    assert done.attempts - 400 < 200  # 64 at the first round trip, then about one a round trip
