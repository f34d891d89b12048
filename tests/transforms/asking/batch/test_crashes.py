"""After a kill at any moment a batch is found again: nothing is lost or charged twice."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.batch_server import BatchServer
from tests.transforms.asking.asking import ROUTE, make_requests, make_route, run_engine
from tests.transforms.asking.batch.batches import APIS, BOTH, answers, notes
from transforms.asking.progress import RouteProgress
from transforms.limits.route_work import RouteWork

REQUESTS = 6
_CHANGES = ("open", "os.rename", "os.remove", "os.mkdir")  # what a process does to files
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload([__name__])


class _NeverArrives(Exception):
    """A call whose caller was killed before it was sent."""


def ask(endpoint: str, api: str, folder: Path, run_id: str, dies_at: int = 0) -> RouteProgress:
    """Asks all requests in batches.

    Args:
        endpoint: The provider's.
        api: Its API.
        folder: Folder of the ledger.
        run_id: The run.
        dies_at: The process dies before it changes a file of the ledger for so many times.
    """
    if dies_at:
        _die_at(dies_at, folder)
    route = make_route(endpoint, api=api)
    return run_engine(folder, RouteWork(route, make_requests(REQUESTS), batch=True), run_id=run_id)[
        ROUTE
    ]


def _die_at(change: int, folder: Path) -> None:
    seen = 0

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal seen
        if event in _CHANGES and str(arguments[0]).startswith(str(folder)):
            seen += 1
            if seen == change:
                os._exit(9)

    sys.addaudithook(watch)


def killed(
    server: BatchServer, api: str, folder: Path, run_id: str, call: int | None, **death: Any
) -> bool:
    """Asks in a process that is killed at a call or dies by itself; returns whether it died.

    Args:
        server: The provider.
        api: Its API.
        folder: Folder of the ledger.
        run_id: The run.
        call: Number of the call, from 0; None for no call.
        death: `arrives`: whether the call still has its effect; `dies_at`: see `ask`.
    """
    started, before, arrives = Event(), len(server.calls), death.pop("arrives", True)
    process = _PROCESSES.Process(target=ask, args=(server.endpoint(api), api, folder, run_id),
                                 kwargs=death)  # fmt: skip

    def on_call(number: int, done: bool) -> None:
        if call is not None and number - before == call and done == arrives:
            started.wait()
            os.kill(process.pid or 0, signal.SIGKILL)
            if not arrives:
                raise _NeverArrives

    server.on_call = on_call
    process.start()
    started.set()
    process.join(30)
    server.on_call = lambda number, done: None
    assert process.exitcode is not None
    return process.exitcode != 0


@contextmanager
def made(api: str, ends_after: int = 1) -> Iterator[BatchServer]:
    """Yields a provider that ignores callers that break off."""
    with BatchServer() as server:
        server.ends_after = ends_after
        yield server


def finish(server: BatchServer, api: str, folder: Path) -> None:
    """Runs once more to the end and checks that nothing was lost or paid for twice."""
    done = ask(server.endpoint(api), api, folder, "last")
    assert (done.answered + done.from_ledger, done.pending) == (REQUESTS, 0)
    asked = {request.request_id for request in make_requests(REQUESTS)}
    assert server.charged == dict.fromkeys(asked, 1)
    assert answers(folder).keys() == asked
    assert notes(folder) == []


@BOTH
@pytest.mark.parametrize("arrives", [True, False])
def test_after_a_kill_at_any_call_nothing_is_paid_for_twice(
    tmp_path: Path, api: str, arrives: bool
) -> None:
    call, was_killed = 0, True
    while was_killed:
        folder = tmp_path / str(call)
        with made(api) as server:
            was_killed = killed(server, api, folder, "first", call, arrives=arrives)
            finish(server, api, folder)
        call += 1
    assert call > 3


@settings(max_examples=12)
@given(
    api=st.sampled_from(APIS),
    ends_after=st.integers(1, 4),
    deaths=st.lists(
        st.one_of(
            st.fixed_dictionaries({"call": st.integers(0, 6), "arrives": st.booleans()}),
            st.fixed_dictionaries({"call": st.none(), "dies_at": st.integers(1, 60)}),
        ),
        min_size=1,
        max_size=3,
    ),
)
def test_after_many_kills_nothing_is_lost_or_paid_for_twice(
    api: str, ends_after: int, deaths: list[dict[str, Any]]
) -> None:
    with tempfile.TemporaryDirectory() as folder, made(api, ends_after) as server:
        for number, death in enumerate(deaths):
            killed(server, api, Path(folder), f"run-{number}", **death)
        finish(server, api, Path(folder))
