"""Intents in a ledger: shared by slices, in a folder and in a bucket, without keys."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from schemas.inputs.budget import Budget as Caps
from tests.batch_server import BatchServer
from tests.gcs_server import GcsServer
from tests.transforms.asking.asking import (
    ALL_DIGITS,
    ROUTE,
    Naps,
    make_requests,
    make_route,
    run_engine,
    verdict,
)
from tests.transforms.asking.batch.batches import BOTH, IMPATIENT, answers, ask_in_batches, notes
from transforms.asking import engine
from transforms.asking.progress import RouteProgress
from transforms.ledger import open_ledger
from transforms.limits.budget import BudgetTracker
from transforms.limits.route_work import RouteWork
from transforms.providers.http_client import HttpClient
from transforms.providers.key import Key


@BOTH
def test_slices_with_other_digits_collect_a_job_together(tmp_path: Path, api: str) -> None:
    with BatchServer() as server:
        server.ends_after = None
        ask_in_batches(server, api, tmp_path, 40)
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
def test_no_file_holds_a_key(tmp_path: Path, api: str) -> None:
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
def test_a_ledger_in_a_bucket_stores_intents_too(api: str, monkeypatch: pytest.MonkeyPatch) -> None:
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
