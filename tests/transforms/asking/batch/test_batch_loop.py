"""Asking in batches: each result reaches its request, at half the price, come what may."""

from __future__ import annotations

import asyncio
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from schemas.inputs.registry import Price, Timeouts
from schemas.inputs.run import Budget as Caps
from schemas.responses import Response
from tests.batch_server import USAGE, BatchServer
from tests.gcs_server import GcsServer
from tests.teacher import Teacher
from tests.transforms.asking.asking import (
    ALL_DIGITS,
    ROUTE,
    Naps,
    make_requests,
    make_route,
    responses,
    run_engine,
    verdict,
)
from transforms.asking import engine
from transforms.asking.batch.protocols import find_protocol
from transforms.asking.progress import RouteProgress
from transforms.ledger import Ledger, open_ledger
from transforms.limits.budget import BudgetTracker
from transforms.limits.route_work import RouteWork
from transforms.limits.totals import usage_totals
from transforms.providers.http_client import HttpClient
from transforms.providers.key import Key

APIS = ["openai-chat", "anthropic-messages"]
# Of virtual seconds, so that a job that never ends is not looked at a thousand times.
IMPATIENT = Timeouts(connect_seconds=2.0, response_seconds=5.0, batch_seconds=600.0)
BOTH = pytest.mark.parametrize("api", APIS)
HALF = (USAGE[0] * 0.5 + USAGE[1] * 1.0) / 1e6  # of Price(1.0, 2.0)


def ask(
    server: BatchServer,
    api: str,
    folder: Path,
    count: int = 5,
    *,
    batch: bool = True,
    route: dict[str, Any] | None = None,
    **settings: Any,
) -> RouteProgress:
    """Asks so many requests in batches."""
    settings_of_route: dict[str, Any] = {"api": api, "timeouts": IMPATIENT} | (route or {})
    asked = make_route(**{"endpoint": server.endpoint(api)} | settings_of_route)
    work = RouteWork(asked, make_requests(count), batch=batch)
    return run_engine(folder, work, **settings)[ROUTE]


def answers(folder: Path) -> dict[str, Response]:
    """Returns the answers in a ledger, by id; each was given once."""
    given = [each for attempts in responses(folder).values() for each in attempts if each.answered]
    found = {each.request_id: each for each in given}
    assert len(found) == len(given)
    return found


def notes(folder: Path) -> list[str]:
    """Returns the open intents in a ledger's folder."""
    return [path.name for path in (folder / "batches").glob("*.jsonl")]


@BOTH
def test_each_answer_is_kept_under_the_request_that_it_names(tmp_path: Path, api: str) -> None:
    with BatchServer() as server:
        server.lines = lambda lines: reversed(lines)
        done = ask(server, api, tmp_path)
    assert (done.answered, done.asked, done.pending, done.stopped) == (5, 5, 0, None)
    asked = {request.request_id: request.messages[0].content for request in make_requests(5)}
    for name, response in answers(tmp_path).items():
        assert f"You said: {asked.pop(name)}" in response.body.decode()
    assert not asked
    assert len(server.jobs) == 1
    assert notes(tmp_path) == []


@BOTH
def test_a_body_is_kept_byte_for_byte(tmp_path: Path, api: str) -> None:
    def spaced(lines: list[str]) -> list[str]:
        return [line.replace('"role": "assistant"', '"role" :  "assistant"') for line in lines]

    with BatchServer() as server:
        server.lines = spaced
        ask(server, api, tmp_path, 1)
    (response,) = answers(tmp_path).values()
    assert b'"role" :  "assistant"' in response.body
    assert json.loads(response.body)["model"] == "test-model"


@BOTH
def test_a_batch_costs_half(tmp_path: Path, api: str) -> None:
    with BatchServer() as server:
        done = ask(server, api, tmp_path, 4)
    (account,) = usage_totals(Ledger(tmp_path).reader()).values()
    assert account.spent.usd == pytest.approx(4 * HALF)
    assert done.usd == pytest.approx(4 * HALF)
    assert (account.uncertain, done.usd_uncertain) == (0, 0)


@BOTH
def test_a_route_may_have_another_price_in_batches(tmp_path: Path, api: str) -> None:
    with BatchServer() as server:
        done = ask(
            server,
            api,
            tmp_path,
            1,
            route={
                "price": Price(
                    input_usd_per_million=1.0, output_usd_per_million=2.0, batch_factor=0.25
                )
            },
        )
    assert done.usd == pytest.approx(HALF / 2)


@BOTH
def test_a_second_run_asks_nobody(tmp_path: Path, api: str) -> None:
    with BatchServer() as server:
        ask(server, api, tmp_path)
        calls = len(server.calls)
        again = ask(server, api, tmp_path, run_id="run-2")
        assert len(server.calls) == calls
    assert (again.from_ledger, again.answered, again.asked) == (5, 0, 0)


@BOTH
def test_the_answers_of_an_expired_job_are_kept(tmp_path: Path, api: str) -> None:
    with BatchServer() as server:
        server.undone = lambda place: place >= 3
        done = ask(server, api, tmp_path)
        assert (done.answered, done.pending, done.stopped) == (3, 2, "quota")
        assert "2 x batch_expired" in done.detail
        assert done.usd == pytest.approx(3 * HALF)
        server.undone = lambda _: False
        again = ask(server, api, tmp_path, run_id="run-2")
        assert (again.from_ledger, again.answered, again.pending) == (3, 2, 0)
        assert set(server.charged.values()) == {1}
        assert [len(job.requests) for job in server.jobs] == [5, 2]


@BOTH
def test_a_result_that_says_no_fails_its_request_alone(tmp_path: Path, api: str) -> None:
    with BatchServer() as server:
        server.broken = lambda place: place == 1
        done = ask(server, api, tmp_path)
    assert (done.answered, done.failed, done.pending) == (4, {"http_400": 1}, 0)
    assert done.usd_uncertain == 0


@BOTH
def test_unknown_repeated_and_spoiled_lines_do_no_harm(tmp_path: Path, api: str) -> None:
    def troubled(lines: list[str]) -> list[str]:
        stranger = json.loads(lines[0]) | {"custom_id": "f" * 64}
        nameless: dict[str, Any] = {"result": {}}
        return [json.dumps(stranger), "{half", json.dumps(nameless), "", *lines, lines[0]]

    with BatchServer() as server:
        server.lines = troubled
        done = ask(server, api, tmp_path)
    assert (done.answered, done.pending) == (5, 0)
    assert len(answers(tmp_path)) == 5


@BOTH
def test_a_result_that_is_left_out_may_have_cost_money(tmp_path: Path, api: str) -> None:
    with BatchServer() as server:
        server.lines = lambda lines: lines[1:]
        done = ask(server, api, tmp_path)
    missing = done.pending
    assert missing >= 1
    assert done.answered + missing == 5
    assert done.usd_uncertain > 0
    assert f"{missing} x batch_missing" in done.detail


def test_a_job_that_is_refused_whole_fails_its_requests_and_costs_nothing(tmp_path: Path) -> None:
    with BatchServer() as server:
        server.refuse_jobs = "invalid_json_line"
        done = ask(server, "openai-chat", tmp_path)
    assert (done.failed, done.usd_uncertain) == ({"batch_failed": 5}, 0)


def test_a_job_for_which_too_many_wait_is_left_to_a_later_run(tmp_path: Path) -> None:
    with BatchServer() as server:
        server.refuse_jobs = "token_limit_exceeded"
        done = ask(server, "openai-chat", tmp_path)
        assert (done.pending, done.stopped, done.usd_uncertain) == (5, "quota", 0)
        server.refuse_jobs = ""
        assert ask(server, "openai-chat", tmp_path, run_id="run-2").answered == 5


@BOTH
def test_a_job_is_followed_with_growing_pauses(tmp_path: Path, api: str) -> None:
    naps = Naps()
    with BatchServer() as server:
        server.ends_after = 9
        assert ask(server, api, tmp_path, clock=naps.clock()).answered == 5
    pauses = [nap for nap in naps.taken if nap != 0.1]
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]


@BOTH
def test_a_job_that_outlasts_our_patience_is_collected_by_the_next_run(
    tmp_path: Path, api: str
) -> None:
    with BatchServer() as server:
        server.ends_after = None
        done = ask(server, api, tmp_path)
        assert (done.pending, done.stopped) == (5, "quota")
        assert "the next run collects them" in done.detail
        assert len(notes(tmp_path)) == 1
        server.ends_after = 1
        again = ask(server, api, tmp_path, run_id="run-2")
        assert (again.answered, again.pending, again.asked) == (5, 0, 0)
        assert len(server.jobs) == 1
    assert {each.run_id for each in answers(tmp_path).values()} == {"run-2"}


@BOTH
@pytest.mark.parametrize("seen", [True, False])
def test_a_job_is_collected_however_much_later(tmp_path: Path, api: str, seen: bool) -> None:
    with BatchServer() as server:
        server.ends_after = None
        if not seen:
            server.fail("POST", "/batches", after=True)
        ask(server, api, tmp_path)
        server.ends_after = 1
        later = Naps([5 * 86_400.0]).clock()
        assert ask(server, api, tmp_path, run_id="run-2", clock=later).answered == 5
        assert len(server.jobs) == 1


@BOTH
def test_told_to_stop_it_leaves_the_job_running(tmp_path: Path, api: str) -> None:
    with BatchServer() as server:
        server.ends_after = None
        patient = {"timeouts": Timeouts()}
        done = ask(server, api, tmp_path, route=patient, stop=lambda: bool(server.jobs))
        assert (done.pending, done.stopped) == (5, "interrupted")
        assert "the next run collects them" in done.detail
        server.ends_after = 1
        assert ask(server, api, tmp_path, run_id="run-2").answered == 5
        assert len(server.jobs) == 1


@BOTH
def test_a_live_run_collects_what_has_ended_and_buys_nothing_twice(
    tmp_path: Path, api: str
) -> None:
    with BatchServer() as server:
        server.ends_after = None
        ask(server, api, tmp_path)
        live = ask(server, api, tmp_path, batch=False, run_id="run-2")
        assert (live.pending, live.stopped, live.asked) == (5, "quota", 0)
        server.ends_after = 1
        live = ask(server, api, tmp_path, batch=False, run_id="run-3")
        assert (live.from_ledger, live.pending, live.stopped) == (5, 0, None)
        assert set(server.charged.values()) == {1}


@BOTH
def test_other_slices_of_the_digits_collect_a_job_together(tmp_path: Path, api: str) -> None:
    with BatchServer() as server:
        server.ends_after = None
        ask(server, api, tmp_path, 40)
        server.ends_after = 1
        route = make_route(server.endpoint(api), api=api)
        answered = 0
        for digits in ("01234", "56789ab", "cdef"):
            requests = [each for each in make_requests(40) if each.request_id[0] in digits]
            work = RouteWork(route, requests, batch=True)
            done = run_engine(tmp_path, work, digits=digits, run_id=f"run-{digits}")[ROUTE]
            assert (done.answered, done.pending) == (len(requests), 0)
            answered += done.answered
            assert bool(notes(tmp_path)) == (answered < 40)
        assert len(server.jobs) == 1
    assert len(answers(tmp_path)) == 40


@BOTH
def test_a_budget_cuts_a_batch_to_what_it_covers(tmp_path: Path, api: str) -> None:
    with BatchServer() as server:
        done = ask(server, api, tmp_path, 10, caps=Caps(requests=7))
        assert (done.answered, done.pending, done.stopped) == (7, 3, "budget")
        assert server.charged.total() == 7


@BOTH
def test_what_an_open_job_may_cost_is_spent_until_it_is_known(tmp_path: Path, api: str) -> None:
    with BatchServer() as server:
        server.ends_after = None
        ask(server, api, tmp_path, 5)
        more = ask(server, api, tmp_path, 9, run_id="run-2", caps=Caps(requests=7))
        assert (more.pending, more.asked, more.stopped) == (9, 2, "budget")
        server.ends_after = 1
        last = ask(server, api, tmp_path, 9, run_id="run-3")
        assert last.answered == 9
        assert set(server.charged.values()) == {1}


@BOTH
def test_terms_that_no_longer_permit_stop_a_batch_before_it_leaves(
    tmp_path: Path, api: str
) -> None:
    with BatchServer() as server:
        done = ask(server, api, tmp_path, permits=lambda _: verdict("deny"))
        assert (done.pending, done.stopped) == (5, "terms")
        assert server.calls == []
    assert notes(tmp_path) == []


@BOTH
def test_what_keeps_the_rest_from_leaving_does_not_keep_jobs_from_being_collected(
    tmp_path: Path, api: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(find_protocol(api)), "most_requests", 2)
    with BatchServer() as server:
        permitted = iter([verdict()] * 4 + [verdict("deny")])
        done = ask(server, api, tmp_path, permits=lambda _: next(permitted))
        assert (done.answered, done.pending, done.stopped) == (4, 1, "terms")
        server.on_call = lambda number, done: (
            server.fail("POST", "/batches", status=400) if len(server.jobs) == 3 else None
        )
        done = ask(server, api, tmp_path, 9, run_id="run-2")
        assert (done.from_ledger, done.answered, done.pending) == (4, 2, 3)
        assert done.stopped == "failing"
        assert done.failures == 0


@BOTH
def test_a_live_route_that_spends_the_budget_leaves_jobs_to_be_collected(
    tmp_path: Path, api: str
) -> None:
    with BatchServer() as server, Teacher() as teacher:
        server.ends_after = 4
        batches = make_route(server.endpoint(api), api=api)
        live = make_route(teacher.endpoint, "test/live")
        done = run_engine(
            tmp_path,
            RouteWork(batches, make_requests(3), batch=True),
            RouteWork(live, make_requests(9, "test/live")),
            caps=Caps(requests=7),
        )
        assert (done[ROUTE].answered, done[ROUTE].pending) == (3, 0)
        assert (done["test/live"].answered, done["test/live"].pending) == (4, 5)
        assert done["test/live"].stopped == "budget"


@BOTH
def test_access_that_is_withdrawn_stops_the_account(tmp_path: Path, api: str) -> None:
    with BatchServer() as server:
        server.fail("POST", "/files" if api == "openai-chat" else "/batches", status=401)
        done = ask(server, api, tmp_path)
        assert (done.pending, done.stopped, len(server.calls)) == (5, "access", 1)
    assert notes(tmp_path) == []


@BOTH
def test_a_busy_provider_is_asked_again_and_then_left(tmp_path: Path, api: str) -> None:
    with BatchServer() as server:
        server.fail("POST", "/batches", status=429)
        server.fail("POST", "/batches", status=429)
        assert ask(server, api, tmp_path).answered == 5
        for _ in range(6):
            server.fail("POST", "/batches", status=429)
        done = ask(server, api, tmp_path, 9, run_id="run-2")
        assert (done.from_ledger, done.pending, done.stopped) == (5, 4, "quota")
    assert notes(tmp_path) == []


@BOTH
def test_a_submission_without_an_answer_is_looked_for_before_it_is_repeated(
    tmp_path: Path, api: str
) -> None:
    with BatchServer() as server:
        server.fail("POST", "/batches", after=True)
        assert ask(server, api, tmp_path).answered == 5
        assert len(server.jobs) == 1
        server.fail("POST", "/batches", status=503)
        assert ask(server, api, tmp_path, 9, run_id="run-2").answered == 4
        assert [len(job.requests) for job in server.jobs] == [5, 4]
        server.fail("POST", "/batches", status=503, after=True)
        assert ask(server, api, tmp_path, 12, run_id="run-3").answered == 3
        assert set(server.charged.values()) == {1}


def test_a_job_that_may_be_ours_is_waited_for(tmp_path: Path) -> None:
    with BatchServer() as server:
        server.ends_after = None
        server.fail("POST", "/batches", after=True)
        done = ask(server, "anthropic-messages", tmp_path)
        assert (done.pending, done.stopped) == (5, "quota")
        server.ends_after = 1
        again = ask(server, "anthropic-messages", tmp_path, run_id="run-2")
        assert (again.answered, len(server.jobs)) == (5, 1)


def test_another_teams_job_is_not_taken_for_ours(tmp_path: Path) -> None:
    with BatchServer() as server:
        other = make_route(server.endpoint("anthropic-messages"), api="anthropic-messages")
        theirs = make_requests(f"Theirs {n}" for n in range(5))
        run_engine(tmp_path / "theirs", RouteWork(other, theirs, batch=True))
        server.fail("POST", "/batches")  # ours is never made
        assert ask(server, "anthropic-messages", tmp_path / "ours").answered == 5
        assert [len(job.requests) for job in server.jobs] == [5, 5]
    assert len(answers(tmp_path / "ours")) == 5


@BOTH
def test_a_download_that_breaks_off_is_repeated(tmp_path: Path, api: str) -> None:
    with BatchServer() as server:
        ending = "/content" if api == "openai-chat" else "/results"
        server.fail("GET", ending, after=True)
        server.fail("GET", ending, status=500)
        done = ask(server, api, tmp_path)
    assert (done.answered, done.pending) == (5, 0)
    assert all(len(attempts) == 1 for attempts in responses(tmp_path).values())


@BOTH
def test_a_redirect_gets_no_key(tmp_path: Path, api: str) -> None:
    with BatchServer() as server, BatchServer() as other:
        to = {"Location": other.endpoint(api)}
        ending = "/content" if api == "openai-chat" else "/results"
        server.fail("GET", ending, status=307, headers=to)
        done = ask(server, api, tmp_path)
        assert other.calls == []
        assert (done.pending, done.stopped) == (5, "failing")
        assert ask(server, api, tmp_path, run_id="run-2").answered == 5


@BOTH
def test_a_job_that_the_account_does_not_know_is_not_bought_again(tmp_path: Path, api: str) -> None:
    with BatchServer() as server:
        server.ends_after = None
        ask(server, api, tmp_path)
        server.fail("GET", "/batch_0", status=404)
        done = ask(server, api, tmp_path, run_id="run-2")
        assert (done.pending, done.stopped, len(server.jobs)) == (5, "failing", 1)
        assert "another account" in done.detail


@BOTH
@pytest.mark.parametrize("batch", [True, False])
def test_a_job_at_another_host_is_not_bought_again(tmp_path: Path, api: str, batch: bool) -> None:
    with BatchServer() as server:
        server.ends_after = None
        ask(server, api, tmp_path)
        calls = len(server.calls)
        moved = {"endpoint": server.endpoint(api).replace("127.0.0.1", "localhost")}
        done = ask(server, api, tmp_path, run_id="run-2", route=moved, batch=batch)
        assert (done.pending, done.stopped, len(server.calls)) == (5, "failing", calls)
        assert "sent to 127.0.0.1, not localhost" in done.detail


@BOTH
def test_a_job_that_was_forgotten_counts_as_lost_after_a_month(tmp_path: Path, api: str) -> None:
    with BatchServer() as server:
        server.ends_after = None
        ask(server, api, tmp_path)
        server.fail("GET", "/batch_0", status=404)
        later = Naps([40 * 86_400.0])
        done = ask(server, api, tmp_path, run_id="run-2", clock=later.clock())
        assert (done.pending, done.stopped) == (5, "quota")
        assert done.usd_uncertain > 0
        server.ends_after = 1
        again = ask(server, api, tmp_path, run_id="run-3", clock=later.clock())
        assert again.answered == 5
    assert notes(tmp_path) == []


def test_jobs_are_cut_to_what_a_provider_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    protocol = type(find_protocol("anthropic-messages"))
    monkeypatch.setattr(protocol, "most_requests", 4)
    with BatchServer() as server:
        assert ask(server, "anthropic-messages", tmp_path, 10).answered == 10
        assert [len(job.requests) for job in server.jobs] == [4, 4, 2]
        monkeypatch.setattr(protocol, "most_bytes", 4096 + 700)
        done = ask(server, "anthropic-messages", tmp_path / "bytes", 10)
        assert done.answered == 10
        assert len(server.jobs) > 6


@BOTH
def test_a_batch_takes_nothing_of_a_quota_and_of_the_budgets_share(
    tmp_path: Path, api: str
) -> None:
    with BatchServer() as server:
        done = ask(server, api, tmp_path, 9, share=Fraction(1, 3))
    assert done.answered == 9


@BOTH
def test_keys_stay_out_of_what_is_kept(tmp_path: Path, api: str) -> None:
    key = "sk-very-secret-0123456789"
    with BatchServer() as server:
        server.ends_after = None
        route = make_route(server.endpoint(api), api=api, key="env:KEY", timeouts=IMPATIENT)
        work = RouteWork(route, make_requests(5), Key(key), batch=True)
        run_engine(tmp_path, work)
        assert all(key in str(headers) for headers in server.headers)
    kept = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert kept
    assert not any(key.encode() in each for each in kept)


@BOTH
def test_a_ledger_in_a_bucket_keeps_intents_too(api: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with BatchServer() as server, GcsServer() as bucket:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", bucket.endpoint)
        route = make_route(server.endpoint(api), api=api, timeouts=IMPATIENT)
        ledger = open_ledger("gs://bucket/ledger")

        async def run(run_id: str) -> RouteProgress:
            with ledger.writer(ALL_DIGITS, run_id) as writer:
                async with HttpClient() as client:
                    done = await engine.ask(
                        [RouteWork(route, make_requests(5), batch=True)],
                        client=client,
                        ledger=writer,
                        permits=lambda _: verdict(),
                        budget=BudgetTracker(Caps()),
                        run_id=run_id,
                        clock=Naps().clock(),
                    )
                    return done[ROUTE]

        server.ends_after = None
        server.fail("POST", "/batches", after=True)
        assert asyncio.run(run("run-1")).pending == 5
        server.ends_after = 1
        done = asyncio.run(run("run-2"))
        assert (done.answered, len(server.jobs)) == (5, 1)
        assert not [name for name in bucket.names() if name.endswith(".jsonl")]
    assert set(server.charged.values()) == {1}
