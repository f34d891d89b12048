"""Asks all routes at once, each at its own pace, until all is asked or something stops it.

One event loop runs a loop for each route. A route that is slow, throttled or failing does not delay
the others. They share the client, the ledger and the budget; an error in one of these ends them
all, since nothing may be asked without a ledger.
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

from schemas.codes import StopReason
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

    Memory does not grow with the number of requests: each is drawn when there is room to ask it.

    Args:
        work: What to ask, one entry a route.
        client: Sends requests; entered.
        ledger: Stores each response before anything reads it; entered.
        permits: The guard's verdict on sending one request now. It is called before each attempt,
            since terms may end during a run. None, or a verdict that does not permit, stops the
            route.
        budget: The run's own caps, shared by all routes.
        run_id: The run that asks.
        progress: Where to count, for a display to read meanwhile; empty.
        share: This slice's share of each quota; the shares of all slices sum to at most 1.
        limiter: Makes the limiter of a route; by default one for this slice's share.
        stop: Whether to stop asking; called ten times a second. Requests in flight then finish.
        clock: Gives the time and pauses.
        random: Draws the jitter of pauses.

    Returns:
        The counts of each route.

    Raises:
        InputError: A route's API is unknown, or its quota cannot be shared by so many slices.
            Nothing was asked.
        StillroomError: The ledger could not be written. Everything stopped at once.
    """
    progress = {} if progress is None else progress
    clock, random = clock or Clock(), random or Random()  # noqa: S311 - jitter, no secret
    limiter = limiter or _by_share(share, clock)
    context = AskingContext(
        client=client,
        ledger=ledger,
        permits=permits,
        budget=budget,
        run_id=run_id,
        limiter=limiter,
        clock=clock,
        random=random,
    )
    await ledger.record_lost()
    loops = []
    for each in work:
        if each.route.id in progress:
            raise ValueError(f"route {each.route.id}: given twice, and it has one quota only")
        loops.append(_make_loop(each, context, progress.setdefault(each.route.id, RouteProgress())))
    try:
        with _fewer_collections():
            async with asyncio.TaskGroup() as group:
                watch = group.create_task(_watch_stop(context, stop))
                await asyncio.gather(*(group.create_task(run()) for run in loops))
                watch.cancel()
    except BaseExceptionGroup as errors:
        raise _first(errors) from None
    return progress


def _by_share(share: Fraction, clock: Clock) -> MakeLimiter:
    return lambda work: local_limiter(work.route, share, work.slice_today, clock, work.minute)


def _make_loop(work: RouteWork, context: AskingContext, progress: RouteProgress) -> _Run:
    """Returns what asks a route. Batches of earlier runs are collected in either mode."""
    protocol = find_protocol(work.route.api)
    if protocol is None:
        return RouteLoop(work, context, progress).run
    batches = BatchLoop(work, protocol, context, progress)
    if work.batch:
        return batches.run
    outside = batches.outside_jobs(work.requests)
    loop = RouteLoop(replace(work, requests=outside), context, progress)

    async def run() -> None:
        await batches.look_once()
        await loop.run()

    return run


@contextlib.contextmanager
def _fewer_collections() -> Iterator[None]:
    """Makes the garbage collector run less often meanwhile.

    A request in flight is about forty objects, none of them in a cycle: they are freed when it
    ends. With the interpreter's own threshold the collector took a seventh of the engine's time.
    Objects that were alive before, such as a worker's modules, are not scanned at all: a full scan
    would block the event loop. Two engines in one process may undo each other's settings, which
    costs only time.
    """
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(max(before[0], _YOUNG_OBJECTS), *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


async def _watch_stop(context: AskingContext, stop: Callable[[], bool]) -> None:
    """Stops all loops once `stop` says so, also those that wait for a quota or a retry."""
    while not stop():
        await asyncio.sleep(_STOP_POLL_SECONDS)
    context.stop_all(StopReason.INTERRUPTED, "asked to stop")


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """Returns the first error: the others have the same cause."""
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
