"""Counts a quota within one process: its slice's part of the route's quota.

The parts of all slices together never exceed the quota, so slices need not communicate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from schemas.inputs.registry import Route
from transforms.clock import DAY_SECONDS, Clock
from transforms.limits.pacing import MinuteLimit, PacedRequest
from transforms.limits.quota import (
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
        today: What was asked today before, as far as it counts against the slice's part.
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
        today: What was asked today before, as far as it counts against the slice's part.
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
        self._lag = lag = clock.wall() - clock.monotonic()
        for sent in minute:
            for minute_limit, amount in self._minutes:
                minute_limit.spend(amount(sent.tokens), sent.at - lag)
        used = {"requests_per_day": today.requests, "tokens_per_day": today.tokens}
        self._days = [
            _DayLimit(limits[name], amount, dict.fromkeys(self._today(), used[name]))
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
            day.settle(reserved.tokens, used or reserved.tokens, reserved.days | self._today())
        if used is not None:
            for (minute_limit, amount), entry in zip(self._minutes, reserved.entries, strict=True):
                minute_limit.settle(entry, amount(used))

    def _denied(self, tokens: Tokens) -> Denied | None:
        if any(amount(tokens) > minute_limit.limit for minute_limit, amount in self._minutes):
            return Denied(DenialReason.TOO_LARGE)
        if any(day.is_spent(tokens, self._today()) for day in self._days):
            return Denied(DenialReason.DAY_SPENT)
        return None

    def _wait(self, tokens: Tokens) -> float:
        now = self._clock.monotonic()
        waits = [minute_limit.wait(amount(tokens), now) for minute_limit, amount in self._minutes]
        if any(day.may_be_spent(tokens, self._today()) for day in self._days):
            waits.append(DAY_SECONDS - self._clock.wall() % DAY_SECONDS)
        return max(waits, default=0.0)

    def _reserve(self, tokens: Tokens) -> _Reserved:
        now = self._clock.monotonic()
        for day in self._days:
            day.reserve(tokens)
        entries = tuple(
            minute_limit.spend(amount(tokens), now) for minute_limit, amount in self._minutes
        )
        days = self._today() if self._days else frozenset[int]()
        return _Reserved(self, tokens, days, entries)

    def _today(self) -> frozenset[int]:
        """Returns the day, as days since 1970 UTC; two, where the clocks differ.

        If the wall clock was stepped forward, it may be wrong. So what is sent then counts for the
        day that it shows, and for the day by the time that has passed.
        """
        times = self._clock.wall(), self._clock.monotonic() + self._lag
        return frozenset(int(time // DAY_SECONDS) for time in times)


@dataclass(frozen=True, slots=True)
class _Reserved:
    """What is reserved for one request.

    Attributes:
        counter: Where it is reserved.
        tokens: What is reserved.
        days: The days, since 1970 UTC, for which it counts.
        entries: What it counts in each limit of a minute.
    """

    counter: LocalQuotaCounter
    tokens: Tokens
    days: frozenset[int]
    entries: tuple[PacedRequest, ...]

    def settle(self, used: Tokens | None) -> None:
        self.counter.settle(self, used)


class _DayLimit:
    """Keeps one kind of amount within a limit a UTC day.

    What is in flight at midnight counts for both days, since it may arrive on either.
    """

    def __init__(self, limit: int, amount: Amount, used: dict[int, int]) -> None:
        self._limit = limit
        self._amount = amount
        self._used = used  # by day
        self._reserved = 0

    def is_spent(self, tokens: Tokens, days: frozenset[int]) -> bool:
        """Returns whether what is used leaves no room on one of some days."""
        return self._most(days) + self._amount(tokens) > self._limit

    def may_be_spent(self, tokens: Tokens, days: frozenset[int]) -> bool:
        """Returns whether what is used and what is reserved leave no room."""
        return self._most(days) + self._reserved + self._amount(tokens) > self._limit

    def reserve(self, tokens: Tokens) -> None:
        self._reserved += self._amount(tokens)

    def settle(self, reserved: Tokens, used: Tokens, days: frozenset[int]) -> None:
        self._reserved -= self._amount(reserved)
        for day in days:
            self._used[day] = self._used.get(day, 0) + self._amount(used)

    def _most(self, days: frozenset[int]) -> int:
        return max(self._used.get(day, 0) for day in days)
