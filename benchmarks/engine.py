"""The engine as the benchmarks run it: made-up requests, one route, the real guard and ledger."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import uvloop

from benchmarks.common import peak_bytes, timed
from benchmarks.server import MODEL
from schemas.buckets import Slice
from schemas.inputs.budget import Budget as Caps
from schemas.inputs.registry import BindingTerms, Quota, Registry, Route
from schemas.prompts import Message, Prompt, prompt_id
from schemas.purpose import Purpose
from schemas.requests import Request, make_request
from schemas.terms import Verdict
from transforms.asking.engine import ask, never
from transforms.asking.progress import Progress
from transforms.guard.catalogue.load import load_catalogue
from transforms.guard.evaluate import Guard
from transforms.ledger import Ledger
from transforms.limits.budget import BudgetTracker
from transforms.limits.route_work import RouteWork
from transforms.providers.http_client import HttpClient

ROUTE = "bench/teacher"
_WHOLE = Slice(index=0, count=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one run did.

    Attributes:
        answered: Requests answered.
        seconds: Wall-clock time, with the set-up of client and ledger.
        cpu_seconds: Processor time, all threads.
        peak: Most memory held, bytes.
    """

    answered: int
    seconds: float
    cpu_seconds: float
    peak: int

    @property
    def per_second(self) -> float:
        """Requests answered a second."""
        return self.answered / self.seconds


def make_requests(count: int) -> Iterator[Request]:
    """Yields distinct requests."""
    for number in range(count):
        messages = (Message("user", f"Question {number}"),)
        prompt = Prompt(
            prompt_id=prompt_id(messages),
            messages=messages,
            source="bench",
            license="CC0-1.0",
            file="prompts.jsonl",
            line=number + 1,
            sha256="0" * 64,
        )
        yield make_request(
            prompt,
            teacher=ROUTE,
            model=MODEL,
            revision="",
            system="",
            parameters={"max_tokens": 50},
            sample_index=0,
        )


def run_slice(
    folder: Path,
    route: Route,
    requests: Iterable[Request],
    stop: Callable[[], bool] = never,
    part: Slice = _WHOLE,
) -> Result:
    """Asks a slice's requests with the engine, as the transform does; returns what it took.

    Args:
        folder: Folder of the ledger, which slices share.
        route: The route.
        requests: What to ask; requests of other slices are skipped.
        stop: Whether to stop asking.
        part: The slice.
    """
    mine = (request for request in requests if part.holds(request.request_id))
    work, permits = RouteWork(route, mine), _guard(route)
    progress, cost = timed(lambda: uvloop.run(_ask(folder, work, permits, stop, part)))
    return Result(
        answered=progress[ROUTE].answered,
        seconds=cost.seconds,
        cpu_seconds=cost.cpu_seconds,
        peak=peak_bytes(),
    )


async def _ask(
    folder: Path,
    work: RouteWork,
    permits: Callable[[Request], Verdict],
    stop: Callable[[], bool],
    part: Slice,
) -> Progress:
    with Ledger(folder / "ledger").writer(part.digits(), "bench") as ledger:
        async with HttpClient() as client:
            return await ask(
                [work],
                client=client,
                ledger=ledger,
                permits=permits,
                budget=BudgetTracker(Caps()),
                run_id="bench",
                share=Fraction(1, part.count),
                stop=stop,
            )


def make_route(endpoint: str, quota: Quota) -> Route:
    """Returns a route to a server."""
    terms = (BindingTerms(document="spdx/apache-2.0"),)
    return Route(
        id=ROUTE, api="openai-chat", model=MODEL, terms=terms, endpoint=endpoint, quota=quota
    )


def _guard(route: Route) -> Callable[[Request], Verdict]:
    """Returns the verdicts of the real guard, as the transform asks it."""
    guard = Guard(load_catalogue(), Registry(routes={route.id: route}))
    purpose = Purpose(use="train_generative")

    def permits(request: Request) -> Verdict:
        today = datetime.fromtimestamp(time.time(), UTC).date()
        return guard.decide(request.teacher, purpose, today, prompt_license=request.prompt.license)

    return permits


def after(seconds: float) -> Callable[[], bool]:
    """Returns a function that returns whether so much time has passed."""
    end = time.monotonic() + seconds
    return lambda: time.monotonic() > end
