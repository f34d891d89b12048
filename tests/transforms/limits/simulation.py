"""A load on a limiter in virtual time, and what a server sees of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from random import Random
from typing import Any, Protocol

from schemas.inputs.registry import Quota
from tests import virtual_time
from tests.transforms.asking.asking import make_route, seeded
from transforms.clock import Clock
from transforms.limits.local_counter import local_limiter
from transforms.limits.quota import DayUsage, Grant, Limiter, SentRequest
from transforms.providers.tokens import Tokens

WHOLE = Fraction(1)


@dataclass(frozen=True, slots=True)
class Load:
    """How requests behave.

    Attributes:
        reserved: What each reserves.
        uses: Draws what one uses; None for unknown.
        latency: Draws the seconds until it is settled.
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
    """Sends as much as a quota grants, for some seconds of virtual time."""
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


class Sent(Protocol):
    """A request: when it was sent, and what is counted of it."""

    @property
    def at(self) -> float: ...

    @property
    def tokens(self) -> Tokens: ...


def fullest(sent: Sequence[Sent], seconds: float, amount: Callable[[Tokens], int]) -> int:
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
