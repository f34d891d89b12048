"""Finding jobs again: nothing that may have been paid for is submitted twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.batch_server import BatchServer
from tests.money import known
from tests.transforms.asking.asking import (
    Naps,
    make_requests,
    make_route,
    run_engine,
)
from tests.transforms.asking.batch.batches import BOTH, answers, ask_in_batches, notes
from transforms.limits.route_work import RouteWork


@BOTH
@pytest.mark.parametrize("seen", [True, False])
def test_a_job_is_collected_however_much_later(tmp_path: Path, api: str, seen: bool) -> None:
    with BatchServer() as server:
        server.ends_after = None
        if not seen:
            server.fail("POST", "/batches", after=True)
        ask_in_batches(server, api, tmp_path)
        server.ends_after = 1
        later = Naps([5 * 86_400.0]).clock()
        assert ask_in_batches(server, api, tmp_path, run_id="run-2", clock=later).answered == 5
        assert len(server.jobs) == 1


@BOTH
def test_the_job_of_an_unanswered_submission_is_searched_before_it_is_repeated(
    tmp_path: Path, api: str
) -> None:
    with BatchServer() as server:
        server.fail("POST", "/batches", after=True)
        assert ask_in_batches(server, api, tmp_path).answered == 5
        assert len(server.jobs) == 1
        server.fail("POST", "/batches", status=503)
        assert ask_in_batches(server, api, tmp_path, 9, run_id="run-2").answered == 4
        assert [len(job.requests) for job in server.jobs] == [5, 4]
        server.fail("POST", "/batches", status=503, after=True)
        assert ask_in_batches(server, api, tmp_path, 12, run_id="run-3").answered == 3
        assert set(server.charged.values()) == {1}


def test_a_job_that_may_be_ours_is_waited_for(tmp_path: Path) -> None:
    with BatchServer() as server:
        server.ends_after = None
        server.fail("POST", "/batches", after=True)
        done = ask_in_batches(server, "anthropic-messages", tmp_path)
        assert (done.pending, done.stopped) == (5, "quota")
        server.ends_after = 1
        again = ask_in_batches(server, "anthropic-messages", tmp_path, run_id="run-2")
        assert (again.answered, len(server.jobs)) == (5, 1)


def test_another_teams_job_is_not_taken_for_ours(tmp_path: Path) -> None:
    with BatchServer() as server:
        other = make_route(server.endpoint("anthropic-messages"), api="anthropic-messages")
        theirs = make_requests(f"Theirs {n}" for n in range(5))
        run_engine(tmp_path / "theirs", RouteWork(other, theirs, batch=True))
        server.fail("POST", "/batches")  # ours is never made
        assert ask_in_batches(server, "anthropic-messages", tmp_path / "ours").answered == 5
        assert [len(job.requests) for job in server.jobs] == [5, 5]
    assert len(answers(tmp_path / "ours")) == 5


@BOTH
def test_a_job_unknown_to_the_account_is_not_paid_for_again(tmp_path: Path, api: str) -> None:
    with BatchServer() as server:
        server.ends_after = None
        ask_in_batches(server, api, tmp_path)
        server.fail("GET", "/batch_0", status=404)
        done = ask_in_batches(server, api, tmp_path, run_id="run-2")
        assert (done.pending, done.stopped, len(server.jobs)) == (5, "failing", 1)
        assert "another account" in done.detail


@BOTH
@pytest.mark.parametrize("batch", [True, False])
def test_a_job_at_another_host_is_not_paid_for_again(tmp_path: Path, api: str, batch: bool) -> None:
    with BatchServer() as server:
        server.ends_after = None
        ask_in_batches(server, api, tmp_path)
        calls = len(server.calls)
        moved = {"endpoint": server.endpoint(api).replace("127.0.0.1", "localhost")}
        done = ask_in_batches(server, api, tmp_path, run_id="run-2", route=moved, batch=batch)
        assert (done.pending, done.stopped, len(server.calls)) == (5, "failing", calls)
        assert "sent to 127.0.0.1, not localhost" in done.detail


@BOTH
def test_a_job_that_the_provider_has_deleted_is_lost_after_a_month(
    tmp_path: Path, api: str
) -> None:
    with BatchServer() as server:
        server.ends_after = None
        ask_in_batches(server, api, tmp_path)
        server.fail("GET", "/batch_0", status=404)
        later = Naps([40 * 86_400.0])
        done = ask_in_batches(server, api, tmp_path, run_id="run-2", clock=later.clock())
        assert (done.pending, done.stopped) == (5, "quota")
        assert known(done.usd_uncertain) > 0
        server.ends_after = 1
        again = ask_in_batches(server, api, tmp_path, run_id="run-3", clock=later.clock())
        assert again.answered == 5
    assert notes(tmp_path) == []
