"""Keeps a route within its provider's quota, a minute's and a day's, and spreads requests evenly.

It also does what the server asks for meanwhile: a pause, or fewer requests at once. A
`QuotaCounter` counts what the quota leaves: of this process alone, or shared by many.
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
from transforms.providers.tokens import NO_TOKENS, Tokens


@dataclass(frozen=True, slots=True)
class DayUsage:
    """What a route was asked on a day, UTC."""

    requests: int = 0
    tokens: int = 0

    def __add__(self, other: DayUsage) -> DayUsage:
        return DayUsage(self.requests + other.requests, self.tokens + other.tokens)

    def part(self, share: Fraction) -> DayUsage:
        """Returns a slice's share of it, rounded up."""
        return DayUsage(math.ceil(self.requests * share), math.ceil(self.tokens * share))


@dataclass(frozen=True, slots=True)
class SentRequest:
    """A request that was sent within the last minute, before this run.

    Attributes:
        at: Seconds since 1970 UTC.
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
    """What is reserved for one request."""

    def settle(self, used: Tokens | None) -> None:
        """Replaces what was reserved by what was used; None, for unknown, changes nothing."""
        ...


class QuotaCounter(Protocol):
    """Counts what a route's quota leaves.

    Attributes:
        unlimited: Whether nothing is limited, so that nothing has to be reserved.
        limits_tokens: Whether any limit is one of tokens.
    """

    @property
    def unlimited(self) -> bool: ...

    @property
    def limits_tokens(self) -> bool: ...

    async def reserve(self, tokens: Tokens) -> Reservation | float | Denied:
        """Reserves what a request may use, if there is room for it now.

        Args:
            tokens: The most that it may use, by our estimate.

        Returns:
            The reservation; or the seconds after which to try again; or a denial, which is final.
        """
        ...


@dataclass(frozen=True, slots=True)
class Grant:
    """Permission to send one request. It is settled once the request has ended.

    Attributes:
        number: Number of the grant, from 1.
        reservation: What is reserved; None where nothing is limited.
    """

    number: int
    reservation: Reservation | None = None


class Limiter:
    """Grants requests in their order, each as soon as the quota has room for it.

    Args:
        counter: Counts what the quota leaves.
        concurrency: Most requests in flight at once.
        clock: The time, and how to wait.

    Attributes:
        concurrency: The same. The caller keeps to it; the limiter does not enforce it.
        limits_tokens: Whether any limit is one of tokens.
        throttled_seconds: How long the route has waited for its quota so far.
    """

    def __init__(self, counter: QuotaCounter, concurrency: int, clock: Clock) -> None:
        self.concurrency = concurrency
        self.limits_tokens = counter.limits_tokens
        self.throttled_seconds = 0.0
        self._counter = counter
        self._unlimited = counter.unlimited
        self._clock = clock
        self._window = ConcurrencyWindow(concurrency)
        self._held_until = -math.inf
        self._closed = False
        self._turn = asyncio.Lock()
        self._changed = asyncio.Event()

    async def acquire(self, tokens: Tokens) -> Grant | Denied:
        """Waits until a request may be sent.

        Args:
            tokens: The most that it may use, by our estimate.

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
                    answer = await self._counter.reserve(tokens)
                    if isinstance(answer, Denied):
                        return answer
                    if isinstance(answer, float):
                        await self._pause(answer)
                    else:
                        return self._grant(answer)
            return Denied(DenialReason.CLOSED)

    def settle(self, grant: Grant, used: Tokens | None) -> None:
        """Replaces what was reserved for a request by what it used.

        Args:
            grant: Its grant.
            used: What it used; None if that is unknown: then the reservation counts as used.
        """
        self._window.settle()
        if grant.reservation is not None:
            grant.reservation.settle(used)
        self._changed.set()

    def hold(self, seconds: float) -> None:
        """Sends nothing for some seconds, as the server asks."""
        self._held_until = max(self._held_until, self._clock.monotonic() + seconds)

    def note_answer(self) -> None:
        """Notes that the server answered a request: more may be in flight at once."""
        self._window.widen()

    def note_pushback(self, grant: Grant) -> None:
        """Notes that the server is overloaded: fewer are in flight at once from now on.

        Args:
            grant: The grant of the request that it rejected for that.
        """
        self._window.cut(grant.number)

    def close(self) -> None:
        """Grants nothing any more. Requests that wait are denied at once."""
        self._closed = True
        self._changed.set()

    def _is_free(self) -> bool:
        """Returns whether nothing limits a request now, and no other one waits."""
        return (
            self._unlimited
            and not self._closed
            and not self._turn.locked()
            and not self._window.is_full()
            and self._held_until <= self._clock.monotonic()
        )

    def _grant(self, reservation: Reservation) -> Grant | Denied:
        if self._closed:  # closed while the counter was asked: the reservation is not needed
            reservation.settle(NO_TOKENS)
            return Denied(DenialReason.CLOSED)
        return Grant(self._window.send(), reservation)

    async def _pause(self, seconds: float) -> None:
        """Waits, but no longer than until another request is settled."""
        with self._throttled():
            await self._clock.pause(seconds, self._changed)

    async def _until_settled(self) -> None:
        """Waits until another request is settled."""
        with self._throttled():
            await self._changed.wait()

    @contextlib.contextmanager
    def _throttled(self) -> Iterator[None]:
        began = self._clock.monotonic()
        yield
        self.throttled_seconds += self._clock.monotonic() - began


def slice_limit(route: Route, name: str, share: Fraction) -> int:
    """Returns a slice's part of one limit, rounded down so that all parts together never exceed it.

    Args:
        route: The route, with its quota.
        name: The limit: a field of `Quota` that is set.
        share: The slice's share; the shares of all slices sum to at most 1.

    Raises:
        InputError: The part is less than one.
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
