"""Asks a shared limiter, from several tasks and processes.

As a program, `python -m tests.transforms.limits.sharing URL SECONDS MINUTE QUOTA`, it prints each
grant as a line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from schemas.inputs.registry import LimiterAddress, Quota, Timeouts
from tests.transforms.asking.asking import make_route
from transforms.clock import Clock
from transforms.limits.quota import DayUsage, Grant, Limiter
from transforms.limits.redis_limiters import RedisLimiters
from transforms.limits.route_work import RouteWork
from transforms.limits.shared_counter import SharedReservation
from transforms.providers.tokens import Tokens

PASSWORD = "correct-horse"
ADDRESS = LimiterAddress(redis="env:LIMITER", where="teachers.yaml:2")
_WORKERS = 8


@dataclass(frozen=True, slots=True)
class Granted:
    """A grant.

    Attributes:
        number: Its number in the server's count.
        at: Seconds, by the server's clock.
        tokens: What is counted of it in the end.
    """

    number: int
    at: float
    tokens: Tokens


def work(today: DayUsage | None = None, **quota: Any) -> RouteWork:
    """Returns a route with a quota and without requests."""
    route = make_route("http://t/v1", quota=Quota(**quota), timeouts=Timeouts(response_seconds=0.2))
    return RouteWork(route, (), today=today or DayUsage())


@asynccontextmanager
async def limiters(
    url: str, minute: float = 60.0, clock: Clock | None = None
) -> AsyncIterator[RedisLimiters]:
    """Connects to a server; its minute may be shorter."""
    async with RedisLimiters(
        ADDRESS,
        Fraction(1),
        clock or Clock(),
        environment={"LIMITER": url},
        minute_seconds=minute,
    ) as made:
        yield made


async def ask_much(
    gate: Limiter,
    seconds: float,
    workers: int,
    uses: Callable[[], tuple[Tokens, Tokens | None]],
    note: Callable[[Granted], None],
) -> None:
    """Asks for as many grants as possible.

    Args:
        gate: The limiter.
        seconds: How long to ask.
        workers: Number of tasks that ask.
        uses: Draws what a request reserves, and what it uses.
        note: Called with each grant.
    """
    ends = time.monotonic() + seconds

    async def one() -> None:
        while time.monotonic() < ends:
            reserved, used = uses()
            grant = await gate.acquire(reserved)
            assert isinstance(grant, Grant), grant
            reservation = grant.reservation
            assert isinstance(reservation, SharedReservation)
            note(Granted(reservation.number, reservation.at, used or reserved))
            await asyncio.sleep(0.005)
            gate.settle(grant, used)

    await asyncio.gather(*(one() for _ in range(workers)))


def _print(granted: Granted) -> None:
    line = [granted.number, granted.at, granted.tokens.prompt, granted.tokens.completion]
    print(json.dumps(line), flush=True)


async def _main(url: str, seconds: float, minute: float, quota: dict[str, Any]) -> None:
    async with limiters(url, minute) as made:
        gate = made.limiter(work(**quota))
        await ask_much(gate, seconds, _WORKERS, lambda: (Tokens(20, 80), Tokens(20, 40)), _print)


if __name__ == "__main__":
    _, url, seconds, minute, quota = sys.argv
    asyncio.run(_main(url, float(seconds), float(minute), json.loads(quota)))
