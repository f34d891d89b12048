"""What the tests of batches share: a route to a batch server, and what is in the ledger."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from schemas.inputs.registry import Timeouts
from schemas.responses import Response
from tests.batch_server import BatchServer
from tests.transforms.asking.asking import (
    ROUTE,
    make_requests,
    make_route,
    responses,
    run_engine,
)
from transforms.asking.progress import RouteProgress
from transforms.limits.route_work import RouteWork
from transforms.providers.key import Key

APIS = ["openai-chat", "anthropic-messages"]
# Virtual seconds; few, so that a job that never ends is not polled a thousand times.
IMPATIENT = Timeouts(connect_seconds=2.0, response_seconds=5.0, batch_seconds=600.0)
BOTH = pytest.mark.parametrize("api", APIS)


def ask_in_batches(
    server: BatchServer,
    api: str,
    folder: Path,
    count: int = 5,
    *,
    batch: bool = True,
    route: dict[str, Any] | None = None,
    key: Key | None = None,
    **settings: Any,
) -> RouteProgress:
    """Asks a number of requests in batches; returns the counts of the route."""
    settings_of_route: dict[str, Any] = {"api": api, "timeouts": IMPATIENT} | (route or {})
    asked = make_route(**{"endpoint": server.endpoint(api)} | settings_of_route)
    work = RouteWork(asked, make_requests(count), key, batch=batch)
    return run_engine(folder, work, **settings)[ROUTE]


def answers(folder: Path) -> dict[str, Response]:
    """Returns the answers in a ledger, by id; each request was answered once."""
    given = [each for attempts in responses(folder).values() for each in attempts if each.answered]
    found = {each.request_id: each for each in given}
    assert len(found) == len(given)
    return found


def notes(folder: Path) -> list[str]:
    """Returns the open intents in a ledger's folder."""
    return [path.name for path in (folder / "batches").glob("*.jsonl")]
