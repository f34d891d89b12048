"""The loop of a route that is asked in batches: submitting, polling, stopping."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from schemas.inputs.budget import Budget as Caps
from schemas.inputs.registry import Timeouts
from tests.batch_server import BatchServer
from tests.teacher import Teacher
from tests.transforms.asking.asking import (
    ROUTE,
    Naps,
    make_requests,
    make_route,
    run_engine,
    verdict,
)
from tests.transforms.asking.batch.batches import BOTH, answers, ask_in_batches, notes
from transforms.asking.batch.protocols import find_protocol
from transforms.limits.route_work import RouteWork


@BOTH
def test_a_second_run_sends_nothing(tmp_path: Path, api: str) -> None:
    with BatchServer() as server:
        ask_in_batches(server, api, tmp_path)
        calls = len(server.calls)
        again = ask_in_batches(server, api, tmp_path, run_id="run-2")
        assert len(server.calls) == calls
    assert (again.from_ledger, again.answered, again.asked) == (5, 0, 0)


@BOTH
def test_a_job_is_polled_with_growing_pauses(tmp_path: Path, api: str) -> None:
    naps = Naps()
    with BatchServer() as server:
        server.ends_after = 9
        assert ask_in_batches(server, api, tmp_path, clock=naps.clock()).answered == 5
    pauses = [nap for nap in naps.taken if nap != 0.1]
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]


@BOTH
def test_a_job_that_outlasts_our_patience_is_collected_by_the_next_run(
    tmp_path: Path, api: str
) -> None:
    with BatchServer() as server:
        server.ends_after = None
        done = ask_in_batches(server, api, tmp_path)
        assert (done.pending, done.stopped) == (5, "quota")
        assert "the next run collects them" in done.detail
        assert len(notes(tmp_path)) == 1
        server.ends_after = 1
        again = ask_in_batches(server, api, tmp_path, run_id="run-2")
        assert (again.answered, again.pending, again.asked) == (5, 0, 0)
        assert len(server.jobs) == 1
    assert {each.run_id for each in answers(tmp_path).values()} == {"run-2"}


@BOTH
def test_a_stop_leaves_the_job_running(tmp_path: Path, api: str) -> None:
    with BatchServer() as server:
        server.ends_after = None
        patient = {"timeouts": Timeouts()}
        done = ask_in_batches(server, api, tmp_path, route=patient, stop=lambda: bool(server.jobs))
        assert (done.pending, done.stopped) == (5, "interrupted")
        assert "the next run collects them" in done.detail
        server.ends_after = 1
        assert ask_in_batches(server, api, tmp_path, run_id="run-2").answered == 5
        assert len(server.jobs) == 1


@BOTH
def test_a_live_run_collects_ended_jobs_and_pays_for_nothing_twice(
    tmp_path: Path, api: str
) -> None:
    with BatchServer() as server:
        server.ends_after = None
        ask_in_batches(server, api, tmp_path)
        live = ask_in_batches(server, api, tmp_path, batch=False, run_id="run-2")
        assert (live.pending, live.stopped, live.asked) == (5, "quota", 0)
        server.ends_after = 1
        live = ask_in_batches(server, api, tmp_path, batch=False, run_id="run-3")
        assert (live.from_ledger, live.pending, live.stopped) == (5, 0, None)
        assert set(server.charged.values()) == {1}


@BOTH
def test_a_budget_cuts_a_batch_to_what_it_covers(tmp_path: Path, api: str) -> None:
    with BatchServer() as server:
        done = ask_in_batches(server, api, tmp_path, 10, caps=Caps(requests=7))
        assert (done.answered, done.pending, done.stopped) == (7, 3, "budget")
        assert server.charged.total() == 7


@BOTH
def test_an_open_job_counts_as_its_maximum_cost(tmp_path: Path, api: str) -> None:
    with BatchServer() as server:
        server.ends_after = None
        ask_in_batches(server, api, tmp_path, 5)
        more = ask_in_batches(server, api, tmp_path, 9, run_id="run-2", caps=Caps(requests=7))
        assert (more.pending, more.asked, more.stopped) == (9, 2, "budget")
        server.ends_after = 1
        last = ask_in_batches(server, api, tmp_path, 9, run_id="run-3")
        assert last.answered == 9
        assert set(server.charged.values()) == {1}


@BOTH
def test_expired_terms_stop_a_batch_before_it_is_sent(tmp_path: Path, api: str) -> None:
    with BatchServer() as server:
        done = ask_in_batches(server, api, tmp_path, permits=lambda _: verdict("deny"))
        assert (done.pending, done.stopped) == (5, "terms")
        assert server.calls == []
    assert notes(tmp_path) == []


@BOTH
def test_submitted_jobs_are_collected_even_if_the_rest_may_not_be_submitted(
    tmp_path: Path, api: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(find_protocol(api)), "most_requests", 2)
    with BatchServer() as server:
        permitted = iter([verdict()] * 4 + [verdict("deny")])
        done = ask_in_batches(server, api, tmp_path, permits=lambda _: next(permitted))
        assert (done.answered, done.pending, done.stopped) == (4, 1, "terms")
        server.on_call = lambda number, done: (
            server.fail("POST", "/batches", status=400) if len(server.jobs) == 3 else None
        )
        done = ask_in_batches(server, api, tmp_path, 9, run_id="run-2")
        assert (done.from_ledger, done.answered, done.pending) == (4, 2, 3)
        assert done.stopped == "failing"
        assert done.failures == 0


@BOTH
def test_a_live_route_that_spends_the_budget_does_not_stop_collecting(
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
def test_lost_access_stops_the_account(tmp_path: Path, api: str) -> None:
    with BatchServer() as server:
        server.fail("POST", "/files" if api == "openai-chat" else "/batches", status=401)
        done = ask_in_batches(server, api, tmp_path)
        assert (done.pending, done.stopped, len(server.calls)) == (5, "access", 1)
    assert notes(tmp_path) == []


@BOTH
def test_a_busy_provider_is_retried_and_then_left(tmp_path: Path, api: str) -> None:
    with BatchServer() as server:
        server.fail("POST", "/batches", status=429)
        server.fail("POST", "/batches", status=429)
        assert ask_in_batches(server, api, tmp_path).answered == 5
        for _ in range(6):
            server.fail("POST", "/batches", status=429)
        done = ask_in_batches(server, api, tmp_path, 9, run_id="run-2")
        assert (done.from_ledger, done.pending, done.stopped) == (5, 4, "quota")
    assert notes(tmp_path) == []


@BOTH
def test_a_redirect_does_not_get_the_key(tmp_path: Path, api: str) -> None:
    with BatchServer() as server, BatchServer() as other:
        to = {"Location": other.endpoint(api)}
        ending = "/content" if api == "openai-chat" else "/results"
        server.fail("GET", ending, status=307, headers=to)
        done = ask_in_batches(server, api, tmp_path)
        assert other.calls == []
        assert (done.pending, done.stopped) == (5, "failing")
        assert ask_in_batches(server, api, tmp_path, run_id="run-2").answered == 5


def test_jobs_are_split_at_the_providers_limits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    protocol = type(find_protocol("anthropic-messages"))
    monkeypatch.setattr(protocol, "most_requests", 4)
    with BatchServer() as server:
        assert ask_in_batches(server, "anthropic-messages", tmp_path, 10).answered == 10
        assert [len(job.requests) for job in server.jobs] == [4, 4, 2]
        monkeypatch.setattr(protocol, "most_bytes", 4096 + 700)
        done = ask_in_batches(server, "anthropic-messages", tmp_path / "bytes", 10)
        assert done.answered == 10
        assert len(server.jobs) > 6


@BOTH
def test_a_slice_submits_in_batches_too(tmp_path: Path, api: str) -> None:
    with BatchServer() as server:
        done = ask_in_batches(server, api, tmp_path, 9, share=Fraction(1, 3))
    assert done.answered == 9


@BOTH
def test_a_host_that_takes_no_batch_is_named(tmp_path: Path, api: str) -> None:
    gone = "http://127.0.0.1:9/v1"
    route = make_route(gone, api=api)
    done = run_engine(tmp_path, RouteWork(route, make_requests(3), batch=True))[ROUTE]
    assert (done.pending, done.stopped) == (3, "quota")
    assert f"{gone} accepted no batch: ClientConnectorError" in done.detail
