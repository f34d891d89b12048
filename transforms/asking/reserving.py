"""Reserves the cost of one route's attempts, also where a server bills more than requests allow.

A few servers count reasoning beside a request's limit of tokens, which only an answer can show (see
`transforms.providers.usage_reading`). So before the first answer each attempt reserves reasoning
too, as far as half of the budget's rest covers it; without room for that, attempts wait for the
first answer. From then on each reserves as much beyond its limit as the most that was seen.
"""

from __future__ import annotations

import asyncio

from schemas.inputs.registry import Route
from transforms.asking.progress import RouteProgress
from transforms.limits.budget import BudgetTracker, Spend, cost
from transforms.providers.tokens import NO_TOKENS, Tokens
from transforms.providers.usage_reading import MOST_REASONING_BEYOND

_NOTHING = Spend()
_MOST_BEYOND = Tokens(0, MOST_REASONING_BEYOND)


class RouteBudget:
    """The budget, as one route uses it.

    Args:
        budget: The budget of all routes.
        route: The route.
        progress: Where it is noted that the server bills beyond a limit.
    """

    def __init__(self, budget: BudgetTracker, route: Route, progress: RouteProgress) -> None:
        self._budget = budget
        self._route = route
        self._progress = progress
        self._beyond = NO_TOKENS  # the most that was seen
        self._seen = not budget.capped
        self._open = 0  # reservations that are not settled
        self._settled = asyncio.Event()

    async def reserve(self, most: Tokens) -> Spend | None:
        """Reserves what an attempt may cost; waits while others in flight may still leave room.

        Args:
            most: The most tokens that its request allows.

        Returns:
            What is reserved; None if the budget is spent.
        """
        if not self._budget.limited:
            self._open += 1
            return _NOTHING
        reserved = None if self._seen else await self._reserve_unseen(most)
        if reserved is None:
            reserved = cost(most + self._beyond, self._route.price)
            if not await self._budget.reserve(reserved):
                return None
        self._open += 1
        return reserved

    def settle(self, reserved: Spend, most: Tokens, used: Tokens | None) -> Spend:
        """Replaces what was reserved for an attempt by what it cost.

        Args:
            reserved: What was reserved.
            most: The most tokens that the request allows.
            used: What the attempt used; None if that is unknown, which counts as the most.

        Returns:
            What it cost, or can have cost at most.
        """
        spent = cost(most + self._beyond if used is None else used, self._route.price)
        if used is None:
            self._seen = True  # this server may never say what an answer used
        elif used.completion:
            self._learn(used.completion - most.completion)
        self._give_back(reserved, spent)
        return spent

    def release(self, reserved: Spend) -> None:
        """Gives back what was reserved for an attempt that was not sent."""
        self._give_back(reserved, Spend())

    def _give_back(self, reserved: Spend, spent: Spend) -> None:
        self._open -= 1
        self._budget.settle(reserved, spent)
        self._settled.set()

    def _learn(self, beyond: int) -> None:
        self._seen = True
        if beyond > self._beyond.completion:
            self._beyond = Tokens(0, beyond)
            self._progress.note_beyond(self._route.id, beyond)

    async def _reserve_unseen(self, most: Tokens) -> Spend | None:
        """Reserves reasoning too; None if that has become needless, or is more than there is."""
        price = self._route.price
        while not self._seen:
            careful = self._budget.careful(cost(most, price), cost(most + _MOST_BEYOND, price))
            if self._budget.take(careful):
                return careful
            if not self._open:
                return None
            self._settled.clear()
            await self._settled.wait()
        return None
