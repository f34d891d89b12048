"""What a route is to be asked, and what all that ask share: client, ledger, guard, budget."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

from schemas.requests import Request
from schemas.stops import Stopped
from schemas.terms import Verdict
from transforms.clock import Clock
from transforms.ledger import WriterLike
from transforms.limits.budget import BudgetTracker
from transforms.limits.route_work import MakeLimiter
from transforms.providers.http_client import HttpClient
from transforms.providers.keys import Key


class Asking(Protocol):
    """Whatever asks a route: a lane, or a lane of batches."""

    account: tuple[str, Key | None]

    def halt(self, reason: Stopped, detail: str) -> None:
        """Sends nothing more; what is in flight finishes. The first reason stands."""


@dataclass(frozen=True, slots=True)
class AskingContext:
    """What all lanes share.

    Attributes:
        client: Sends.
        ledger: Keeps.
        permits: The guard's verdict on sending one request now; None forbids it too.
        budget: Our cap.
        run_id: The run that asks.
        limiter: Makes the limiter of a route.
        clock: Tells the time and lets it pass.
        random: Draws the jitter of pauses.
        lanes: All lanes.
    """

    client: HttpClient
    ledger: WriterLike
    permits: Callable[[Request], Verdict | None]
    budget: BudgetTracker
    run_id: str
    limiter: MakeLimiter
    clock: Clock
    random: Random
    lanes: list[Asking] = field(default_factory=list)

    def halt(self, reason: Stopped, detail: str) -> None:
        """Stops all lanes; what is in flight finishes."""
        for lane in self.lanes:
            lane.halt(reason, detail)

    def withdraw(self, account: tuple[str, Key | None], detail: str) -> None:
        """Stops every route of an account. Another account is never tried in its place."""
        for lane in self.lanes:
            if lane.account == account:
                lane.halt("access", f"{account[0]} no longer lets us ask: {detail}")

    def ended_before(self, request: Request) -> str:
        """Looks a request up in the ledger; returns its outcome if nothing is left to be asked.

        A failure of an earlier run is asked again, one of this run is not: this may be the second
        try of a piece of work that broke off.
        """
        known = self.ledger.outcome(request.request_id)
        if known is None or not known.final:
            return ""
        if known.answered:
            return "answer"
        before = self.ledger.snapshot.read(request.request_id)
        if before is None or before.run_id != self.run_id:
            return ""
        return before.outcome
