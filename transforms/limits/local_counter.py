"""The allowance that a process keeps for itself: its slice's part of the quota, and nobody else's.

The parts of all slices never exceed the whole, so no slice need know of another.
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
# What each limit counts of a request. The order is that of the shared allowance's script.
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
    """Returns a limiter that keeps to a slice's part of a route's quota.

    Args:
        route: The route, with its quota.
        share: This slice's share of it; the shares of all slices sum to at most 1.
        today: What was asked today before.
        clock: Tells the time and lets it pass.
        minute: What was sent in the last minute before, oldest first: it counts whole.

    Raises:
        InputError: The share is less than one request.
    """
    allowance = LocalQuotaCounter(route, share, today, clock, minute)
    return Limiter(allowance, slice_limit(route, "concurrency", share), clock)


def limits_tokens(route: Route) -> bool:
    """Tells whether any limit of a route's quota is one of tokens."""
    return any(
        "tokens" in name and getattr(route.quota, name) is not None
        for name in (*MINUTE_LIMITS, *DAY_LIMITS)
    )


class LocalQuotaCounter:
    """What a slice's part of a quota leaves room for.

    Args:
        route: The route, with its quota.
        share: This slice's share of it.
        today: What was asked today before.
        clock: Tells the time.
        minute: What was sent in the last minute before, oldest first: it counts whole.

    Attributes:
        unlimited: Whether nothing is limited.
        limits_tokens: Whether any limit is one of tokens.

    Raises:
        InputError: The share is less than one request.
    """

    def __init__(
        self,
        route: Route,
        share: Fraction,
        today: DayUsage,
        clock: Clock,
        minute: Sequence[SentRequest] = (),
    ) -> None:
        granted = {
            name: slice_limit(route, name, share)
            for name in (*MINUTE_LIMITS, *DAY_LIMITS)
            if getattr(route.quota, name) is not None
        }
        self.unlimited = not granted
        self.limits_tokens = limits_tokens(route)
        self._clock = clock
        self._meters = [
            (MinuteLimit(granted[name]), amount)
            for name, amount in MINUTE_LIMITS.items()
            if name in granted
        ]
        lag = clock.wall() - clock.monotonic()
        for sent in minute:
            for meter, amount in self._meters:
                meter.spend(amount(sent.tokens), sent.at - lag)
        used = {"requests_per_day": today.requests, "tokens_per_day": today.tokens}
        self._days = [
            _DayMeter(granted[name], math.ceil(used[name] * share), amount, self._day())
            for name, amount in DAY_LIMITS.items()
            if name in granted
        ]

    async def reserve(self, tokens: Tokens) -> _Reserved | float | Denied:
        """Sets aside what a request may come to; see `Allowance`."""
        if denied := self._denied(tokens):
            return denied
        return self._wait(tokens) or self._reserve(tokens)

    def settle(self, reserved: _Reserved, used: Tokens | None) -> None:
        """Puts what was used in place of what was reserved."""
        for day in self._days:
            day.settle(reserved, used or reserved.tokens)
        if used is not None:
            for (meter, amount), entry in zip(self._meters, reserved.entries, strict=True):
                meter.settle(entry, amount(used))

    def _denied(self, tokens: Tokens) -> Denied | None:
        if any(amount(tokens) > meter.limit for meter, amount in self._meters):
            return Denied(DenialReason.TOO_LARGE)
        for meter in self._days:
            meter.begin(self._day())
        if any(meter.is_spent(tokens) for meter in self._days):
            return Denied(DenialReason.DAY_SPENT)
        return None

    def _wait(self, tokens: Tokens) -> float:
        now = self._clock.monotonic()
        waits = [meter.wait(amount(tokens), now) for meter, amount in self._meters]
        if any(meter.may_be_spent(tokens) for meter in self._days):
            waits.append(DAY_SECONDS - self._clock.wall() % DAY_SECONDS)
        return max(waits, default=0.0)

    def _reserve(self, tokens: Tokens) -> _Reserved:
        now = self._clock.monotonic()
        for meter in self._days:
            meter.reserve(tokens)
        entries = tuple(meter.spend(amount(tokens), now) for meter, amount in self._meters)
        return _Reserved(self, tokens, self._day(), entries)

    def _day(self) -> int:
        return int(self._clock.wall() // DAY_SECONDS)


@dataclass(frozen=True, slots=True)
class _Reserved:
    """What was reserved, on which day since 1970 UTC, and what it counts for with each meter."""

    allowance: LocalQuotaCounter
    tokens: Tokens
    day: int
    entries: tuple[PacedRequest, ...]

    def settle(self, used: Tokens | None) -> None:
        self.allowance.settle(self, used)


class _DayMeter:
    """Holds one kind of amount to a limit a UTC day."""

    def __init__(self, limit: int, used: int, amount: Amount, day: int) -> None:
        self._limit = limit
        self._used = used
        self._reserved = 0
        self._amount = amount
        self._day = day

    def begin(self, day: int) -> None:
        """Counts anew if a new day has begun."""
        if day != self._day:
            self._day, self._used, self._reserved = day, 0, 0

    def is_spent(self, tokens: Tokens) -> bool:
        """Tells whether what is settled leaves no room."""
        return self._used + self._amount(tokens) > self._limit

    def may_be_spent(self, tokens: Tokens) -> bool:
        """Tells whether what is in flight may leave no room."""
        return self._used + self._reserved + self._amount(tokens) > self._limit

    def reserve(self, tokens: Tokens) -> None:
        self._reserved += self._amount(tokens)

    def settle(self, reserved: _Reserved, used: Tokens) -> None:
        if reserved.day == self._day:
            self._reserved -= self._amount(reserved.tokens)
            self._used += self._amount(used)
