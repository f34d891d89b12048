"""Counts a quota within one process: its slice's part of the route's quota.

The parts of all slices together never exceed the quota, so slices need not communicate.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from schemas.inputs.registry import Route
from transforms.clock import Clock
from transforms.limits.pacing import MinuteLimit, PacedRequest
from transforms.limits.quota import (
    DAY_SECONDS,
    DayUsage,
    DenialReason,
    Denied,
    Limiter,
    SentRequest,
    slice_limit,
)
from transforms.providers.tokens import Tokens

Amount = Callable[[Tokens], int]
# What each limit counts of a request. shared_counter.lua has the limits in the same order.
MINUTE_LIMITS: dict[str, Amount] = {
    "requests_per_minute": lambda _: 1,
    "tokens_per_minute": lambda tokens: tokens.total,
    "input_tokens_per_minute": lambda tokens: tokens.prompt,
    "output_tokens_per_minute": lambda tokens: tokens.completion,
}
DAY_LIMITS: dict[str, Amount] = {
    "requests_per_day": lambda _: 1,
    "tokens_per_day": lambda tokens: tokens.total,
}


def local_limiter(
    route: Route, share: Fraction, today: DayUsage, clock: Clock, minute: Sequence[SentRequest] = ()
) -> Limiter:
    """Returns a limiter that keeps within a slice's part of a route's quota.

    Args:
        route: The route, with its quota.
        share: This slice's share of it; the shares of all slices sum to at most 1.
        today: What was asked today before; the slice counts its share of it.
        clock: The time, and how to wait.
        minute: What was sent in the last minute before, oldest first; it counts in full.

    Raises:
        InputError: The slice's part of a limit is less than one.
    """
    counter = LocalQuotaCounter(route, share, today, clock, minute)
    return Limiter(counter, slice_limit(route, "concurrency", share), clock)


def limits_tokens(route: Route) -> bool:
    """Returns whether any limit of a route's quota is one of tokens."""
    return any(
        "tokens" in name and getattr(route.quota, name) is not None
        for name in (*MINUTE_LIMITS, *DAY_LIMITS)
    )


class LocalQuotaCounter:
    """Counts what a slice's part of a quota leaves; see `QuotaCounter`.

    Args:
        route: The route, with its quota.
        share: This slice's share of it.
        today: What was asked today before.
        clock: The time.
        minute: What was sent in the last minute before, oldest first; it counts in full.

    Raises:
        InputError: The slice's part of a limit is less than one.
    """

    def __init__(
        self,
        route: Route,
        share: Fraction,
        today: DayUsage,
        clock: Clock,
        minute: Sequence[SentRequest] = (),
    ) -> None:
        limits = {
            name: slice_limit(route, name, share)
            for name in (*MINUTE_LIMITS, *DAY_LIMITS)
            if getattr(route.quota, name) is not None
        }
        self.unlimited = not limits
        self.limits_tokens = limits_tokens(route)
        self._clock = clock
        self._minutes = [
            (MinuteLimit(limits[name]), amount)
            for name, amount in MINUTE_LIMITS.items()
            if name in limits
        ]
        lag = clock.wall() - clock.monotonic()
        for sent in minute:
            for minute_limit, amount in self._minutes:
                minute_limit.spend(amount(sent.tokens), sent.at - lag)
        used = {"requests_per_day": today.requests, "tokens_per_day": today.tokens}
        self._days = [
            _DayLimit(limits[name], math.ceil(used[name] * share), amount, self._day())
            for name, amount in DAY_LIMITS.items()
            if name in limits
        ]

    async def reserve(self, tokens: Tokens) -> _Reserved | float | Denied:
        """Reserves what a request may use; see `QuotaCounter`."""
        if denied := self._denied(tokens):
            return denied
        return self._wait(tokens) or self._reserve(tokens)

    def settle(self, reserved: _Reserved, used: Tokens | None) -> None:
        """Replaces what was reserved by what was used."""
        for day in self._days:
            day.settle(reserved, used or reserved.tokens)
        if used is not None:
            for (minute_limit, amount), entry in zip(self._minutes, reserved.entries, strict=True):
                minute_limit.settle(entry, amount(used))

    def _denied(self, tokens: Tokens) -> Denied | None:
        if any(amount(tokens) > minute_limit.limit for minute_limit, amount in self._minutes):
            return Denied(DenialReason.TOO_LARGE)
        for day in self._days:
            day.begin(self._day())
        if any(day.is_spent(tokens) for day in self._days):
            return Denied(DenialReason.DAY_SPENT)
        return None

    def _wait(self, tokens: Tokens) -> float:
        now = self._clock.monotonic()
        waits = [minute_limit.wait(amount(tokens), now) for minute_limit, amount in self._minutes]
        if any(day.may_be_spent(tokens) for day in self._days):
            waits.append(DAY_SECONDS - self._clock.wall() % DAY_SECONDS)
        return max(waits, default=0.0)

    def _reserve(self, tokens: Tokens) -> _Reserved:
        now = self._clock.monotonic()
        for day in self._days:
            day.reserve(tokens)
        entries = tuple(
            minute_limit.spend(amount(tokens), now) for minute_limit, amount in self._minutes
        )
        return _Reserved(self, tokens, self._day(), entries)

    def _day(self) -> int:
        return int(self._clock.wall() // DAY_SECONDS)


@dataclass(frozen=True, slots=True)
class _Reserved:
    """What is reserved for one request.

    Attributes:
        counter: Where it is reserved.
        tokens: What is reserved.
        day: Days since 1970 UTC.
        entries: What it counts in each limit of a minute.
    """

    counter: LocalQuotaCounter
    tokens: Tokens
    day: int
    entries: tuple[PacedRequest, ...]

    def settle(self, used: Tokens | None) -> None:
        self.counter.settle(self, used)


class _DayLimit:
    """Keeps one kind of amount within a limit a UTC day."""

    def __init__(self, limit: int, used: int, amount: Amount, day: int) -> None:
        self._limit = limit
        self._used = used
        self._reserved = 0
        self._amount = amount
        self._day = day

    def begin(self, day: int) -> None:
        """Starts from zero if a new day has begun."""
        if day != self._day:
            self._day, self._used, self._reserved = day, 0, 0

    def is_spent(self, tokens: Tokens) -> bool:
        """Returns whether what is used leaves no room."""
        return self._used + self._amount(tokens) > self._limit

    def may_be_spent(self, tokens: Tokens) -> bool:
        """Returns whether what is used and what is reserved leave no room."""
        return self._used + self._reserved + self._amount(tokens) > self._limit

    def reserve(self, tokens: Tokens) -> None:
        self._reserved += self._amount(tokens)

    def settle(self, reserved: _Reserved, used: Tokens) -> None:
        if reserved.day == self._day:
            self._reserved -= self._amount(reserved.tokens)
            self._used += self._amount(used)
