"""A server that pushes back is asked less at once, and as much as it bears."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.inputs.registry import Quota
from tests import virtual_time
from tests.transforms.asking.asking import make_route
from transforms.limits.local_counter import local_limiter
from transforms.limits.pacing import ConcurrencyWindow
from transforms.limits.quota import DayUsage, Grant, Limiter
from transforms.providers.tokens import Tokens

CEILING = 64
NONE = Tokens(0, 0)


@dataclass(slots=True)
class Server:
    """Bears so many at once, and pushes all others back.

    Attributes:
        bears: How many.
        served: When each was answered.
        refused: When each was pushed back.
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
    """Asks as much as a limiter lets through; what was pushed back comes again after a second."""

    async def work(gate: Limiter) -> None:
        now = asyncio.get_running_loop().time
        while now() < seconds:
            grant = await gate.acquire(NONE)
            assert isinstance(grant, Grant)
            answered = await server.ask()
            gate.settle(grant, NONE)
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
def test_a_busy_server_is_asked_as_much_as_it_bears_and_little_more(bears: int) -> None:
    server = Server(bears)
    ask_for(30, server)
    possible = bears * 30 / 0.11
    assert len(server.served) >= 0.6 * possible
    after_the_first_second = [at for at in server.refused if at > 1]
    assert len(after_the_first_second) <= 0.25 * len(server.served)


def test_a_server_that_never_pushes_back_is_asked_up_to_the_ceiling() -> None:
    server = Server(CEILING)
    ask_for(10, server)
    assert not server.refused
    assert len(server.served) >= 0.95 * CEILING * 10 / 0.11


def test_the_same_pushbacks_lead_to_the_same_requests() -> None:
    first, second = Server(10), Server(10)
    ask_for(20, first)
    ask_for(20, second)
    assert (first.served, first.refused) == (second.served, second.refused)


def test_those_in_flight_at_a_cut_do_not_cut_again() -> None:
    window = ConcurrencyWindow(CEILING)
    in_flight = [window.send() for _ in range(CEILING)]
    for number in in_flight:
        window.cut(number)
    assert window.size == CEILING // 2
    window.cut(window.send())
    assert window.size == CEILING // 4


def test_a_round_trip_of_answers_widens_by_about_one() -> None:
    window = ConcurrencyWindow(CEILING)
    window.cut(window.send())
    for _ in range(window.size):
        window.widen()
    assert CEILING // 2 < window.size + 1 <= CEILING // 2 + 2


@given(st.integers(1, 100), st.lists(st.booleans(), max_size=300))
def test_the_window_stays_between_one_and_the_ceiling(ceiling: int, answers: list[bool]) -> None:
    window = ConcurrencyWindow(ceiling)
    for answered in answers:
        number = window.send()
        window.settle()
        if answered:
            window.widen()
        else:
            window.cut(number)
        assert 1 <= window.size <= ceiling
        assert not window.is_full()
