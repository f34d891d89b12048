"""What the loops that ask the routes share: client, ledger, guard, budget, clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

from schemas.codes import Outcome, StopReason
from schemas.requests import Request
from schemas.terms import Verdict
from transforms.asking.reach import Reach
from transforms.clock import Clock
from transforms.ledger import WriterLike
from transforms.limits.budget import BudgetTracker
from transforms.limits.route_work import MakeLimiter
from transforms.providers.http_client import HttpClient
from transforms.providers.key import Key
from transforms.providers.meaning import refuses_prompt


class AskLoop(Protocol):
    """A loop that asks one route: request by request, or in batches."""

    account: tuple[str, Key | None]

    def stop(self, reason: StopReason, detail: str) -> None:
        """Sends nothing more; requests in flight finish. Only the first reason is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskingContext:
    """What all loops share.

    Attributes:
        client: Sends requests.
        ledger: Stores responses.
        permits: The guard's verdict on sending one request now; None forbids it too.
        budget: The run's own caps.
        run_id: The run that asks.
        limiter: Makes the limiter of a route.
        clock: Gives the time and pauses.
        random: Draws the jitter of pauses.
        loops: All loops.
        hosts: Whether each host, with its port, was reached.
    """

    client: HttpClient
    ledger: WriterLike
    permits: Callable[[Request], Verdict | None]
    budget: BudgetTracker
    run_id: str
    limiter: MakeLimiter
    clock: Clock
    random: Random
    loops: list[AskLoop] = field(default_factory=list)
    hosts: dict[str, Reach] = field(default_factory=dict)

    def reach(self, host: str) -> Reach:
        """Returns whether a host, with its port, was reached: the same for all its routes."""
        return self.hosts.setdefault(host, Reach(self.clock.monotonic))

    def stop_all(self, reason: StopReason, detail: str) -> None:
        """Stops all loops; requests in flight finish."""
        for loop in self.loops:
            loop.stop(reason, detail)

    def stop_account(self, account: tuple[str, Key | None], detail: str) -> None:
        """Stops all routes of an account that lost access. No other account replaces it."""
        for loop in self.loops:
            if loop.account == account:
                loop.stop(StopReason.ACCESS, f"{account[0]} refuses access: {detail}")

    def earlier_outcome(self, request: Request) -> str:
        """Returns the outcome of a request that needs no more asking; "" where it must be asked.

        A failure of an earlier run is asked again, unless the server refused this very prompt. One
        of this run is not: this may be a second try of the same slice, after the first broke off.
        """
        known = self.ledger.outcome(request.request_id)
        if known is None or not known.final:
            return ""
        if known.answered:
            return Outcome.ANSWER
        before = self.ledger.snapshot.read(request.request_id)
        if before is None or (before.run_id != self.run_id and not refuses_prompt(before)):
            return ""
        return before.outcome
