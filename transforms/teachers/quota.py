"""Holds a route to its provider's quota: a minute's, a day's, and none of it all at once.

And to what the server itself says meanwhile: not before a time, or not so many at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from schemas.errors import InputError
from schemas.registry import Route
from transforms.teachers.clock import Clock
from transforms.teachers.pacing import Entry, Meter, Window
from transforms.teachers.tokens import Tokens

_DAY_SECONDS = 86_400

# Why nothing was granted: today's quota is spent; the request alone is more than a minute's quota;
# the limiter was closed while the request waited.
Denied = Literal["day", "too_large", "closed"]

_Amount = Callable[[Tokens], int]
_BY_MINUTE: dict[str, _Amount] = {
    "requests_per_minute": lambda _: 1,
    "tokens_per_minute": lambda tokens: tokens.total,
    "input_tokens_per_minute": lambda tokens: tokens.prompt,
    "output_tokens_per_minute": lambda tokens: tokens.completion,
}
_BY_DAY: dict[str, _Amount] = {
    "requests_per_day": lambda _: 1,
    "tokens_per_day": lambda tokens: tokens.total,
}


@dataclass(frozen=True, slots=True)
class DayUse:
    """What a route was asked today, UTC, before this run: by all workers, in all slices."""

    requests: int = 0
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Grant:
    """Leave to send one request, until it is settled.

    Attributes:
        tokens: What was reserved.
        number: Which one it is, from 1.
        day: Days since 1970 UTC.
        entries: What it counts for with each meter.
    """

    tokens: Tokens
    number: int
    day: int = 0
    entries: tuple[Entry, ...] = ()


class Limiter:
    """Grants requests in the order they come, each as soon as the quota has room for it.

    Args:
        route: The route, with its quota.
        share: This slice's share of it; the shares of all slices sum to at most 1.
        today: What was asked today before.
        clock: Tells the time and lets it pass.

    Attributes:
        concurrency: Requests that may be in flight at once: whoever asks keeps to it.
        counts_tokens: Whether any limit is one of tokens.
        throttled_seconds: How long the route had to wait for its quota so far.

    Raises:
        InputError: The share is less than one request.
    """

    def __init__(self, route: Route, share: Fraction, today: DayUse, clock: Clock) -> None:
        self._clock = clock
        granted = {
            name: _part(route, name, share)
            for name in (*_BY_MINUTE, *_BY_DAY, "concurrency")
            if getattr(route.quota, name) is not None
        }
        self.concurrency = granted["concurrency"]
        self.throttled_seconds = 0.0
        self._window = Window(self.concurrency)
        self._meters = [
            (Meter(granted[name]), amount) for name, amount in _BY_MINUTE.items() if name in granted
        ]
        used = {"requests_per_day": today.requests, "tokens_per_day": today.tokens}
        self._days = [
            _DayMeter(granted[name], math.ceil(used[name] * share), amount, self._day())
            for name, amount in _BY_DAY.items()
            if name in granted
        ]
        self.counts_tokens = any(
            name in granted for name in (*_BY_MINUTE, *_BY_DAY) if "tokens" in name
        )
        self._held_until = -math.inf
        self._closed = False
        self._turn = asyncio.Lock()
        self._changed = asyncio.Event()

    async def acquire(self, tokens: Tokens) -> Grant | Denied:
        """Waits until a request may be sent.

        Args:
            tokens: The most that it can come to, as far as we can tell.

        Returns:
            A grant, to be settled; or why there is none.
        """
        if self._is_free():
            return Grant(tokens, self._window.send())
        async with self._turn:
            while True:
                if denied := self._denied(tokens):
                    return denied
                if self._window.is_full():
                    await self._until_settled()
                elif (wait := self._wait(tokens)) > 0:
                    await self._pause(wait)
                else:
                    return self._grant(tokens)

    def settle(self, grant: Grant, used: Tokens | None) -> None:
        """Puts what a request used in place of what was reserved for it.

        Args:
            grant: Its grant.
            used: What it used; None where nobody knows, which keeps what was reserved.
        """
        self._window.settle()
        for day in self._days:
            day.settle(grant, used or grant.tokens)
        if used is not None:
            for (meter, amount), entry in zip(self._meters, grant.entries, strict=True):
                meter.settle(entry, amount(used))
        self._changed.set()

    def hold(self, seconds: float) -> None:
        """Sends nothing for some seconds, as the server asks."""
        self._held_until = max(self._held_until, self._clock.monotonic() + seconds)

    def note_answer(self) -> None:
        """Takes note that the server had room for a request: it may bear more at once."""
        self._window.widen()

    def note_pushback(self, grant: Grant) -> None:
        """Takes note that the server would rather not have been asked: fewer at once from now on.

        Args:
            grant: The grant of the request that it pushed back.
        """
        self._window.cut(grant.number)

    def close(self) -> None:
        """Grants nothing any more; whoever waits is told at once."""
        self._closed = True
        self._changed.set()

    def _is_free(self) -> bool:
        """Tells whether there is nothing to keep to just now, and nobody waits."""
        return not (
            self._meters
            or self._days
            or self._closed
            or self._turn.locked()
            or self._window.is_full()
            or self._held_until > self._clock.monotonic()
        )

    def _denied(self, tokens: Tokens) -> Denied | None:
        if self._closed:
            return "closed"
        if any(amount(tokens) > meter.limit for meter, amount in self._meters):
            return "too_large"
        for meter in self._days:
            meter.begin(self._day())
        return "day" if any(meter.is_spent(tokens) for meter in self._days) else None

    def _wait(self, tokens: Tokens) -> float:
        now = self._clock.monotonic()
        waits = [meter.wait(amount(tokens), now) for meter, amount in self._meters]
        if any(meter.may_be_spent(tokens) for meter in self._days):
            waits.append(_DAY_SECONDS - self._clock.wall() % _DAY_SECONDS)
        return max(self._held_until - now, *waits, 0.0)

    def _grant(self, tokens: Tokens) -> Grant:
        now, day = self._clock.monotonic(), self._day()
        for meter in self._days:
            meter.reserve(tokens)
        entries = tuple(meter.spend(amount(tokens), now) for meter, amount in self._meters)
        return Grant(tokens, self._window.send(), day, entries)

    async def _pause(self, seconds: float) -> None:
        """Waits; something settled in the meantime may make it shorter."""
        self._changed.clear()
        with self._throttled():
            await self._clock.pause(seconds, self._changed)

    async def _until_settled(self) -> None:
        """Waits until something is no longer in flight."""
        self._changed.clear()
        with self._throttled():
            await self._changed.wait()

    @contextlib.contextmanager
    def _throttled(self) -> Iterator[None]:
        began = self._clock.monotonic()
        yield
        self.throttled_seconds += self._clock.monotonic() - began

    def _day(self) -> int:
        return int(self._clock.wall() // _DAY_SECONDS)


class _DayMeter:
    """Holds one kind of amount to a limit a UTC day."""

    def __init__(self, limit: int, used: int, amount: _Amount, day: int) -> None:
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

    def settle(self, grant: Grant, used: Tokens) -> None:
        if grant.day == self._day:
            self._reserved -= self._amount(grant.tokens)
            self._used += self._amount(used)


def _part(route: Route, name: str, share: Fraction) -> int:
    """Returns a slice's part of one limit, rounded down so that the parts never exceed it."""
    limit: int = getattr(route.quota, name)
    part = math.floor(limit * share)
    if part < 1:
        raise InputError(
            f"route {route.id}: {name} cannot be shared by so many slices",
            where=route.where,
            found=f"{limit} for {math.ceil(1 / share)} slices",
            expected="at least one for each slice",
            remedy="run with fewer slices",
        )
    return part
