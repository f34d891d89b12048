"""Our own caps on a run and on a month: reserved before a request is sent, settled afterwards.

Money is counted in whole picodollars, so that a million small sums add up exactly.
"""

from __future__ import annotations

import asyncio
import functools
import math
from dataclasses import dataclass
from fractions import Fraction

from schemas.inputs.budget import Budget as Caps
from schemas.inputs.registry import Price
from schemas.money import add_known
from transforms.providers.tokens import Tokens

_PICO = 10**12


@dataclass(frozen=True, slots=True)
class Spend:
    """Money, requests and tokens that something costs.

    Attributes:
        picodollars: Millionths of a millionth of a US dollar; None if unknown.
        requests: Attempts sent.
        tokens: Tokens of prompts and completions together.
    """

    picodollars: int | None = 0
    requests: int = 0
    tokens: int = 0

    def __add__(self, other: Spend) -> Spend:
        return Spend(
            add_known(self.picodollars, other.picodollars),
            self.requests + other.requests,
            self.tokens + other.tokens,
        )

    def __sub__(self, other: Spend) -> Spend:
        theirs = other.picodollars
        return Spend(
            add_known(self.picodollars, None if theirs is None else -theirs),
            self.requests - other.requests,
            self.tokens - other.tokens,
        )

    @property
    def usd(self) -> float | None:
        """US dollars; None if unknown."""
        return None if self.picodollars is None else self.picodollars / _PICO


def cost(tokens: Tokens, price: Price) -> Spend:
    """Returns the cost of one attempt; fractions of a picodollar are rounded up, for each token.

    It is unknown if tokens were used whose price is unknown.
    """
    prompt = _cost_of(tokens.prompt, price.input_usd_per_million)
    completion = _cost_of(tokens.completion, price.output_usd_per_million)
    return Spend(add_known(prompt, completion), 1, tokens.total)


class BudgetTracker:
    """The budget of a slice, shared by all its routes.

    Args:
        caps: The run's budget; a None in it sets no cap.
        share: This slice's share of it; the shares of all slices sum to at most 1.
        spent: What the slice spent in an earlier try of the same run.
        month: What other runs spent this month, all slices together.

    Attributes:
        limited: Whether there is any cap.
        monthly: Whether a month's money is limited, over all runs.
        spent: What is spent and settled. An attempt of unknown cost counts as what was reserved;
            one that cost more than that counts as far as the budget has room.
    """

    def __init__(
        self,
        caps: Caps,
        share: Fraction = Fraction(1),
        *,
        spent: Spend | None = None,
        month: Spend | None = None,
    ) -> None:
        before = (month or Spend()).picodollars
        self._picodollars = min(
            _floor(caps.usd, share * _PICO),
            # If the month's spending is unknown, none of its cap is left.
            -1
            if caps.usd_per_month is not None and before is None
            else _floor(caps.usd_per_month, share * _PICO, share * (before or 0)),
        )
        self.monthly = caps.usd_per_month is not None
        self.limited = caps != Caps()
        self._requests = _floor(caps.requests, share)
        self._tokens = _floor(caps.tokens, share)
        self.spent = spent or Spend()
        self._committed = self.spent  # with what is reserved
        self._turn = asyncio.Lock()
        self._settled = asyncio.Event()

    async def reserve(self, most: Spend) -> bool:
        """Reserves what an attempt may cost; waits while attempts in flight may still leave room.

        Args:
            most: The most that it can cost.

        Returns:
            Whether it is reserved. If not, the budget is spent.
        """
        if not self._turn.locked() and self._take(most):
            return True  # the usual case: nothing waits, and there is room
        async with self._turn:
            while not self._take(most):
                if not self._fits(self.spent + most):
                    return False
                self._settled.clear()
                await self._settled.wait()
            return True

    def take(self, most: Spend) -> bool:
        """Reserves what something may cost if there is room for it now; never waits.

        Args:
            most: The most that it can cost.

        Returns:
            Whether it is reserved.
        """
        return self._take(most)

    @property
    def capped(self) -> bool:
        """Whether money or tokens have a cap."""
        return min(self._picodollars, self._tokens) < math.inf

    def careful(self, least: Spend, most: Spend) -> Spend:
        """Returns what to reserve for an attempt of which little is known.

        Args:
            least: What it costs by its request.
            most: What it may cost at worst.

        Returns:
            The most, but not more than half of what is left; at least `least`.
        """
        paid, worst, tokens = least.picodollars, most.picodollars, least.tokens
        if paid is not None and worst is not None and self.spent.picodollars is not None:
            half = (self._picodollars - self.spent.picodollars) / 2
            paid = max(paid, int(min(worst, half)))
        half = (self._tokens - self.spent.tokens) / 2
        return Spend(paid, least.requests, max(tokens, int(min(most.tokens, half))))

    def adopt(self, reserved: Spend) -> None:
        """Takes over reservations of an earlier process, which are not settled yet.

        They may exceed the budget: then nothing else is reserved until they are settled.
        """
        self._committed += reserved

    def settle(self, reserved: Spend, spent: Spend | None) -> None:
        """Replaces what was reserved for an attempt by what it cost.

        Args:
            reserved: What was reserved.
            spent: What it cost; None if that is unknown, which counts as what was reserved.
        """
        spent = reserved if spent is None else self._within(reserved, spent)
        self._committed += spent - reserved
        self.spent += spent
        self._settled.set()

    def release(self, reserved: Spend) -> None:
        """Gives back what was reserved for an attempt that was not sent."""
        self.settle(reserved, Spend())

    def _within(self, reserved: Spend, spent: Spend) -> Spend:
        """Returns what an attempt cost; beyond what was reserved, only what there is room for."""
        least, paid, committed = (
            reserved.picodollars,
            spent.picodollars,
            self._committed.picodollars,
        )
        if least is not None and paid is not None and committed is not None and paid > least:
            paid = int(min(paid, max(least, self._picodollars - committed + least)))
        tokens = spent.tokens
        if tokens > reserved.tokens:
            room = self._tokens - self._committed.tokens + reserved.tokens
            tokens = int(min(tokens, max(reserved.tokens, room)))
        return Spend(paid, spent.requests, tokens)

    def _take(self, most: Spend) -> bool:
        total = self._committed + most
        if not self._fits(total):
            return False
        self._committed = total
        return True

    def _fits(self, total: Spend) -> bool:
        if total.picodollars is None:
            fits = self._picodollars == math.inf  # an unknown sum fits only where money has no cap
        else:
            fits = total.picodollars <= self._picodollars
        return fits and total.requests <= self._requests and total.tokens <= self._tokens


def _cost_of(tokens: int, usd_per_million: float | None) -> int | None:
    if usd_per_million is None:
        return None if tokens else 0
    return tokens * _picodollars(usd_per_million)


@functools.cache
def _picodollars(usd_per_million: float) -> int:
    """Returns the price of a token, rounded up."""
    return math.ceil(Fraction(str(usd_per_million)) * (_PICO // 10**6))


def _floor(cap: float | None, factor: Fraction, less: Fraction = Fraction(0)) -> float:
    return math.inf if cap is None else math.floor(Fraction(str(cap)) * factor - less)
