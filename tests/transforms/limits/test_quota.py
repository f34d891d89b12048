"""A quota is never exceeded, in any window, and is used to the full."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import InputError
from schemas.inputs.registry import Quota
from tests import virtual_time
from tests.transforms.asking.asking import make_route, seeded
from transforms.clock import Clock
from transforms.limits.local_counter import local_limiter
from transforms.limits.quota import DayUsage, DenialReason, Denied, Grant, Limiter, SentRequest
from transforms.providers.tokens import Tokens

WHOLE = Fraction(1)


@dataclass(frozen=True, slots=True)
class Load:
    """How requests behave.

    Attributes:
        reserved: What each reserves.
        uses: What one uses, drawn; None for what nobody knows.
        latency: Seconds until it is settled, drawn.
    """

    reserved: Tokens
    uses: Callable[[Random], Tokens | None]
    latency: Callable[[Random], float] = lambda _: 0.05


def limiter(
    clock: Clock, share: Fraction = WHOLE, today: DayUsage | None = None, **q: Any
) -> Limiter:
    return local_limiter(
        make_route("http://t/v1", quota=Quota(**q)), share, today or DayUsage(), clock
    )


def simulate(
    load: Load, seconds: float, *, share: Fraction = WHOLE, seed: int = 0, **quota: Any
) -> list[SentRequest]:
    """Asks as much as a quota grants for some seconds of virtual time."""
    random, sent = seeded(seed), []

    async def work(gate: Limiter) -> None:
        now = asyncio.get_running_loop().time
        while now() < seconds:
            grant = await gate.acquire(load.reserved)
            assert isinstance(grant, Grant)
            at, used = now(), load.uses(random)
            sent.append(SentRequest(at, used or load.reserved))
            await asyncio.sleep(load.latency(random))
            gate.settle(grant, used)

    async def run() -> None:
        gate = limiter(virtual_time.clock(), share, **quota)
        await asyncio.gather(*(work(gate) for _ in range(gate.concurrency)))

    virtual_time.run(run())
    return [each for each in sent if each.at < seconds]


def fullest(sent: list[SentRequest], seconds: float, amount: Callable[[Tokens], int]) -> int:
    """Returns the largest sum in any window of some seconds, both its ends included."""
    ordered = sorted(sent, key=lambda each: each.at)
    most = total = first = 0
    for each in ordered:
        total += amount(each.tokens)
        while each.at - ordered[first].at > seconds:
            total -= amount(ordered[first].tokens)
            first += 1
        most = max(most, total)
    return most


def count(_: Tokens) -> int:
    return 1


def total(tokens: Tokens) -> int:
    return tokens.total


SMALL = Load(Tokens(20, 80), lambda _: Tokens(20, 60))


def test_requests_a_minute_are_used_to_the_full_and_evenly_from_the_first_second() -> None:
    sent = simulate(SMALL, 90, requests_per_minute=1200, concurrency=64)
    assert len(sent) >= 0.97 * 1800
    assert fullest(sent, 60, count) <= 1200
    assert fullest(sent, 10, count) <= 200
    assert fullest(sent, 1, count) <= 21
    assert sum(each.at < 1 for each in sent) >= 19


def test_tokens_a_minute_are_used_to_the_full_and_evenly() -> None:
    sent = simulate(SMALL, 90, tokens_per_minute=120_000, concurrency=64)
    assert sum(each.tokens.total for each in sent) >= 0.97 * 180_000
    assert fullest(sent, 60, total) <= 120_000
    assert fullest(sent, 10, total) <= 20_000


def test_answers_much_shorter_than_allowed_do_not_slow_a_route_down() -> None:
    load = Load(Tokens(20, 4096), lambda _: Tokens(20, 60), lambda _: 0.1)
    sent = simulate(load, 90, tokens_per_minute=600_000, concurrency=64)
    # 12 in flight reserve 8% of a minute's quota, which nobody else may use meanwhile
    assert sum(each.tokens.total for each in sent) >= 0.9 * 900_000
    assert fullest(sent, 60, total) <= 600_000


def uniform(most: int) -> Callable[[Random], Tokens | None]:
    return lambda random: Tokens(10, random.randint(1, most))


def heavy_tailed(most: int) -> Callable[[Random], Tokens | None]:
    return lambda random: Tokens(10, min(most, int(8 * random.paretovariate(1.2))))


def fixed(seconds: float) -> Callable[[Random], float]:
    return lambda _: seconds


def varying(seconds: float) -> Callable[[Random], float]:
    return lambda random: random.uniform(0.2 * seconds, 1.8 * seconds)


def arrived(sent: list[SentRequest], seed: int) -> list[SentRequest]:
    """Returns the same as the server sees it: each some milliseconds later than it was sent."""
    random = seeded(seed)
    return [SentRequest(each.at + random.uniform(0, 0.005), each.tokens) for each in sent]


# The share that is used at least, and the most that ten seconds may see of theirs. A minute holds
# what is in flight as reserved, and ten seconds hold 38 answers of up to 510 tokens: these cannot
# be both full and never over.
@pytest.mark.parametrize("latency", [fixed, varying])
@pytest.mark.parametrize(
    ("uses", "most", "seconds", "least", "even"),
    [
        (uniform, 50, 0.02, 0.98, 1.0),
        (uniform, 50, 0.1, 0.97, 1.0),
        (uniform, 50, 0.2, 0.97, 1.0),
        (uniform, 50, 0.5, 0.965, 1.01),
        (uniform, 50, 1.0, 0.955, 1.02),
        (uniform, 500, 0.02, 0.93, 1.03),
        (uniform, 500, 0.2, 0.92, 1.04),
        (uniform, 500, 1.0, 0.88, 1.08),
        (heavy_tailed, 500, 0.1, 0.94, 1.08),
    ],
)
def test_tokens_are_used_evenly_however_long_answers_are_and_take(
    uses: Callable[[int], Callable[[Random], Tokens | None]],
    most: int,
    seconds: float,
    least: float,
    even: float,
    latency: Callable[[float], Callable[[Random], float]],
) -> None:
    load = Load(Tokens(10, most), uses(most), latency(seconds))
    sent = simulate(load, 90, tokens_per_minute=60_000, concurrency=99)
    assert sum(each.tokens.total for each in sent) >= least * 90_000
    for seen in (sent, arrived(sent, 0)):
        assert fullest(seen, 60, total) <= 60_000
        assert fullest(seen, 10, total) <= even * 10_000


@settings(max_examples=12)
@given(
    limit=st.integers(20_000, 200_000),
    amount=st.integers(1, 100),
    latency=st.floats(0.001, 2),
    seed=st.integers(0, 2**16),
)
def test_ten_seconds_are_never_over_when_what_is_reserved_is_used(
    limit: int, amount: int, latency: float, seed: int
) -> None:
    load = Load(Tokens(0, amount), lambda _: Tokens(0, amount), varying(latency))
    sent = simulate(load, 20, seed=seed, tokens_per_minute=limit, concurrency=32)
    assert fullest(sent, 10, total) <= limit / 6


@pytest.mark.parametrize("amount", [400, 1001, 1500, 6000])
def test_amounts_that_take_much_of_ten_seconds_are_spaced_by_the_pace(amount: int) -> None:
    load = Load(Tokens(0, amount), lambda _: Tokens(0, amount))
    sent = simulate(load, 240, tokens_per_minute=6000, concurrency=8)
    gaps = [after.at - before.at for before, after in pairwise(sent)]
    assert min(gaps) >= 0.98 * amount / 100
    assert fullest(sent, 60, total) <= 6000
    assert sum(each.tokens.total for each in sent) >= 0.8 * 24_000


@settings(max_examples=40)
@given(
    limit=st.integers(1, 2000),
    concurrency=st.integers(1, 64),
    latency=st.floats(0.001, 20),
    seed=st.integers(0, 2**16),
)
def test_no_minute_has_too_many_requests(
    limit: int, concurrency: int, latency: float, seed: int
) -> None:
    load = Load(SMALL.reserved, SMALL.uses, lambda random: random.uniform(0, latency))
    seconds = min(150.0, 60_000 / limit + 61)
    sent = simulate(load, seconds, seed=seed, requests_per_minute=limit, concurrency=concurrency)
    assert fullest(sent, 60, count) <= limit
    assert fullest(sent, 10, count) <= -(-limit // 6)


@settings(max_examples=40)
@given(
    limit=st.integers(2000, 200_000),
    most=st.integers(1, 1900),
    latency=st.floats(0.001, 30),
    unknown=st.floats(0, 0.2),
    seed=st.integers(0, 2**16),
)
def test_no_minute_has_too_many_tokens_whatever_they_are_used_for(
    limit: int, most: int, latency: float, unknown: float, seed: int
) -> None:
    def uses(random: Random) -> Tokens | None:
        if random.random() < unknown:
            return None
        return Tokens(100, random.randint(0, most))

    load = Load(Tokens(100, most), uses, lambda random: random.uniform(0, latency))
    sent = simulate(load, 150, seed=seed, tokens_per_minute=limit, concurrency=16)
    assert sent
    assert fullest(sent, 60, total) <= limit


def test_all_limits_hold_together() -> None:
    quota: dict[str, Any] = {
        "requests_per_minute": 600,
        "tokens_per_minute": 90_000,
        "input_tokens_per_minute": 15_000,
        "output_tokens_per_minute": 30_000,
    }
    sent = simulate(SMALL, 120, concurrency=32, **quota)
    assert fullest(sent, 60, count) <= 600
    assert fullest(sent, 60, total) <= 90_000
    assert fullest(sent, 60, lambda tokens: tokens.prompt) <= 15_000
    assert 0.95 * 30_000 <= fullest(sent, 60, lambda tokens: tokens.completion) <= 30_000


@pytest.mark.parametrize("slices", [2, 3, 7])
def test_slices_together_keep_to_the_whole(slices: int) -> None:
    parts = [
        simulate(SMALL, 90, share=Fraction(1, slices), requests_per_minute=1200, concurrency=64)
        for _ in range(slices)
    ]
    together = [each for part in parts for each in part]
    assert fullest(together, 60, count) <= 1200
    assert fullest(together, 10, count) <= 200 + slices
    assert len(together) >= 0.96 * 1800


def test_a_share_of_less_than_one_request_is_refused() -> None:
    with pytest.raises(InputError, match="requests_per_minute cannot be shared by so many slices"):
        limiter(Clock(), Fraction(1, 4), requests_per_minute=3)
    with pytest.raises(InputError, match="concurrency cannot be shared by so many slices"):
        limiter(Clock(), Fraction(1, 4), concurrency=3)


def acquire(seconds_before_midnight: float, today: DayUsage, **quota: Any) -> list[Grant | Denied]:
    """Asks for three grants in a row, an hour apart, and settles each as its full reservation."""

    async def run() -> list[Grant | Denied]:
        midnight = virtual_time.NOON + 43_200
        gate = limiter(
            virtual_time.clock(midnight - seconds_before_midnight), WHOLE, today, **quota
        )
        granted = []
        for _ in range(3):
            granted.append(await gate.acquire(Tokens(20, 80)))
            if isinstance(granted[-1], Grant):
                gate.settle(granted[-1], Tokens(20, 80))
            await asyncio.sleep(3600)
        return granted

    return virtual_time.run(run())


def test_a_day_has_no_more_requests_than_granted() -> None:
    first, second, third = acquire(43_200, DayUsage(8, 0), requests_per_day=10)
    assert isinstance(first, Grant)
    assert isinstance(second, Grant)
    assert third == Denied(DenialReason.DAY_SPENT)


def test_a_day_has_no_more_tokens_than_granted() -> None:
    first, second, _ = acquire(43_200, DayUsage(0, 850), tokens_per_day=1000)
    assert isinstance(first, Grant)
    assert second == Denied(DenialReason.DAY_SPENT)


@pytest.mark.parametrize("minute", [Quota(requests_per_minute=7), Quota(tokens_per_minute=700)])
def test_a_minute_that_began_before_goes_on_with_what_is_left_of_it(minute: Quota) -> None:
    """Two limiters, one after the other, as of a run's teachers and its judge: one quota."""
    route, used = make_route("http://t/v1", quota=minute), Tokens(20, 80)

    async def run() -> list[float]:
        loop, sent = asyncio.get_running_loop(), list[SentRequest]()
        for until in (50, 200):
            gate = local_limiter(route, WHOLE, DayUsage(), virtual_time.clock(), sent)
            while loop.time() < until:
                grant = await gate.acquire(used)
                assert isinstance(grant, Grant)
                sent.append(SentRequest(virtual_time.NOON + loop.time(), used))
                gate.settle(grant, used)
        return [one.at for one in sent]

    times = virtual_time.run(run())
    assert len(times) > 20
    for first in times:
        assert sum(first <= at < first + 60 for at in times) <= 7


def test_a_new_day_begins_at_midnight_utc() -> None:
    first, second, third = acquire(5400, DayUsage(10, 0), requests_per_day=10)
    assert (first, second) == (Denied(DenialReason.DAY_SPENT), Denied(DenialReason.DAY_SPENT))
    assert isinstance(third, Grant)


def test_what_is_in_flight_may_yet_leave_room_in_the_day() -> None:
    async def run() -> tuple[float, Grant | Denied]:
        gate = limiter(virtual_time.clock(), tokens_per_day=150)
        grant = await gate.acquire(Tokens(20, 80))
        assert isinstance(grant, Grant)
        asyncio.get_running_loop().call_later(5, gate.settle, grant, Tokens(20, 10))
        second = await gate.acquire(Tokens(20, 80))
        return asyncio.get_running_loop().time(), second

    at, second = virtual_time.run(run())
    assert at == 5
    assert isinstance(second, Grant)


def test_a_request_beyond_a_minutes_quota_is_not_waited_for() -> None:
    async def run() -> list[Grant | Denied]:
        gate = limiter(virtual_time.clock(), tokens_per_minute=1000)
        return [await gate.acquire(Tokens(1, 1000)), await gate.acquire(Tokens(1, 999))]

    refused, granted = virtual_time.run(run())
    assert refused == Denied(DenialReason.TOO_LARGE)
    assert isinstance(granted, Grant)


def test_whoever_waits_is_told_when_the_limiter_closes() -> None:
    async def run() -> tuple[float, Grant | Denied]:
        gate = limiter(virtual_time.clock(), requests_per_minute=1)
        await gate.acquire(Tokens(0, 0))
        asyncio.get_running_loop().call_later(3, gate.close)
        denied = await gate.acquire(Tokens(0, 0))
        return asyncio.get_running_loop().time(), denied

    assert virtual_time.run(run()) == (3, Denied(DenialReason.CLOSED))


def test_nothing_is_sent_while_the_server_asks_to_wait() -> None:
    async def run() -> tuple[float, float]:
        gate = limiter(virtual_time.clock())
        gate.hold(20)
        gate.hold(5)
        await gate.acquire(Tokens(0, 0))
        return asyncio.get_running_loop().time(), gate.throttled_seconds

    assert virtual_time.run(run()) == (20, 20)


def test_time_spent_waiting_is_counted_once_however_many_wait() -> None:
    async def run() -> tuple[float, float]:
        gate = limiter(virtual_time.clock(), requests_per_minute=60)
        await asyncio.gather(*(gate.acquire(Tokens(0, 0)) for _ in range(10)))
        return asyncio.get_running_loop().time(), gate.throttled_seconds

    elapsed, throttled = virtual_time.run(run())
    assert throttled == pytest.approx(elapsed)
    assert elapsed == pytest.approx(9 / 0.985, rel=0.01)
