"""Asking beside a bare loop: throughput, processor time, memory, and how a quota is used.

    python -m benchmarks.asking                        all of it, some three minutes
    python -m benchmarks.asking --only quota --seconds 90
    python -m benchmarks.asking --only memory --requests 1000000

The bare loop does nothing but post bodies and read answers; the engine looks each request up in the
ledger, reserves budget and quota, asks the guard, and has every answer safe on disk. Both ask one
server, turn by turn, each in a process of its own; the better of the repeats counts.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp

from benchmarks.common import apart, heading, machine, memory, peak_bytes, tell, timed, verdict
from benchmarks.loops import FASTEST, HAS_UVLOOP, run_on
from benchmarks.server import MODEL, serving
from schemas.prompts import Message, Prompt, prompt_id
from schemas.registry import BindingTerms, Quota, Registry, Route
from schemas.requests import Request, make_request
from schemas.run import Budget as Caps
from schemas.run import Purpose
from schemas.terms import Verdict
from transforms.guard.catalogue.load import load_catalogue
from transforms.guard.evaluate import Guard
from transforms.teachers.apis import find_api
from transforms.teachers.budget import Budget
from transforms.teachers.engine import ask, never
from transforms.teachers.http_client import HttpClient
from transforms.teachers.lane import RouteWork
from transforms.teachers.ledger import Ledger
from transforms.teachers.progress import Progress

_ROUTE = "bench/teacher"
_DIGITS = "0123456789abcdef"
_PER_MINUTE = 1_200


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
            prompt_id(messages), messages, "bench", "CC0-1.0", "prompts.jsonl", number + 1, "0" * 64
        )
        yield make_request(
            prompt,
            teacher=_ROUTE,
            model=MODEL,
            revision="",
            system="",
            parameters={"max_tokens": 50},
            sample_index=0,
        )


def run_bare(loop: str, endpoint: str, load: Load) -> Result:
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

    answered, cost = timed(lambda: run_on(loop, work()))
    return Result(answered, cost.seconds, cost.cpu_seconds, peak_bytes())


def run_engine(loop: str, endpoint: str, load: Load) -> Result:
    """Asks with the engine, a ledger on disk beneath it."""
    requests = list(make_requests(load.requests))
    return _asked(loop, _route(endpoint, Quota(concurrency=load.concurrency)), requests)


def run_quota(endpoint: str, seconds: float, concurrency: int) -> Result:
    """Asks under a quota until the time is over."""
    quota = Quota(requests_per_minute=_PER_MINUTE, concurrency=concurrency)
    requests = list(make_requests(int(2 * _PER_MINUTE * seconds / 60)))
    return _asked("asyncio", _route(endpoint, quota), requests, _after(seconds))


def run_stream(endpoint: str, count: int, concurrency: int, seconds: float) -> Result:
    """Asks requests that are made as they are asked; tells now and then how much memory it took."""
    step = max(count // 5, 1)

    def stream() -> Iterator[Request]:
        for number, request in enumerate(make_requests(count)):
            if number % step == 0:
                tell(f"  peak after {number:,} requests", memory(peak_bytes()))
            yield request

    route = _route(endpoint, Quota(concurrency=concurrency))
    return _asked("asyncio", route, stream(), _after(seconds))


def _asked(
    loop: str, route: Route, requests: Iterable[Request], stop: Callable[[], bool] = never
) -> Result:
    permits = _guard(route)
    with TemporaryDirectory(prefix="stillroom-bench-") as folder:
        progress, cost = timed(
            lambda: run_on(loop, _ask(Path(folder), route, requests, permits, stop))
        )
    answered = progress[_ROUTE].answered
    return Result(answered, cost.seconds, cost.cpu_seconds, peak_bytes())


async def _ask(
    folder: Path,
    route: Route,
    requests: Iterable[Request],
    permits: Callable[[Request], Verdict],
    stop: Callable[[], bool],
) -> Progress:
    with Ledger(folder / "ledger").writer(_DIGITS, "bench") as ledger:
        async with HttpClient() as client:
            return await ask(
                [RouteWork(route, requests)],
                client=client,
                ledger=ledger,
                permits=permits,
                budget=Budget(Caps()),
                run_id="bench",
                stop=stop,
            )


def _route(endpoint: str, quota: Quota) -> Route:
    terms = (BindingTerms("spdx/apache-2.0"),)
    return Route(_ROUTE, "openai-chat", MODEL, terms, endpoint=endpoint, quota=quota)


def _guard(route: Route) -> Callable[[Request], Verdict]:
    """Asks the real guard, as the transform does."""
    guard = Guard(load_catalogue(), Registry(routes={route.id: route}))
    purpose = Purpose("train_generative")

    def permits(request: Request) -> Verdict:
        today = datetime.fromtimestamp(time.time(), UTC).date()
        return guard.decide(request.teacher, purpose, today, prompt_license=request.prompt.license)

    return permits


def _after(seconds: float) -> Callable[[], bool]:
    end = time.monotonic() + seconds
    return lambda: time.monotonic() > end


def compare(load: Load, repeats: int) -> None:
    """Prints both contestants under one load, on each event loop, and their ratio."""
    heading(f"{load.latency_seconds * 1000:.0f} ms latency, {load.concurrency} in flight")
    loops = ["asyncio", "uvloop"] if HAS_UVLOOP else ["asyncio"]
    contestants = {
        **{f"bare aiohttp on {loop}": partial(run_bare, loop) for loop in loops},
        **{f"engine on {loop}": partial(run_engine, loop) for loop in loops},
    }
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
    for loop in loops:
        engine, bare = best["engine on asyncio"], best[f"bare aiohttp on {loop}"]
        ratio, target = engine.per_second / bare.per_second, load.target
        tell(
            f"engine / bare on {loop}",
            f"{ratio:.2f}",
            verdict(ratio, target) if target and loop == FASTEST else "",
            f"{engine.cpu_seconds / bare.cpu_seconds:.2f} times the CPU",
        )


def most_within(arrivals: array[float], seconds: float) -> int:
    """Returns the most arrivals in any window of so many seconds."""
    first = most = 0
    for last, time_ in enumerate(arrivals):
        while arrivals[first] <= time_ - seconds:
            first += 1
        most = max(most, last - first + 1)
    return most


def use_quota(seconds: float) -> None:
    """Prints how much of a quota is used, and whether any window saw more than it."""
    for latency in (0.0, 0.1):
        heading(f"{_PER_MINUTE} requests a minute for {seconds:g} s, {latency * 1000:.0f} ms")
        with serving(latency) as server:
            result = apart(run_quota, server.endpoint, seconds, 100)
            arrivals = server.arrivals()
        share = len(arrivals) / (_PER_MINUTE * seconds / 60)
        tell("share of the quota used", f"{share:.3f}", verdict(share, 0.97))
        for window in (60.0, 10.0):
            most, limit = most_within(arrivals, window), _PER_MINUTE * window / 60
            tell(f"most in {window:.0f} s", str(most), verdict(most, limit, at_most=True))
        tell("CPU each", f"{1e6 * result.cpu_seconds / max(result.answered, 1):.0f} us")


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
    parser.add_argument("--only", choices=("throughput", "quota", "memory"))
    parser.add_argument("--repeats", type=int, default=3, help="of each contestant")
    parser.add_argument("--seconds", type=float, default=25.0, help="under a quota")
    parser.add_argument("--requests", type=int, default=100_000, help="of the stream")
    parser.add_argument("--limit", type=float, default=360.0, help="seconds for the stream")
    given = parser.parse_args()
    print(f"{machine()}, uvloop {'found' if HAS_UVLOOP else 'not found'}")
    if given.only in (None, "throughput"):
        for load in LOADS:
            compare(load, given.repeats)
    if given.only in (None, "quota"):
        use_quota(given.seconds)
    if given.only in (None, "memory"):
        use_memory(given.requests, given.limit)


if __name__ == "__main__":
    main()
