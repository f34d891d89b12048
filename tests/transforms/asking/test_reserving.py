"""Before the first answer an attempt reserves reasoning too; after it, what answers have shown."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from schemas.inputs.budget import Budget as Caps
from schemas.inputs.registry import Price
from tests.money import known
from tests.transforms.asking.asking import make_route
from transforms.asking.progress import RouteProgress
from transforms.asking.reserving import RouteBudget
from transforms.limits.budget import BudgetTracker
from transforms.providers.tokens import NO_TOKENS, Tokens

MOST = Tokens(0, 100)
# A token of a completion costs a dollar.
PRICE = Price(input_usd_per_million=0, output_usd_per_million=1e6)


def run(caps: Caps, act: Callable[[RouteBudget], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        route = make_route("http://t/v1", price=PRICE)
        await asyncio.wait_for(act(RouteBudget(BudgetTracker(caps), route, RouteProgress())), 5)

    asyncio.run(main())


async def reserved(budget: RouteBudget) -> float | None:
    spend = await budget.reserve(MOST)
    return None if spend is None else known(spend.usd)


def test_at_first_half_of_the_rest_is_reserved_and_then_what_an_answer_showed() -> None:
    async def act(budget: RouteBudget) -> None:
        first, second = await budget.reserve(MOST), await budget.reserve(MOST)
        assert first is not None
        assert second is not None
        assert (first.usd, second.usd) == (500, 500)
        third = asyncio.create_task(reserved(budget))
        await asyncio.sleep(0)
        assert not third.done()
        assert known(budget.settle(first, MOST, Tokens(0, 130)).usd) == 130
        assert await third == 130
        budget.settle(second, MOST, Tokens(0, 20))
        assert await reserved(budget) == 130

    run(Caps(usd=1000), act)


def test_no_more_than_the_longest_reasoning_is_reserved() -> None:
    async def act(budget: RouteBudget) -> None:
        assert await reserved(budget) == 100 + 2**15

    run(Caps(usd=10**6), act)


def test_without_a_cap_on_money_or_tokens_nothing_more_is_reserved() -> None:
    async def act(budget: RouteBudget) -> None:
        assert await reserved(budget) == 100

    run(Caps(requests=5), act)


def test_a_small_budget_covers_a_request_all_the_same() -> None:
    async def act(budget: RouteBudget) -> None:
        assert await reserved(budget) == 100
        assert await asyncio.wait_for(_blocked(budget), 1)

    async def _blocked(budget: RouteBudget) -> bool:
        waiting = asyncio.create_task(reserved(budget))
        await asyncio.sleep(0)
        waiting.cancel()
        return not waiting.done()

    run(Caps(usd=150), act)


def test_attempts_that_show_nothing_let_the_others_go_on() -> None:
    async def act(budget: RouteBudget) -> None:
        for used in (NO_TOKENS, None):
            first = await budget.reserve(MOST)
            assert first is not None
            waiting = asyncio.create_task(budget.reserve(MOST))
            await asyncio.sleep(0)
            budget.settle(first, MOST, used)
            following = await waiting
            assert following is not None
            budget.release(following)

    run(Caps(tokens=260), act)


def test_a_spent_budget_is_said_at_once() -> None:
    async def act(budget: RouteBudget) -> None:
        first = await budget.reserve(MOST)
        assert first is not None
        budget.settle(first, MOST, Tokens(0, 90))
        assert await reserved(budget) is None

    run(Caps(usd=150), act)
