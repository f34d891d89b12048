"""A limiter waits, counts its waits, can be closed, and spares an overloaded server."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from fractions import Fraction

import pytest

from schemas.inputs.registry import Quota
from tests import virtual_time
from tests.transforms.asking.asking import make_route
from tests.transforms.limits.simulation import limiter
from transforms.limits.local_counter import local_limiter
from transforms.limits.quota import DayUsage, DenialReason, Denied, Grant, Limiter
from transforms.providers.tokens import NO_TOKENS, Tokens


def test_a_waiting_request_is_denied_when_the_limiter_closes() -> None:
    async def run() -> tuple[float, Grant | Denied]:
        gate = limiter(virtual_time.clock(), requests_per_minute=1)
        await gate.acquire(Tokens(0, 0))
        asyncio.get_running_loop().call_later(3, gate.close)
        denied = await gate.acquire(Tokens(0, 0))
        return asyncio.get_running_loop().time(), denied

    assert virtual_time.run(run()) == (3, Denied(DenialReason.CLOSED))


def test_nothing_is_sent_while_the_server_asks_to_wait() -> None:
    async def run() -> tuple[float, float]:
        gate = limiter(virtual_time.clock())
        gate.hold(20)
        gate.hold(5)
        await gate.acquire(Tokens(0, 0))
        return asyncio.get_running_loop().time(), gate.throttled_seconds

    assert virtual_time.run(run()) == (20, 20)


def test_waiting_time_is_counted_once_for_all_that_wait() -> None:
    async def run() -> tuple[float, float]:
        gate = limiter(virtual_time.clock(), requests_per_minute=60)
        await asyncio.gather(*(gate.acquire(Tokens(0, 0)) for _ in range(10)))
        return asyncio.get_running_loop().time(), gate.throttled_seconds

    elapsed, throttled = virtual_time.run(run())
    assert throttled == pytest.approx(elapsed)
    assert elapsed == pytest.approx(9 / 0.985, rel=0.01)


CEILING = 64


@dataclass(slots=True)
class Server:
    """Answers so many requests at once, and rejects all others.

    Attributes:
        bears: How many at once.
        served: Times of the answers.
        refused: Times of the rejections.
    """

    bears: int
    served: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    _in_flight: int = 0

    async def ask(self) -> bool:
        now = asyncio.get_running_loop().time
        await asyncio.sleep(0.01)
        if self._in_flight >= self.bears:
            self.refused.append(now())
            return False
        self._in_flight += 1
        await asyncio.sleep(0.1)
        self._in_flight -= 1
        self.served.append(now())
        return True


def ask_for(seconds: float, server: Server) -> None:
    """Sends as much as a limiter grants. A rejected request comes again after a second."""

    async def work(gate: Limiter) -> None:
        now = asyncio.get_running_loop().time
        while now() < seconds:
            grant = await gate.acquire(NO_TOKENS)
            assert isinstance(grant, Grant)
            answered = await server.ask()
            gate.settle(grant, NO_TOKENS)
            if answered:
                gate.note_answer()
            else:
                gate.note_pushback(grant)
                await asyncio.sleep(1.0)

    async def run() -> None:
        route = make_route("http://t/v1", quota=Quota(concurrency=CEILING))
        gate = local_limiter(route, Fraction(1), DayUsage(), virtual_time.clock())
        async with asyncio.TaskGroup() as workers:
            for _ in range(CEILING):
                workers.create_task(work(gate))

    virtual_time.run(run())


@pytest.mark.parametrize("bears", [4, 10, 40])
def test_a_busy_server_gets_about_as_many_requests_as_it_can_answer(bears: int) -> None:
    server = Server(bears)
    ask_for(30, server)
    possible = bears * 30 / 0.11
    assert len(server.served) >= 0.6 * possible
    after_the_first_second = [at for at in server.refused if at > 1]
    assert len(after_the_first_second) <= 0.25 * len(server.served)


def test_a_server_that_is_never_overloaded_gets_all_requests_in_flight() -> None:
    server = Server(CEILING)
    ask_for(10, server)
    assert not server.refused
    assert len(server.served) >= 0.95 * CEILING * 10 / 0.11


def test_the_same_rejections_lead_to_the_same_requests() -> None:
    first, second = Server(10), Server(10)
    ask_for(20, first)
    ask_for(20, second)
    assert (first.served, first.refused) == (second.served, second.refused)
