"""Asks a shared limiter, from as many tasks and processes as a test wants.

As a program, `python -m tests.transforms.limits.sharing URL SECONDS MINUTE QUOTA`, it tells each
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

ADDRESS = LimiterAddress(redis="env:LIMITER", where="teachers.yaml:2")
_WORKERS = 8


@dataclass(frozen=True, slots=True)
class Granted:
    """A grant.

    Attributes:
        number: Which one it was in the server's count.
        at: When, by the server's clock.
        used: What came to be counted of it.
    """

    number: int
    at: float
    used: Tokens


def work(today: DayUsage | None = None, **quota: Any) -> RouteWork:
    """Returns a route with a quota, and nothing to ask of it."""
    route = make_route("http://t/v1", quota=Quota(**quota), timeouts=Timeouts(response_seconds=0.2))
    return RouteWork(route, (), today=today or DayUsage())


@asynccontextmanager
async def limiters(
    url: str, minute: float = 60.0, clock: Clock | None = None
) -> AsyncIterator[RedisLimiters]:
    """Connects to a server whose minute may be shorter."""
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
    tell: Callable[[Granted], None],
) -> None:
    """Asks for as much as is granted.

    Args:
        gate: Who is asked.
        seconds: For how long.
        workers: How many tasks ask.
        uses: Draws what a request reserves, and what it turns out to use.
        tell: Told of each grant.
    """
    ends = time.monotonic() + seconds

    async def one() -> None:
        while time.monotonic() < ends:
            reserved, used = uses()
            grant = await gate.acquire(reserved)
            assert isinstance(grant, Grant), grant
            reservation = grant.reservation
            assert isinstance(reservation, SharedReservation)
            tell(Granted(reservation.number, reservation.at, used or reserved))
            await asyncio.sleep(0.005)
            gate.settle(grant, used)

    await asyncio.gather(*(one() for _ in range(workers)))


def _tell(granted: Granted) -> None:
    line = [granted.number, granted.at, granted.used.prompt, granted.used.completion]
    print(json.dumps(line), flush=True)


async def _main(url: str, seconds: float, minute: float, quota: dict[str, Any]) -> None:
    async with limiters(url, minute) as made:
        gate = made.limiter(work(**quota))
        await ask_much(gate, seconds, _WORKERS, lambda: (Tokens(20, 80), Tokens(20, 40)), _tell)


if __name__ == "__main__":
    _, url, seconds, minute, quota = sys.argv
    asyncio.run(_main(url, float(seconds), float(minute), json.loads(quota)))
