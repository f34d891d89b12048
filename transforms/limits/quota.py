"""Holds a route to its provider's quota: a minute's, a day's, and none of it all at once.

And to what the server itself says meanwhile: not before a time, or not so many at once. What the
quota leaves room for is an `Allowance`'s to tell: this process's own, or one shared by many.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Protocol

from schemas.errors import InputError
from schemas.inputs.registry import Route
from transforms.clock import Clock
from transforms.limits.pacing import ConcurrencyWindow
from transforms.providers.tokens import Tokens

DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class DayUsage:
    """What a route was asked today, UTC, before this run: by all workers, in all slices."""

    requests: int = 0
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class SentRequest:
    """A request that was sent before, not long ago.

    Attributes:
        at: When, seconds since 1970 UTC.
        tokens: What it used.
    """

    at: float
    tokens: Tokens


class DenialReason(StrEnum):
    """Why a request may not be sent."""

    DAY_SPENT = "day_spent"  # today's quota is used up
    TOO_LARGE = "too_large"  # the request alone exceeds the quota of a minute
    CLOSED = "closed"  # the limiter was closed while the request waited
    UNREACHABLE = "unreachable"  # the server that counts did not answer


@dataclass(frozen=True, slots=True)
class Denied:
    """A request may not be sent in this run.

    Attributes:
        reason: Why.
        detail: More about it, for a person; "" where the reason is enough.
    """

    reason: DenialReason
    detail: str = ""


class Reservation(Protocol):
    """What was set aside for one request."""

    def settle(self, used: Tokens | None) -> None:
        """Puts what was used in its place; None, where nobody knows, keeps what was reserved."""
        ...


class QuotaCounter(Protocol):
    """What a route's quota leaves room for.

    Attributes:
        unlimited: Whether nothing is limited, so that nobody need ask.
        limits_tokens: Whether any limit is one of tokens.
    """

    @property
    def unlimited(self) -> bool: ...

    @property
    def limits_tokens(self) -> bool: ...

    async def reserve(self, tokens: Tokens) -> Reservation | float | Denied:
        """Sets aside what a request may come to, if there is room for it now.

        Args:
            tokens: The most that it can come to, as far as we can tell.

        Returns:
            What was set aside; or the seconds after which to ask again; or why it never will be.
        """
        ...


@dataclass(frozen=True, slots=True)
class Grant:
    """Leave to send one request, until it is settled.

    Attributes:
        number: Which one it is, from 1.
        reservation: What was set aside for it; None where nothing is limited.
    """

    number: int
    reservation: Reservation | None = None


class Limiter:
    """Grants requests in the order they come, each as soon as the quota has room for it.

    Args:
        allowance: What the quota leaves room for.
        concurrency: Requests that may be in flight at once.
        clock: Tells the time and lets it pass.

    Attributes:
        concurrency: The same: whoever asks keeps to it.
        limits_tokens: Whether any limit is one of tokens.
        throttled_seconds: How long the route had to wait for its quota so far.
    """

    def __init__(self, allowance: QuotaCounter, concurrency: int, clock: Clock) -> None:
        self.concurrency = concurrency
        self.limits_tokens = allowance.limits_tokens
        self.throttled_seconds = 0.0
        self._allowance = allowance
        self._unlimited = allowance.unlimited
        self._clock = clock
        self._window = ConcurrencyWindow(concurrency)
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
            return Grant(self._window.send())
        async with self._turn:
            while not self._closed:
                self._changed.clear()
                if self._window.is_full():
                    await self._until_settled()
                elif (held := self._held_until - self._clock.monotonic()) > 0:
                    await self._pause(held)
                else:
                    answer = await self._allowance.reserve(tokens)
                    if isinstance(answer, Denied):
                        return answer
                    if isinstance(answer, float):
                        await self._pause(answer)
                    else:
                        return self._grant(answer)
            return Denied(DenialReason.CLOSED)

    def settle(self, grant: Grant, used: Tokens | None) -> None:
        """Puts what a request used in place of what was reserved for it.

        Args:
            grant: Its grant.
            used: What it used; None where nobody knows, which keeps what was reserved.
        """
        self._window.settle()
        if grant.reservation is not None:
            grant.reservation.settle(used)
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
        return (
            self._unlimited
            and not self._closed
            and not self._turn.locked()
            and not self._window.is_full()
            and self._held_until <= self._clock.monotonic()
        )

    def _grant(self, reservation: Reservation) -> Grant | Denied:
        if self._closed:  # while the allowance was asked: what it set aside is not needed
            reservation.settle(Tokens(0, 0))
            return Denied(DenialReason.CLOSED)
        return Grant(self._window.send(), reservation)

    async def _pause(self, seconds: float) -> None:
        """Waits; something settled in the meantime may make it shorter."""
        with self._throttled():
            await self._clock.pause(seconds, self._changed)

    async def _until_settled(self) -> None:
        """Waits until something is no longer in flight."""
        with self._throttled():
            await self._changed.wait()

    @contextlib.contextmanager
    def _throttled(self) -> Iterator[None]:
        began = self._clock.monotonic()
        yield
        self.throttled_seconds += self._clock.monotonic() - began


def slice_limit(route: Route, name: str, share: Fraction) -> int:
    """Returns a slice's part of one limit, rounded down so that the parts never exceed it.

    Args:
        route: The route, with its quota.
        name: The limit, a field of `Quota` that is set.
        share: The slice's share; the shares of all slices sum to at most 1.

    Raises:
        InputError: It is less than one.
    """
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
