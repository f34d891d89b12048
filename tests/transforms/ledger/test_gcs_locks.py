"""The locks of a ledger in a bucket: leases that run out when their holder is killed."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from schemas.errors import LedgerBusy
from tests.gcs_server import GcsServer
from tests.transforms.ledger.samples import (
    ADDRESS,
    ALL,
    Clock,
    answer,
    append,
    name,
)
from transforms.ledger.gcs import GcsLedger
from transforms.storage.gcs import Store

pytestmark = pytest.mark.timeout(30)


@pytest.fixture
def ledger(bucket_ledger: GcsLedger) -> GcsLedger:
    return bucket_ledger


@pytest.mark.parametrize("digits", [ALL, "8"])
def test_two_runs_never_write_to_the_same_digits(ledger: GcsLedger, digits: str) -> None:
    with ledger.writer("89", "run-1"):
        with pytest.raises(LedgerBusy) as caught:
            ledger.writer(digits, "run-2").__enter__()
        with pytest.raises(LedgerBusy):
            ledger.preflight("run-2")
        with ledger.writer("ab", "run-2"):
            pass
    text = str(caught.value)
    assert f"the ledger {ADDRESS} is held by run run-1 (process " in text
    assert "since 2026-11-22T12:00:00+00:00" in text
    assert "free at 2026-11-22T12:01:00+00:00" in text
    assert "wait until it ends, then run again" in text


def test_locks_end_with_their_writer(ledger: GcsLedger, server: GcsServer) -> None:
    with ledger.writer(ALL, "run-1"):
        assert len(server.names(prefix="some/ledger/locks/")) == 16
    assert server.names(prefix="some/ledger/locks/") == []
    with pytest.raises(LedgerBusy), ledger.writer("f", "run-1"):
        ledger.writer(ALL, "run-2").__enter__()
    assert server.names(prefix="some/ledger/locks/") == []
    ledger.preflight("run-3")


def test_a_lock_is_taken_over_when_it_has_run_out_and_not_before(
    ledger: GcsLedger, server: GcsServer, clock: Clock
) -> None:
    _leave_locked(ledger, server, "killed")
    clock.advance(60)  # clocks need not agree to the second
    with pytest.raises(LedgerBusy, match="run killed"):
        ledger.preflight("run-2")
    clock.advance(15)
    with ledger.writer(ALL, "run-2") as writer:
        append(writer, [answer(name(1))])
    assert clock.waited == []


def test_a_lock_that_is_renewed_stays(ledger: GcsLedger, store: Store, clock: Clock) -> None:
    ledger.prepare()
    leases = ledger.leases(store, "run-1")
    with leases.locked("3"):
        clock.advance(50)
        leases.renew()
        clock.advance(50)
        leases.check()
        with pytest.raises(LedgerBusy, match=r"last seen 2026-11-22T12:00:50"):
            ledger.preflight("run-2")


def test_locks_are_renewed_in_the_background(server: GcsServer) -> None:
    ledger = GcsLedger(ADDRESS, lease_seconds=1.2, connections=4)
    renewed = "uploadType=multipart&ifGenerationMatch=17"
    with ledger.writer("3", "run-1"):
        deadline = datetime.now(UTC) + timedelta(seconds=10)
        while server.count("POST", renewed) < 3 and datetime.now(UTC) < deadline:
            asyncio.run(asyncio.sleep(0.02))
        with pytest.raises(LedgerBusy):
            ledger.preflight("run-2")
    assert server.count("POST", renewed) >= 3


def test_a_second_try_of_a_run_waits_until_the_first_ones_lock_has_run_out(
    ledger: GcsLedger, server: GcsServer, clock: Clock
) -> None:
    _leave_locked(ledger, server, "run-1")
    clock.advance(20)
    with ledger.writer("23", "run-1"):
        pass
    assert clock.waited == [55]


def test_a_second_try_of_a_run_gives_way_to_a_first_that_lives(
    ledger: GcsLedger, store: Store, clock: Clock
) -> None:
    ledger.prepare()
    leases = ledger.leases(store, "run-1")

    def live(seconds: float) -> None:
        clock.advance(30)
        leases.renew()
        clock.pause(seconds - 30)

    with leases.locked("3"), pytest.raises(LedgerBusy, match="run run-1"):
        replace(ledger, pause=live).writer("3", "run-1").__enter__()


def test_a_writer_that_lost_its_lock_keeps_the_answer_and_stops(
    ledger: GcsLedger, clock: Clock
) -> None:
    with ledger.writer("3", "run-1") as writer:
        clock.advance(80)
        with ledger.writer("3", "run-2"):
            pass
        with pytest.raises(LedgerBusy, match="not renewed in time"):
            append(writer, [answer("3" * 64)])
    assert ledger.reader().read("3" * 64) == answer("3" * 64)


def test_a_writer_releases_no_other_writers_lock(
    ledger: GcsLedger, server: GcsServer, clock: Clock
) -> None:
    first = ledger.writer("3", "run-1").__enter__()
    clock.advance(80)
    with ledger.writer("3", "run-2"):
        first.close()
        assert server.names(prefix="some/ledger/locks/") == ["some/ledger/locks/3.json"]
    assert server.names(prefix="some/ledger/locks/") == []


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_a_lock_whose_confirmation_was_lost_is_held_and_released(
    ledger: GcsLedger, server: GcsServer, method: str
) -> None:
    server.fail(method, "locks/3", after=True)
    with ledger.writer("3", "run-1") as writer:
        append(writer, [answer("3" * 64)])
    assert server.names(prefix="some/ledger/locks/") == []


def test_a_lock_that_cannot_be_read_is_not_taken(ledger: GcsLedger, server: GcsServer) -> None:
    ledger.prepare()
    server.put("some/ledger/locks/0.json", b"?")
    with pytest.raises(LedgerBusy, match=r"delete locks/0\.json"):
        ledger.preflight("run-1")


def _leave_locked(ledger: GcsLedger, server: GcsServer, run_id: str) -> None:
    """Leaves the lock of digit 3 as a run does that was killed."""
    lock = "some/ledger/locks/3.json"
    with ledger.writer("3", run_id):
        left = server.objects["bucket", lock].data
    server.put(lock, left)
