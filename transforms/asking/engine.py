"""Asks every teacher at once, each at its own pace, until all is asked or something stops it.

One event loop runs a lane a route. A lane that is slow, throttled or failing holds nobody else up;
what they share is the client, the ledger and the budget. An error in one of those ends them all,
since without a ledger nothing may be asked.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import Callable, Coroutine, Iterable, Iterator
from dataclasses import replace
from fractions import Fraction
from random import Random
from typing import Any

from schemas.requests import Request
from schemas.terms import Verdict
from transforms.asking.batch.batch_loop import BatchLoop
from transforms.asking.batch.protocols import find_protocol
from transforms.asking.context import AskingContext
from transforms.asking.progress import Progress, RouteProgress
from transforms.asking.route_loop import RouteLoop
from transforms.clock import Clock
from transforms.ledger import WriterLike
from transforms.limits.budget import BudgetTracker
from transforms.limits.local_counter import local_limiter
from transforms.limits.route_work import MakeLimiter, RouteWork
from transforms.providers.http_client import HttpClient

_Run = Callable[[], Coroutine[Any, Any, None]]

_STOP_POLL_SECONDS = 0.1
_YOUNG_OBJECTS = 50_000  # the objects of a thousand requests in flight


def never() -> bool:
    """Never stops."""
    return False


async def ask(
    work: Iterable[RouteWork],
    *,
    client: HttpClient,
    ledger: WriterLike,
    permits: Callable[[Request], Verdict | None],
    budget: BudgetTracker,
    run_id: str,
    progress: Progress | None = None,
    share: Fraction = Fraction(1),
    limiter: MakeLimiter | None = None,
    stop: Callable[[], bool] = never,
    clock: Clock | None = None,
    random: Random | None = None,
) -> Progress:
    """Asks the requests of all routes.

    Memory does not grow with the number of requests: they are drawn as there is room to ask them.

    Args:
        work: What to ask, one entry a route.
        client: Sends; entered.
        ledger: Keeps every response before anything looks at it; entered.
        permits: The guard's verdict on sending one request now. It is asked before each attempt,
            since terms may end while a run goes on; None, or a verdict that does not permit,
            stops the route.
        budget: Our cap, shared by all routes.
        run_id: The run that asks.
        progress: Where to count, for a display to read meanwhile; empty.
        share: This slice's share of each quota; the shares of all slices sum to at most 1.
        limiter: Makes the limiter of a route; by default one that keeps to this slice's share.
        stop: Whether to stop asking; called ten times a second. What is in flight then finishes.
        clock: Tells the time and lets it pass.
        random: Draws the jitter of pauses.

    Returns:
        What became of the requests, by route.

    Raises:
        InputError: A route's API is unknown, or its quota cannot be shared by so many slices.
            Nothing was asked.
        StillroomError: The ledger could not be written. Everything stopped at once.
    """
    progress = {} if progress is None else progress
    clock, random = clock or Clock(), random or Random()  # noqa: S311 - jitter, no secret
    limiter = limiter or _by_share(share, clock)
    desk = AskingContext(client, ledger, permits, budget, run_id, limiter, clock, random)
    lanes = []
    for each in work:
        if each.route.id in progress:
            raise ValueError(f"route {each.route.id}: given twice, and it has one quota only")
        lanes.append(_begin(each, desk, progress.setdefault(each.route.id, RouteProgress())))
    try:
        with _rare_collections():
            async with asyncio.TaskGroup() as group:
                watch = group.create_task(_watch(desk, stop))
                await asyncio.gather(*(group.create_task(lane()) for lane in lanes))
                watch.cancel()
    except BaseExceptionGroup as errors:
        raise _first(errors) from None
    return progress


def _by_share(share: Fraction, clock: Clock) -> MakeLimiter:
    return lambda work: local_limiter(work.route, share, work.today, clock, work.minute)


def _begin(work: RouteWork, desk: AskingContext, progress: RouteProgress) -> _Run:
    """Makes what asks a route. What was sent in batches before is collected in either mode."""
    protocol = find_protocol(work.route.api)
    if protocol is None:
        return RouteLoop(work, desk, progress).run
    batches = BatchLoop(work, protocol, desk, progress)
    if work.batch:
        return batches.run
    outside = batches.outside_jobs(work.requests)
    lane = RouteLoop(replace(work, requests=outside), desk, progress)

    async def run() -> None:
        await batches.look_once()
        await lane.run()

    return run


@contextlib.contextmanager
def _rare_collections() -> Iterator[None]:
    """Keeps the garbage collector from looking at every request in flight again and again.

    A request is some forty objects while it is in flight, and in no cycle: it is freed as it ends.
    At the interpreter's own threshold, a seventh of the engine's time went into looking at them.
    What is alive before, such as a worker's modules, is left out altogether: to look at all of it
    would make the event loop stand still. Two engines in one process may undo each other's
    settings, which costs time and nothing else.
    """
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(max(before[0], _YOUNG_OBJECTS), *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


async def _watch(desk: AskingContext, stop: Callable[[], bool]) -> None:
    """Stops all lanes when we are told to, those that wait for a quota or a retry too."""
    while not stop():
        await asyncio.sleep(_STOP_POLL_SECONDS)
    desk.halt("interrupted", "told to stop")


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """Returns the error that came first: the others are of the same cause."""
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
