"""How a quota is used: how much of it, and whether any window ever saw more than it.

    python -m benchmarks.quota                         all of it, some five minutes
    python -m benchmarks.quota --only tokens --seconds 90

What counts is the server's own log: when each request arrived, and how many tokens it took. A
quota of 60 seconds is judged over every window of 60 seconds, and over every window of 10 seconds
at a sixth of it. Three slices are three processes that know nothing of each other.
"""

from __future__ import annotations

import argparse
import multiprocessing
from array import array
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.asking import Result, after, make_requests, make_route, run_slice
from benchmarks.common import heading, machine, tell, verdict
from benchmarks.server import Arrivals, serving
from schemas.buckets import Slice
from schemas.inputs.registry import Quota

_REQUESTS_PER_MINUTE = 1_200
_TOKENS_PER_MINUTE = 60_000  # of requests of 35 each, on average, that reserve 60
_CONCURRENCY = 99
_LEAST_USED = 0.97
_WINDOWS_SECONDS = (60.0, 10.0)
_LEAD_SECONDS = 10.0  # processes take some seconds to start, one sooner than another


def run_part(endpoint: str, quota: Quota, seconds: float, folder: str, part: Slice) -> Result:
    """Asks one slice's requests until the time is over."""
    requests = make_requests(int(4 * _REQUESTS_PER_MINUTE * seconds / 60))
    route = make_route(endpoint, quota)
    return run_slice(Path(folder), route, requests, after(seconds + 2 * _LEAD_SECONDS), part)


def run_all(endpoint: str, quota: Quota, seconds: float, slices: int) -> list[Result]:
    """Asks all slices at once, each in a process of its own, with one ledger."""
    context = multiprocessing.get_context("spawn")
    with (
        TemporaryDirectory(prefix="stillroom-bench-") as folder,
        ProcessPoolExecutor(slices, mp_context=context) as pool,
    ):
        parts = [Slice(index=index, count=slices) for index in range(slices)]
        futures = [pool.submit(run_part, endpoint, quota, seconds, folder, one) for one in parts]
        return [future.result() for future in futures]


def most_within(times: Sequence[float], amounts: Sequence[int], seconds: float) -> int:
    """Returns the largest sum in any window.

    Args:
        times: When each amount was spent, ascending, seconds.
        amounts: The amounts.
        seconds: Length of the window.
    """
    first = most = total = 0
    for last, time_ in enumerate(times):
        total += amounts[last]
        while times[first] <= time_ - seconds:
            total -= amounts[first]
            first += 1
        most = max(most, total)
    return most


def use(quota: Quota, seconds: float, latency_seconds: float, slices: int = 1) -> None:
    """Prints how much of a quota is used, and the most that any window saw."""
    tokens = quota.tokens_per_minute
    limit = tokens or quota.requests_per_minute or 0
    what = f"{limit:,} {'tokens' if tokens else 'requests'} a minute for {seconds:g} s"
    heading(f"{what}, {latency_seconds * 1000:.0f} ms latency, slices: {slices}")
    with serving(latency_seconds) as server:
        results = run_all(server.endpoint, quota, seconds, slices)
        arrivals = server.arrivals()
    amounts = arrivals.tokens if tokens else array("q", [1]) * len(arrivals.times)
    share = _used(arrivals, amounts, seconds) / (limit * seconds / 60)
    tell("share of the quota used", f"{share:.3f}", verdict(share, _LEAST_USED))
    for window in _WINDOWS_SECONDS:
        most, bound = most_within(arrivals.times, amounts, window), limit * window / 60
        tell(f"most in {window:.0f} s", f"{most:,}", verdict(most, bound, at_most=True))
    answered = sum(result.answered for result in results)
    tell("answered", f"{answered:,} of {len(arrivals.times):,}")


def _used(arrivals: Arrivals, amounts: Sequence[int], seconds: float) -> int:
    """Returns what was spent in so many seconds, when all slices had begun."""
    begin = arrivals.times[0] + _LEAD_SECONDS
    pairs = zip(arrivals.times, amounts, strict=True)
    return sum(amount for time_, amount in pairs if begin <= time_ < begin + seconds)


def measure(only: str | None, seconds: float) -> None:
    """Prints how a quota of requests is used, one of tokens, and one that three slices share.

    Args:
        only: `requests`, `tokens` or `slices`; None for all of them.
        seconds: How long each part takes.
    """
    requests = Quota(requests_per_minute=_REQUESTS_PER_MINUTE, concurrency=_CONCURRENCY)
    if only in (None, "requests"):
        for latency_seconds in (0.0, 0.1):
            use(requests, seconds, latency_seconds)
    if only in (None, "tokens"):
        quota = Quota(tokens_per_minute=_TOKENS_PER_MINUTE, concurrency=_CONCURRENCY)
        use(quota, seconds, 0.1)
    if only in (None, "slices"):
        use(requests, seconds, 0.1, slices=3)


def main() -> None:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quota", description=__doc__)
    parser.add_argument("--only", choices=("requests", "tokens", "slices"))
    parser.add_argument("--seconds", type=float, default=75.0, help="of each part")
    given = parser.parse_args()
    print(machine())
    measure(given.only, given.seconds)


if __name__ == "__main__":
    main()
