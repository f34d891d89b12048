"""The loop of a route: attempts, failures and the server's own limits, over real connections."""

from __future__ import annotations

import logging
import pickle
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from itertools import pairwise
from pathlib import Path

import pytest

from schemas.inputs.registry import Quota, Timeouts
from tests.teacher import (
    Call,
    Reply,
    Teacher,
    always,
    answer,
    by_prompt,
    close,
    failure,
    in_turn,
    raw,
    redirect,
)
from tests.transforms.asking.asking import (
    ROUTE,
    Naps,
    ask_teacher,
    make_requests,
    make_route,
    responses,
    run_engine,
    verdict,
    work,
)
from transforms.asking.route_loop import FAILURES_IN_A_ROW
from transforms.clock import Clock
from transforms.limits.route_work import RouteWork
from transforms.providers.key import Key
from transforms.providers.retry import MAX_ATTEMPTS

SECRET = "sk-very-secret"


def test_the_ledger_stores_the_response_with_all_its_facts(tmp_path: Path) -> None:
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
    done = ask_teacher(tmp_path, always(answer(usage=(30, 50))), 3)
    assert (done.prompt_tokens, done.completion_tokens) == (90, 150)
    assert done.usd == pytest.approx(3 * (30 * 1.0 + 50 * 2.0) / 1e6)
    assert done.usd_uncertain == 0


def test_a_transient_failure_is_retried(tmp_path: Path) -> None:
    done = ask_teacher(tmp_path, in_turn(failure(503), close(), failure(429), answer()), 3)
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
    done = ask_teacher(tmp_path, by_prompt({"Question 1": failure(500)}), 3)
    assert (done.answered, done.failed) == (2, {"http_500": 1})
    assert done.attempts == 2 + MAX_ATTEMPTS


@pytest.mark.parametrize("as_date", [False, True])
def test_retry_after_is_obeyed(tmp_path: Path, as_date: bool) -> None:
    naps = Naps()
    wait = formatdate(time.time() + 31, usegmt=True) if as_date else "31"
    done = ask_teacher(
        tmp_path, in_turn(failure(429, retry_after=wait), answer()), 1, clock=naps.clock()
    )
    assert done.answered == 1
    assert 29 <= sum(naps.taken) <= 33
    assert max(naps.taken) >= 29


def test_retry_after_pauses_the_whole_route(tmp_path: Path) -> None:
    def script(call: Call) -> Reply:
        return failure(429, retry_after="1") if call.number == 1 else answer().after(0.05)

    with Teacher(script) as teacher:
        done = run_engine(tmp_path, work(teacher, 20), clock=Clock())[ROUTE]
        waited = [call.at - teacher.calls[0].at for call in teacher.calls]
    assert done.answered == 20
    assert not [seconds for seconds in waited if 0.5 < seconds < 1]


def test_a_wait_beyond_our_patience_stops_the_route_alone(tmp_path: Path) -> None:
    with Teacher(always(failure(429, retry_after="3600"))) as teacher, Teacher() as other:
        done = run_engine(
            tmp_path,
            work(teacher, 20),
            RouteWork(make_route(other.endpoint, "other/one"), make_requests(20, "other/one")),
        )
        assert teacher.count <= 4
    assert (done[ROUTE].pending, done[ROUTE].stopped) == (20, "quota")
    assert (done["other/one"].answered, done["other/one"].stopped) == (20, None)


def test_a_redirect_fails_the_request_and_is_not_followed(tmp_path: Path) -> None:
    with Teacher() as elsewhere:
        done = ask_teacher(tmp_path, always(redirect(elsewhere.endpoint)), 2)
        assert elsewhere.count == 0
    assert (done.failed, done.attempts) == ({"redirect": 2}, 2)


def test_a_route_that_only_fails_is_stopped(tmp_path: Path) -> None:
    with Teacher(always(failure(404))) as teacher:
        done = run_engine(tmp_path, work(teacher, 100))[ROUTE]
        assert teacher.count <= FAILURES_IN_A_ROW + 4
    assert done.stopped == "failing"
    assert done.failures + done.pending == 100
    assert "http_404" in done.detail


def test_failures_among_answers_do_not_stop_a_route(tmp_path: Path) -> None:
    def script(call: Call) -> Reply:
        return answer() if call.number % 10 == 0 else failure(422)

    done = ask_teacher(tmp_path, script, 100)
    assert done.stopped is None
    assert (done.answered, done.failed) == (10, {"http_422": 90})


def test_a_route_without_an_endpoint_uses_the_given_one(tmp_path: Path) -> None:
    with Teacher() as teacher:
        route = make_route("", api="embedded")
        route_work = RouteWork(route, make_requests(2), endpoint=teacher.endpoint)
        assert run_engine(tmp_path, route_work)[ROUTE].answered == 2
    assert {each[0].host for each in responses(tmp_path).values()} == {"embedded"}


def test_the_key_is_in_no_ledger_log_or_result(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def script(call: Call) -> Reply:
        echoed = {"X-Echo": call.headers["authorization"]}
        return answer(headers=echoed) if call.number % 2 else failure(400)

    with caplog.at_level(logging.DEBUG), Teacher(script) as teacher:
        route_work = RouteWork(make_route(teacher.endpoint), make_requests(10), Key(SECRET))
        done = run_engine(tmp_path, route_work)
        assert {call.headers["authorization"] for call in teacher.calls} == {f"Bearer {SECRET}"}
        assert SECRET not in repr(route_work)
    assert SECRET not in caplog.text
    assert SECRET not in repr(done)
    assert SECRET.encode() not in pickle.dumps(done)
    for file in tmp_path.rglob("*"):
        assert file.is_dir() or SECRET.encode() not in file.read_bytes()


def test_a_page_instead_of_an_answer_is_stored_and_asked_for_again(tmp_path: Path) -> None:
    done = ask_teacher(tmp_path, always(raw(b"<html>")), 2)
    assert (done.failed, done.attempts) == ({"html": 2}, 2 * MAX_ATTEMPTS)
    attempts = [each for found in responses(tmp_path).values() for each in found]
    assert {each.body for each in attempts} == {b"<html>"}


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
def test_a_route_pauses_until_the_servers_limit_is_refilled(
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


def test_a_pause_for_the_servers_limit_is_bounded_by_our_patience(tmp_path: Path) -> None:
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


def test_an_overloaded_server_gets_fewer_requests_at_once(tmp_path: Path) -> None:
    with Teacher() as teacher:

        def script(_: Call) -> Reply:
            return failure(529) if teacher.in_flight > 4 else answer().after(0.02)

        teacher.script = script
        done = run_engine(tmp_path, work(teacher, 400, quota=Quota(concurrency=64)))[ROUTE]
    assert done.answered >= 380  # pauses take no time here, so some come back too soon too often
    assert done.attempts - 400 < 200  # 64 at the first round trip, then about one a round trip
