"""A slice keeps within its part of a quota, by the minute and by the day."""

from __future__ import annotations

import asyncio
from fractions import Fraction
from typing import Any

import pytest

from schemas.errors import InputError
from schemas.inputs.registry import Quota
from tests import virtual_time
from tests.transforms.asking.asking import make_route
from tests.transforms.limits.simulation import (
    SMALL,
    WHOLE,
    count,
    fullest,
    limiter,
    simulate,
    total,
)
from transforms.clock import Clock
from transforms.limits.local_counter import local_limiter
from transforms.limits.quota import DayUsage, DenialReason, Denied, Grant, SentRequest
from transforms.providers.tokens import Tokens


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
def test_slices_together_keep_within_the_quota(slices: int) -> None:
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


def test_a_day_grants_no_more_requests_than_its_quota() -> None:
    first, second, third = acquire(43_200, DayUsage(8, 0), requests_per_day=10)
    assert isinstance(first, Grant)
    assert isinstance(second, Grant)
    assert third == Denied(DenialReason.DAY_SPENT)


def test_a_day_grants_no_more_tokens_than_its_quota() -> None:
    first, second, _ = acquire(43_200, DayUsage(0, 850), tokens_per_day=1000)
    assert isinstance(first, Grant)
    assert second == Denied(DenialReason.DAY_SPENT)


@pytest.mark.parametrize("minute", [Quota(requests_per_minute=7), Quota(tokens_per_minute=700)])
def test_requests_sent_before_count_in_the_running_minute(minute: Quota) -> None:
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


def test_a_request_waits_while_others_in_flight_may_leave_room_in_the_day() -> None:
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


def test_a_request_larger_than_a_minutes_quota_is_denied_at_once() -> None:
    async def run() -> list[Grant | Denied]:
        gate = limiter(virtual_time.clock(), tokens_per_minute=1000)
        return [await gate.acquire(Tokens(1, 1000)), await gate.acquire(Tokens(1, 999))]

    refused, granted = virtual_time.run(run())
    assert refused == Denied(DenialReason.TOO_LARGE)
    assert isinstance(granted, Grant)


def test_what_is_in_flight_at_midnight_counts_for_both_days() -> None:
    async def run() -> list[Grant | Denied]:
        midnight = virtual_time.NOON + 43_200
        gate = limiter(virtual_time.clock(midnight - 1), requests_per_day=2, concurrency=4)
        granted = [await gate.acquire(Tokens(20, 80))]
        await asyncio.sleep(2)
        for _ in range(2):
            assert isinstance(granted[-1], Grant)
            gate.settle(granted[-1], Tokens(20, 80))
            granted.append(await gate.acquire(Tokens(20, 80)))
        return granted

    first, second, third = virtual_time.run(run())
    assert isinstance(first, Grant)
    assert isinstance(second, Grant)
    assert third == Denied(DenialReason.DAY_SPENT)


def test_a_clock_that_is_stepped_over_midnight_begins_no_new_day() -> None:
    async def run(step: float) -> list[Grant | Denied]:
        wrong, real = 0.0, virtual_time.clock()
        stepped = Clock(lambda: real.wall() + wrong, real.monotonic, real.sleep).never_back(0.0)
        gate, granted = limiter(stepped, requests_per_day=2), []
        for wrong in (0.0, step, 0.0):  # noqa: B007 - the clock reads it
            granted.append(await gate.acquire(Tokens(20, 80)))
            if isinstance(granted[-1], Grant):
                gate.settle(granted[-1], Tokens(20, 80))
        return granted

    for hours in (-13, 13):
        assert virtual_time.run(run(hours * 3600))[2] == Denied(DenialReason.DAY_SPENT)
