"""Measures how much of a quota is used, and whether any window saw more than it allows.

    python -m benchmarks.quota                         everything, about five minutes
    python -m benchmarks.quota --only tokens --seconds 90

The figures come from the server's log: when each request arrived, and how many tokens it took. A
quota per minute is checked over every window of 60 seconds, and a sixth of it over every window of
10 seconds. Three slices are three processes that do not communicate.
"""

from __future__ import annotations

import argparse
import multiprocessing
from array import array
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.common import heading, machine, print_figures, rating
from benchmarks.engine import Result, after, make_requests, make_route, run_slice
from benchmarks.server import Arrivals, serving
from schemas.buckets import Slice
from schemas.inputs.registry import Quota

_REQUESTS_PER_MINUTE = 1_200
_TOKENS_PER_MINUTE = 60_000  # of requests of 35 each, on average, that reserve 60
_CONCURRENCY = 99
_LEAST_USED = 0.97
_WINDOWS_SECONDS = (60.0, 10.0)
_LEAD_SECONDS = 10.0  # processes need some seconds to start


def run_part(endpoint: str, quota: Quota, seconds: float, folder: str, part: Slice) -> Result:
    """Asks one slice's requests until the time is over; returns what it took."""
    requests = make_requests(int(4 * _REQUESTS_PER_MINUTE * seconds / 60))
    route = make_route(endpoint, quota)
    return run_slice(Path(folder), route, requests, after(seconds + 2 * _LEAD_SECONDS), part)


def run_all(endpoint: str, quota: Quota, seconds: float, slices: int) -> list[Result]:
    """Asks all slices at once, each in its own process, with one ledger; returns what they took."""
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
    """Prints the share of a quota that is used, and the most in any window."""
    tokens = quota.tokens_per_minute
    limit = tokens or quota.requests_per_minute or 0
    what = f"{limit:,} {'tokens' if tokens else 'requests'} a minute for {seconds:g} s"
    heading(f"{what}, {latency_seconds * 1000:.0f} ms latency, slices: {slices}")
    with serving(latency_seconds) as server:
        results = run_all(server.endpoint, quota, seconds, slices)
        arrivals = server.arrivals()
    amounts = arrivals.tokens if tokens else array("q", [1]) * len(arrivals.times)
    share = _used(arrivals, amounts, seconds) / (limit * seconds / 60)
    print_figures("share of the quota used", f"{share:.3f}", rating(share, _LEAST_USED))
    for window in _WINDOWS_SECONDS:
        most, bound = most_within(arrivals.times, amounts, window), limit * window / 60
        print_figures(f"most in {window:.0f} s", f"{most:,}", rating(most, bound, at_most=True))
    answered = sum(result.answered for result in results)
    print_figures("answered", f"{answered:,} of {len(arrivals.times):,}")


def _used(arrivals: Arrivals, amounts: Sequence[int], seconds: float) -> int:
    """Returns what was used in so many seconds after all slices had begun."""
    begin = arrivals.times[0] + _LEAD_SECONDS
    pairs = zip(arrivals.times, amounts, strict=True)
    return sum(amount for time_, amount in pairs if begin <= time_ < begin + seconds)


def measure(only: str | None, seconds: float) -> None:
    """Prints the use of a quota of requests, of one of tokens, and of one that three slices share.

    Args:
        only: `requests`, `tokens` or `slices`; None for all of them.
        seconds: Duration of each part.
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
    """Runs the parts that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quota", description=__doc__)
    parser.add_argument("--only", choices=("requests", "tokens", "slices"))
    parser.add_argument("--seconds", type=float, default=75.0, help="of each part")
    given = parser.parse_args()
    print(machine())
    measure(given.only, given.seconds)


if __name__ == "__main__":
    main()
