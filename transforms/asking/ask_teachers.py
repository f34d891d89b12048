"""AskTeachers: the Beam transform that sends requests to teachers and the judge."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from typing import Any

import apache_beam as beam
import uvloop
from apache_beam.io.components.adaptive_throttler import ThrottlingSignaler
from apache_beam.pvalue import PCollection

from schemas.buckets import Slice, slices_of
from schemas.codes import ModelRole
from schemas.errors import InputError
from schemas.inputs.registry import Price, Route
from schemas.money import sum_known
from schemas.progress import StageFigures
from schemas.requests import Request
from schemas.stops import RouteErrors, Stop
from schemas.terms import Verdict
from transforms.asking.batch.intents import IntentLog
from transforms.asking.engine import ask
from transforms.asking.progress import Progress
from transforms.asking.repair import open_repair
from transforms.clock import Clock
from transforms.job import Job
from transforms.ledger import WriterLike, open_ledger
from transforms.limits.budget import BudgetTracker
from transforms.limits.quota import DayUsage
from transforms.limits.redis_limiters import RedisLimiters
from transforms.limits.route_work import MakeLimiter, RouteWork
from transforms.limits.usage import PastUsage, past_usage
from transforms.prompts.staging import requests_to_ask
from transforms.providers.apis import Api, find_api
from transforms.providers.embedded import EmbeddedServer
from transforms.providers.http_client import HttpClient
from transforms.providers.keys import resolve_keys
from transforms.work import report_errors, stopping, write_progress

STOPS = "stops"
_PROGRESS_SECONDS = 0.5


def ask_slice(
    job: Job, part: Slice, buckets: Iterable[int], throttled: Callable[[int], None] = lambda _: None
) -> Progress:
    """Asks every request of a slice that has no answer in the ledger; returns the counts by route.

    A second try of the slice asks only the requests that the first left unanswered.

    Args:
        job: The execution.
        part: The slice: its digits of the ledger, its share of quotas and budget.
        buckets: The buckets of staged requests; requests of other slices are skipped.
        throttled: Called twice a second with the new seconds spent waiting for quotas.

    Raises:
        LedgerBusy: Another run writes to these digits of the ledger. Nothing was asked.
        InputError: A key, or the limiter's address, is missing; or what the month has cost is
            unknown. Nothing was asked.
        StillroomError: The ledger could not be written. What was answered before is safe.
    """
    staged = sorted(buckets)
    with ExitStack() as stack:
        ledger = stack.enter_context(open_ledger(job.run.ledger).writer(part.digits(), job.run_id))
        requests = {name: _requests(job, part, staged, name) for name in job.routes()}
        used = past_usage(
            ledger.snapshot,
            job.routes(),
            run_id=job.run_id,
            run_started=job.started_at,
            now=job.clock.now(),
            mine=part.holds,
            monthly=job.run.budget.usd_per_month is not None,
            lost=ledger.lost,
            share=Fraction(1, part.count),
            price_now=partial(_price_now, job),
        )
        if job.run.budget.usd_per_month is not None:  # a route of this run reserves its own jobs
            intents = IntentLog(
                ledger.notes, part.digits(), lambda name: _price_now(job, name).in_batch()
            )
            used.month += intents.reserved(but=job.routes())
            _check_month(job, used)
        work = list(_work(job, requests, ledger, used, stack))
        return uvloop.run(_ask(job, part, work, ledger, used, throttled))


async def _ask(
    job: Job,
    part: Slice,
    work: list[RouteWork],
    ledger: WriterLike,
    used: PastUsage,
    throttled: Callable[[int], None],
) -> Progress:
    progress: Progress = {}
    share, clock = Fraction(1, part.count), job.clock.never_back(used.latest)
    async with (
        HttpClient() as client,
        _limiters(job, share, clock) as limiter,
        _reporting(job, part, progress, throttled),
    ):
        return await ask(
            work,
            client=client,
            ledger=ledger,
            permits=_guard(job),
            budget=BudgetTracker(job.run.budget, share, spent=used.spent, month=used.month),
            run_id=job.run_id,
            progress=progress,
            share=share,
            limiter=limiter,
            stop=lambda: stopping(job.work),
            clock=clock,
        )


def _price_now(job: Job, name: str) -> Price:
    route = job.guard.routes.get(name)
    return route.price if route else Price()


def _check_month(job: Job, used: PastUsage) -> None:
    """Refuses a budget of a month in which answers without a known price were bought."""
    if used.month.picodollars is None:
        raise InputError(
            "what this month's runs have cost is unknown, so budget.usd_per_month cannot be kept",
            where=job.run.path,
            found=f"in {job.run.ledger}: answers of this month from a route without a price",
            expected="a price for each route that the ledger holds answers of",
            remedy="`stillroom ledger stats` shows which routes: give them a price in the registry;"
            " or leave budget.usd_per_month out until next month",
        )


@contextlib.asynccontextmanager
async def _limiters(job: Job, share: Fraction, clock: Clock) -> AsyncIterator[MakeLimiter | None]:
    """Connects to the shared limiter, if the run has one."""
    if job.limiter is None:
        yield None
        return
    async with RedisLimiters(job.limiter, share, clock) as limiters:
        yield limiters.limiter


@contextlib.asynccontextmanager
async def _reporting(
    job: Job, part: Slice, progress: Progress, throttled: Callable[[int], None]
) -> AsyncIterator[None]:
    """Writes the slice's figures twice a second, and once at the end."""
    name = f"{job.role}-slice-{part.index}"

    async def report() -> None:
        reported = 0
        while True:
            write_progress(job.work, name, _figures(job, progress))
            waited = int(sum(route.throttled_seconds for route in progress.values()))
            throttled(waited - reported)
            reported = waited
            await asyncio.sleep(_PROGRESS_SECONDS)

    task = asyncio.create_task(report())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        write_progress(job.work, name, _figures(job, progress))


def _figures(job: Job, progress: Progress) -> StageFigures:
    routes = list(progress.values())
    answered = sum(route.answered for route in routes)
    from_ledger = sum(route.from_ledger for route in routes)
    failed = sum(route.failures for route in routes)
    money = StageFigures(
        completion_tokens=sum(route.completion_tokens for route in routes),
        usd=sum_known(route.usd for route in routes),
    )
    if job.role is ModelRole.JUDGE:
        return replace(money, judged=answered + from_ledger + failed)
    return replace(money, asked=answered, from_ledger=from_ledger, failed=failed)


def _guard(job: Job) -> Callable[[Request], Verdict]:
    """Returns a function that gives the guard's verdict now: terms may end during a run."""

    def permits(request: Request) -> Verdict:
        return job.guard.decide(
            request.teacher,
            job.purpose,
            job.clock.today(),
            prompt_license=request.prompt.license,
            confidential=request.prompt.confidential,
        )

    return permits


def _requests(
    job: Job, part: Slice, buckets: list[int], route: str
) -> Callable[[], Iterator[Request]]:
    def stream() -> Iterator[Request]:
        for bucket in buckets:
            for request in requests_to_ask(job.staged, bucket, route):
                if part.holds(request.request_id):
                    yield request

    return stream


def _work(
    job: Job,
    requests: Mapping[str, Callable[[], Iterator[Request]]],
    ledger: WriterLike,
    used: PastUsage,
    stack: ExitStack,
) -> Iterator[RouteWork]:
    """Yields the work of each route; only routes with open requests get a key or a server."""
    routes = [
        route
        for name, route in job.routes().items()
        if any(_is_open(ledger, find_api(route.api), request) for request in requests[name]())
    ]
    keys = resolve_keys(routes, wall=job.clock.wall)
    endpoint = _start_embedded(routes, stack)
    batches = {model.id for model in job.models() if model.mode == "batch"}
    for name, route in job.routes().items():
        yield RouteWork(
            route,
            requests[name](),
            keys.get(name),
            endpoint,
            today=used.today.get(name, DayUsage()),
            slice_today=used.slice_today.get(name, DayUsage()),
            minute=used.minute.get(name, ()),
            batch=name in batches,
        )


def _is_open(ledger: WriterLike, api: Api, request: Request) -> bool:
    known = ledger.outcome(request.request_id)
    if known is None or not known.answered:
        return True
    return open_repair(ledger.snapshot, api, request) is not None


def _start_embedded(routes: list[Route], stack: ExitStack) -> str:
    """Starts the embedded teacher if a route needs it; returns its address, or ""."""
    embedded = [route for route in routes if route.api == "embedded"]
    if not embedded:
        return ""
    slots = max(route.quota.concurrency for route in embedded)
    return stack.enter_context(EmbeddedServer(slots=slots)).endpoint


@dataclass
class AskTeachers(
    beam.PTransform[PCollection[int], tuple[PCollection[int], PCollection[Stop | RouteErrors]]]
):
    """Asks all teachers, slice by slice, and emits each bucket when all its slices are done.

    A job in the judge's role asks the judge. What the teachers have used of budget and quotas is
    then read from the ledger, as for a second try.

    Input, bounded: buckets of staged requests. Output: the same buckets, and, on the output
    `STOPS`, the reason for each route that was stopped early, and each route's errors. A retried
    bundle asks only requests without an answer in the ledger.

    Attributes:
        job: The execution.
    """

    job: Job

    def __post_init__(self) -> None:
        super().__init__()

    def expand(
        self, buckets: PCollection[int]
    ) -> tuple[PCollection[int], PCollection[Stop | RouteErrors]]:
        """Wires the transform."""
        asked = (
            buckets
            | "Slice" >> beam.FlatMap(_by_slice, self.job)
            | "GroupSlices" >> beam.GroupByKey()  # slice, its buckets
            | "Ask" >> beam.ParDo(_AskSliceFn(self.job)).with_outputs(STOPS, main="asked")
        )
        # Grouping waits for all slices, and breaks fusion: no failing filter repeats the asking.
        done: PCollection[int] = (
            asked["asked"]
            | "GroupBuckets" >> beam.GroupByKey()  # bucket, its slices
            | "Buckets" >> beam.Keys()
        )
        return done, asked[STOPS]


def _by_slice(bucket: int, job: Job) -> Iterator[tuple[int, int]]:
    # A judge's request is staged with the record that it rates, so its id may be in any slice.
    staged_by_id = job.role is ModelRole.TEACHER
    for index in slices_of(bucket, job.bits, job.slices) if staged_by_id else range(job.slices):
        yield index, bucket


class _AskSliceFn(beam.DoFn):
    def __init__(self, job: Job) -> None:
        self._job = job
        self._signaler = ThrottlingSignaler("stillroom")

    def process(self, element: tuple[int, Iterable[int]]) -> Iterator[Any]:
        index, buckets = element
        buckets = sorted(buckets)
        part = Slice(index=index, count=self._job.slices)
        with report_errors(self._job.work):
            progress = ask_slice(self._job, part, buckets, self._signaler.signal_throttled)
        for name, route in progress.items():
            if route.stopped:
                stop = Stop(route=name, reason=route.stopped, detail=route.detail)
                yield beam.pvalue.TaggedOutput(STOPS, stop)
            if route.errors:
                errors = RouteErrors(tuple(route.errors.values()))
                yield beam.pvalue.TaggedOutput(STOPS, errors)
        for bucket in buckets:
            yield bucket, index
