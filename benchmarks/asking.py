"""Compares asking with a bare HTTP loop: throughput, processor time, memory; then under a quota.

    python -m benchmarks.asking                        everything, about seven minutes
    python -m benchmarks.asking --only memory --requests 1000000
    python -m benchmarks.asking --only quota --seconds 90

The bare loop only posts bodies and reads answers. The engine also looks each request up in the
ledger, reserves budget and quota, asks the guard, and stores every answer on disk. Both run on
uvloop against one server, in turn, each in a process of its own. The best of the repeats counts.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp
import uvloop

from benchmarks import quota
from benchmarks.common import (
    heading,
    in_new_process,
    machine,
    memory,
    peak_bytes,
    print_figures,
    rating,
    timed,
)
from benchmarks.engine import Result, after, make_requests, make_route, run_slice
from benchmarks.server import serving
from schemas.inputs.registry import Quota
from schemas.requests import Request
from transforms.providers.apis import find_api


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """One load for both contestants.

    Attributes:
        latency_seconds: How long the server waits before it answers.
        concurrency: Requests in flight.
        target: The share of the bare loop's throughput that the engine must reach, or None.
        requests: Number of requests.
    """

    latency_seconds: float
    concurrency: int
    target: float | None
    requests: int


LOADS = (
    Load(latency_seconds=0.0, concurrency=256, target=0.60, requests=12_000),
    Load(latency_seconds=0.02, concurrency=100, target=None, requests=12_000),
    Load(latency_seconds=0.1, concurrency=100, target=0.90, requests=8_000),
)


def run_bare(endpoint: str, load: Load) -> Result:
    """Measures a bare aiohttp loop."""
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
    return Result(
        answered=answered,
        seconds=cost.seconds,
        cpu_seconds=cost.cpu_seconds,
        peak=peak_bytes(),
    )


def run_engine(endpoint: str, load: Load) -> Result:
    """Measures the engine with a ledger on disk."""
    requests = list(make_requests(load.requests))
    route = make_route(endpoint, Quota(concurrency=load.concurrency))
    with TemporaryDirectory(prefix="stillroom-bench-") as folder:
        return run_slice(Path(folder), route, requests)


def run_stream(endpoint: str, count: int, concurrency: int, seconds: float) -> Result:
    """Measures the engine on requests that are made one by one; prints the memory five times."""
    step = max(count // 5, 1)

    def stream() -> Iterator[Request]:
        for number, request in enumerate(make_requests(count)):
            if number % step == 0:
                print_figures(f"  peak after {number:,} requests", memory(peak_bytes()))
            yield request

    route = make_route(endpoint, Quota(concurrency=concurrency))
    with TemporaryDirectory(prefix="stillroom-bench-") as folder:
        return run_slice(Path(folder), route, stream(), after(seconds))


def compare(load: Load, repeats: int) -> None:
    """Prints both contestants under one load, and their ratio."""
    heading(f"{load.latency_seconds * 1000:.0f} ms latency, {load.concurrency} in flight")
    contestants = {"bare aiohttp": run_bare, "engine": run_engine}
    results: dict[str, list[Result]] = {name: [] for name in contestants}
    with serving(load.latency_seconds) as server:
        for _ in range(repeats):
            for name, run in contestants.items():
                results[name].append(in_new_process(run, server.endpoint, load))
    best = {name: max(found, key=lambda one: one.per_second) for name, found in results.items()}
    for name, result in best.items():
        assert result.answered == load.requests
        print_figures(
            name,
            f"{result.per_second:.0f} requests/s",
            f"{1e6 * result.cpu_seconds / result.answered:.0f} us CPU each",
            memory(result.peak),
        )
    ratio = best["engine"].per_second / best["bare aiohttp"].per_second
    print_figures(
        "engine / bare",
        f"{ratio:.2f}",
        rating(ratio, load.target) if load.target else "",
        f"{best['engine'].cpu_seconds / best['bare aiohttp'].cpu_seconds:.2f} times the CPU",
    )


def use_memory(count: int, seconds: float) -> None:
    """Prints the peak memory of a stream of requests."""
    heading(f"{count:,} requests in one run, streamed")
    with serving() as server:
        result = in_new_process(run_stream, server.endpoint, count, 256, seconds)
    print_figures("asked", f"{result.answered:,}", f"{result.per_second:.0f} requests/s")
    print_figures(
        "peak memory", memory(result.peak), rating(result.peak / 2**30, 1.5, at_most=True)
    )


def main() -> None:
    """Runs the benchmarks that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.asking", description=__doc__)
    parser.add_argument("--only", choices=("throughput", "memory", "quota"))
    parser.add_argument("--repeats", type=int, default=3, help="of each contestant")
    parser.add_argument("--requests", type=int, default=100_000, help="of the stream")
    parser.add_argument(
        "--limit", type=float, default=360.0, help="seconds for the stream, at most"
    )
    parser.add_argument("--seconds", type=float, default=75.0, help="of each part of the quota's")
    given = parser.parse_args()
    print(machine())
    if given.only in (None, "throughput"):
        for load in LOADS:
            compare(load, given.repeats)
    if given.only in (None, "memory"):
        use_memory(given.requests, given.limit)
    if given.only in (None, "quota"):
        quota.measure(None, given.seconds)


if __name__ == "__main__":
    main()
