"""Asking beside a bare loop: throughput, processor time and memory; and under a quota.

    python -m benchmarks.asking                        all of it, some seven minutes
    python -m benchmarks.asking --only memory --requests 1000000
    python -m benchmarks.asking --only quota --seconds 90

The bare loop does nothing but post bodies and read answers; the engine looks each request up in the
ledger, reserves budget and quota, asks the guard, and has every answer safe on disk. Both run on
uvloop and ask one server, turn by turn, each in a process of its own; the better of the repeats
counts.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp
import uvloop

from benchmarks.common import apart, heading, machine, memory, peak_bytes, tell, timed, verdict
from benchmarks.server import MODEL, serving
from schemas.buckets import Slice
from schemas.inputs.registry import BindingTerms, Quota, Registry, Route
from schemas.inputs.run import Budget as Caps
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
from transforms.providers.apis import find_api
from transforms.providers.http_client import HttpClient

ROUTE = "bench/teacher"
_WHOLE = Slice(index=0, count=1)


@dataclass(frozen=True, slots=True)
class Load:
    """One load that both are put under.

    Attributes:
        latency_seconds: How long the teacher thinks.
        concurrency: Requests in flight.
        target: Share of the bare loop's throughput that the engine must reach, if there is one.
        requests: How many are asked.
    """

    latency_seconds: float
    concurrency: int
    target: float | None
    requests: int


LOADS = (
    Load(0.0, 256, 0.60, 12_000),
    Load(0.02, 100, None, 12_000),
    Load(0.1, 100, 0.90, 8_000),
)


@dataclass(frozen=True, slots=True)
class Result:
    """What one contestant did.

    Attributes:
        answered: Requests answered.
        seconds: Wall-clock time, set-up of client and ledger included.
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


def run_bare(endpoint: str, load: Load) -> Result:
    """Asks with a bare aiohttp loop."""
    api = find_api("openai-chat")
    requests = list(make_requests(load.requests))

    async def work() -> int:
        answered, rest = 0, iter(requests)
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as session:

            async def worker() -> None:
                nonlocal answered
                for request in rest:
                    call = api.build(request)
                    async with session.post(endpoint + call.path, data=call.body) as response:
                        await response.read()
                    answered += response.status == 200

            async with asyncio.TaskGroup() as group:
                for _ in range(load.concurrency):
                    group.create_task(worker())
        return answered

    answered, cost = timed(lambda: uvloop.run(work()))
    return Result(answered, cost.seconds, cost.cpu_seconds, peak_bytes())


def run_engine(endpoint: str, load: Load) -> Result:
    """Asks with the engine, a ledger on disk beneath it."""
    requests = list(make_requests(load.requests))
    route = make_route(endpoint, Quota(concurrency=load.concurrency))
    with TemporaryDirectory(prefix="stillroom-bench-") as folder:
        return run_slice(Path(folder), route, requests)


def run_stream(endpoint: str, count: int, concurrency: int, seconds: float) -> Result:
    """Asks requests that are made as they are asked; tells now and then how much memory it took."""
    step = max(count // 5, 1)

    def stream() -> Iterator[Request]:
        for number, request in enumerate(make_requests(count)):
            if number % step == 0:
                tell(f"  peak after {number:,} requests", memory(peak_bytes()))
            yield request

    route = make_route(endpoint, Quota(concurrency=concurrency))
    with TemporaryDirectory(prefix="stillroom-bench-") as folder:
        return run_slice(Path(folder), route, stream(), after(seconds))


def run_slice(
    folder: Path,
    route: Route,
    requests: Iterable[Request],
    stop: Callable[[], bool] = never,
    part: Slice = _WHOLE,
) -> Result:
    """Asks a slice's requests with the engine, as the transform does.

    Args:
        folder: Folder of the ledger, which slices share.
        route: Whom to ask.
        requests: What to ask; those of other slices are passed over.
        stop: Whether to stop asking.
        part: The slice.
    """
    mine = (request for request in requests if part.holds(request.request_id))
    work, permits = RouteWork(route, mine), _guard(route)
    progress, cost = timed(lambda: uvloop.run(_ask(folder, work, permits, stop, part)))
    return Result(progress[ROUTE].answered, cost.seconds, cost.cpu_seconds, peak_bytes())


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
    """Asks the real guard, as the transform does."""
    guard = Guard(load_catalogue(), Registry(routes={route.id: route}))
    purpose = Purpose(use="train_generative")

    def permits(request: Request) -> Verdict:
        today = datetime.fromtimestamp(time.time(), UTC).date()
        return guard.decide(request.teacher, purpose, today, prompt_license=request.prompt.license)

    return permits


def after(seconds: float) -> Callable[[], bool]:
    """Returns a function that tells whether so much time has passed."""
    end = time.monotonic() + seconds
    return lambda: time.monotonic() > end


def compare(load: Load, repeats: int) -> None:
    """Prints both contestants under one load, and their ratio."""
    heading(f"{load.latency_seconds * 1000:.0f} ms latency, {load.concurrency} in flight")
    contestants = {"bare aiohttp": run_bare, "engine": run_engine}
    results: dict[str, list[Result]] = {name: [] for name in contestants}
    with serving(load.latency_seconds) as server:
        for _ in range(repeats):
            for name, run in contestants.items():
                results[name].append(apart(run, server.endpoint, load))
    best = {name: max(found, key=lambda one: one.per_second) for name, found in results.items()}
    for name, result in best.items():
        assert result.answered == load.requests
        tell(
            name,
            f"{result.per_second:.0f} requests/s",
            f"{1e6 * result.cpu_seconds / result.answered:.0f} us CPU each",
            memory(result.peak),
        )
    ratio = best["engine"].per_second / best["bare aiohttp"].per_second
    tell(
        "engine / bare",
        f"{ratio:.2f}",
        verdict(ratio, load.target) if load.target else "",
        f"{best['engine'].cpu_seconds / best['bare aiohttp'].cpu_seconds:.2f} times the CPU",
    )


def use_memory(count: int, seconds: float) -> None:
    """Prints how much memory a stream of requests takes."""
    heading(f"{count:,} requests in one run, streamed")
    with serving() as server:
        result = apart(run_stream, server.endpoint, count, 256, seconds)
    tell("asked", f"{result.answered:,}", f"{result.per_second:.0f} requests/s")
    tell("peak memory", memory(result.peak), verdict(result.peak / 2**30, 1.5, at_most=True))


def main() -> None:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.asking", description=__doc__)
    parser.add_argument("--only", choices=("throughput", "memory", "quota"))
    parser.add_argument("--repeats", type=int, default=3, help="of each contestant")
    parser.add_argument("--requests", type=int, default=100_000, help="of the stream")
    parser.add_argument("--limit", type=float, default=360.0, help="seconds for the stream")
    parser.add_argument("--seconds", type=float, default=75.0, help="of each part of the quota's")
    given = parser.parse_args()
    print(machine())
    if given.only in (None, "throughput"):
        for load in LOADS:
            compare(load, given.repeats)
    if given.only in (None, "memory"):
        use_memory(given.requests, given.limit)
    if given.only in (None, "quota"):
        from benchmarks import quota  # which uses this module

        quota.measure(None, given.seconds)


if __name__ == "__main__":
    main()
