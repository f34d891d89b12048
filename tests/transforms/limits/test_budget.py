"""A budget is never exceeded, in any interleaving, and is used to its end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.inputs.budget import Budget as Caps
from schemas.inputs.registry import FREE, Price
from tests import virtual_time
from tests.money import known
from tests.transforms.asking.asking import seeded
from transforms.limits.budget import BudgetTracker, Spend, cost
from transforms.providers.tokens import Tokens

ONE = Spend(10, 1, 100)


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt: when it starts, how long it lasts, what it reserves and the share it uses."""

    start: float
    lasts: float
    most: int
    used: float | None


ATTEMPTS = st.lists(
    st.builds(
        Attempt,
        start=st.floats(0, 10),
        lasts=st.floats(0, 10),
        most=st.integers(1, 1000),
        used=st.none() | st.floats(0, 1),
    ),
    min_size=1,
    max_size=40,
)


@settings(max_examples=150)
@given(attempts=ATTEMPTS, tokens=st.integers(0, 5000), requests=st.none() | st.integers(0, 20))
def test_no_interleaving_exceeds_the_budget(
    attempts: list[Attempt], tokens: int, requests: int | None
) -> None:
    paid: list[int] = []

    async def make(budget: BudgetTracker, attempt: Attempt) -> None:
        await asyncio.sleep(attempt.start)
        most = Spend(0, 1, attempt.most)
        if not await budget.reserve(most):
            return
        await asyncio.sleep(attempt.lasts)
        used = None if attempt.used is None else int(attempt.most * attempt.used)
        paid.append(attempt.most if used is None else used)
        budget.settle(most, None if used is None else Spend(0, 1, used))
        assert sum(paid) <= tokens

    async def run() -> None:
        budget = BudgetTracker(Caps(tokens=tokens, requests=requests))
        await asyncio.gather(*(make(budget, attempt) for attempt in attempts))
        assert budget.spent == Spend(0, len(paid), sum(paid))

    virtual_time.run(run())
    assert requests is None or len(paid) <= requests


@pytest.mark.parametrize("seed", range(50))
def test_two_hundred_in_flight_spend_a_dollar_to_the_last_request(seed: int) -> None:
    chance, price, cap = (
        seeded(seed),
        Price(input_usd_per_million=1.0, output_usd_per_million=10.0),
        10**12,
    )
    most = cost(Tokens(400, 400), price)
    paid, in_flight, most_in_flight = 0, 0, 0

    async def work(budget: BudgetTracker) -> None:
        nonlocal paid, in_flight, most_in_flight
        while await budget.reserve(most):
            in_flight += 1
            most_in_flight = max(most_in_flight, in_flight)
            await asyncio.sleep(chance.expovariate(1.0))
            used = cost(Tokens(chance.randint(1, 400), chance.randint(1, 400)), price)
            reported = chance.random() < 0.95
            paid += known((used if reported else most).picodollars)
            in_flight -= 1
            assert paid <= cap
            budget.settle(most, used if reported else None)

    async def run() -> None:
        budget = BudgetTracker(Caps(usd=1.0))
        await asyncio.gather(*(work(budget) for _ in range(200)))
        assert budget.spent.picodollars == paid

    virtual_time.run(run())
    assert most_in_flight == 200
    assert cap - known(most.picodollars) < paid <= cap


def test_the_rest_of_the_budget_is_used() -> None:
    async def run() -> int:
        budget = BudgetTracker(Caps(tokens=1000))
        for count in range(100):
            if not await budget.reserve(ONE):
                return count
            budget.settle(ONE, Spend(0, 1, 30))
        return 100

    assert virtual_time.run(run()) == 31  # 30 x 30 are spent; then 100 fit just once


def test_a_request_waits_while_attempts_in_flight_may_leave_room() -> None:
    async def run() -> float:
        budget = BudgetTracker(Caps(requests=10, tokens=150))
        assert await budget.reserve(ONE)
        asyncio.get_running_loop().call_later(5, budget.settle, ONE, Spend(0, 1, 20))
        assert await budget.reserve(ONE)
        return asyncio.get_running_loop().time()

    assert virtual_time.run(run()) == 5


def test_a_request_that_can_never_fit_is_denied_at_once() -> None:
    async def run() -> None:
        budget = BudgetTracker(Caps(tokens=150))
        assert await budget.reserve(ONE)
        budget.settle(ONE, ONE)
        assert not await budget.reserve(ONE)

    virtual_time.run(run())


def test_an_unknown_cost_counts_as_reserved() -> None:
    async def run() -> Spend:
        budget = BudgetTracker(Caps())
        await budget.reserve(ONE)
        budget.settle(ONE, None)
        return budget.spent

    assert virtual_time.run(run()) == ONE


def test_the_reservation_of_an_attempt_that_was_not_sent_is_given_back() -> None:
    async def run() -> Spend:
        budget = BudgetTracker(Caps(requests=1))
        assert await budget.reserve(ONE)
        budget.release(ONE)
        assert await budget.reserve(ONE)
        return budget.spent

    assert virtual_time.run(run()) == Spend()


@given(slices=st.integers(1, 16), usd=st.decimals(0, 1000, places=6), requests=st.integers(0, 1000))
def test_the_parts_of_all_slices_never_exceed_the_whole(
    slices: int, usd: object, requests: int
) -> None:
    cap = float(str(usd))

    async def spend_all(budget: BudgetTracker, each: Spend) -> Spend:
        while await budget.reserve(each):
            budget.settle(each, each)
        return budget.spent

    async def run() -> tuple[int, int]:
        share = Fraction(1, slices)
        caps = Caps(usd=cap, requests=requests)
        money = max(1, int(cap * 10**12) // 50)
        parts = [
            await spend_all(BudgetTracker(caps, share), Spend(money, 1)) for _ in range(slices)
        ]
        return sum(known(part.picodollars) for part in parts), sum(part.requests for part in parts)

    picodollars, asked = virtual_time.run(run())
    assert Fraction(picodollars, 10**12) <= Fraction(str(cap))
    assert asked <= requests


async def spend_all(budget: BudgetTracker, usd: float) -> float:
    each = Spend(int(usd * 10**12), 1)
    while await budget.reserve(each):
        budget.settle(each, each)
    return known(budget.spent.usd)


@pytest.mark.parametrize(
    ("caps", "month", "spent"),
    [
        (Caps(usd_per_month=5.0), 0.0, 5.0),
        (Caps(usd_per_month=5.0), 3.5, 1.5),
        (Caps(usd_per_month=5.0), 7.0, 0.0),
        (Caps(usd=1.0, usd_per_month=5.0), 3.5, 1.0),
        (Caps(usd=9.0, usd_per_month=5.0), 3.5, 1.5),
        (Caps(usd=1.0), 3.5, 1.0),
    ],
)
@pytest.mark.parametrize("slices", [1, 2])
def test_a_month_has_only_what_other_runs_left_of_its_budget(
    caps: Caps, month: float, spent: float, slices: int
) -> None:
    before = Spend(int(month * 10**12))

    async def run() -> float:
        parts = [BudgetTracker(caps, Fraction(1, slices), month=before) for _ in range(slices)]
        return sum([await spend_all(part, 0.25) for part in parts])

    assert virtual_time.run(run()) == pytest.approx(spent)


@pytest.mark.parametrize(
    ("price", "picodollars"),
    [
        (
            Price(input_usd_per_million=1.0, output_usd_per_million=2.0),
            10 * 1_000_000 + 5 * 2_000_000,
        ),
        (Price(input_usd_per_million=0.15, output_usd_per_million=0.6), 10 * 150_000 + 5 * 600_000),
        (Price(input_usd_per_million=1e-7, output_usd_per_million=0.0), 10 * 1),
        (FREE, 0),
        (Price(), None),
        (Price(input_usd_per_million=1.0), None),
    ],
)
def test_a_cost_is_exact_or_rounded_up(price: Price, picodollars: int | None) -> None:
    assert cost(Tokens(10, 5), price) == Spend(picodollars, 1, 15)


def test_a_million_small_costs_add_up() -> None:
    total = Spend()
    for _ in range(1000):
        total += cost(Tokens(1, 0), Price(input_usd_per_million=0.1, output_usd_per_million=0.0))
    assert total.usd == 0.0001


def test_nothing_costs_nothing_whatever_the_price() -> None:
    assert cost(Tokens(0, 0), Price()).picodollars == 0
    assert cost(Tokens(7, 0), Price(input_usd_per_million=1.0)).picodollars == 7 * 10**6


def test_an_unknown_cost_fits_only_where_money_has_no_cap() -> None:
    unknown = cost(Tokens(10, 5), Price())
    for caps, fits in (
        (Caps(requests=1), True),
        (Caps(usd=1.0), False),
        (Caps(usd_per_month=1.0), False),
    ):
        assert BudgetTracker(caps).take(unknown) is fits
    assert not BudgetTracker(Caps(usd_per_month=1.0), month=unknown).take(Spend(requests=1))


def test_unknown_and_anything_is_unknown() -> None:
    unknown = Spend(None, 1, 5)
    assert Spend(7, 1, 5) + unknown == unknown + Spend(7, 1, 5) == Spend(None, 2, 10)
    assert (unknown - Spend(7, 1, 5)).usd is None


@pytest.mark.parametrize(
    ("paid", "counted"),
    [(Spend(30, 1, 4), Spend(30, 1, 4)), (Spend(95, 1, 9), Spend(90, 1, 8))],
    ids=["room", "no room"],
)
def test_more_than_was_reserved_counts_as_far_as_there_is_room(paid: Spend, counted: Spend) -> None:
    budget = BudgetTracker(Caps(usd=100e-12, tokens=10))
    first, second = Spend(20, 1, 2), Spend(10, 1, 2)
    assert budget.take(first)
    assert budget.take(second)
    budget.settle(first, paid)
    assert budget.spent == counted
    budget.settle(second, second)
    assert budget.spent == counted + second
