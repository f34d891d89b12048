"""Notices a host that no connection has ever reached, so that a run need not wait for it.

A host that has answered before is waited for, as the retry policy says: it may be restarting.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from schemas.codes import Outcome
from transforms.providers.http_client import Exchange

# As long as a host takes to be back after a short interruption; a wrong name or port is never back.
GIVE_UP_SECONDS = 5.0
GIVE_UP_FAILURES = 5

_NO_CONNECTION = (Outcome.CONNECTION_FAILED, Outcome.CONNECT_TIMEOUT)


@dataclass(slots=True)
class Reach:
    """Whether a host was ever reached, by any request to it.

    Attributes:
        monotonic: Gives the time, in seconds.
        reached: Whether a connection was made.
        failures: Attempts without a connection so far.
        since: When the first of them ended.
    """

    monotonic: Callable[[], float]
    reached: bool = False
    failures: int = 0
    since: float = 0.0

    def never_reached(self, exchange: Exchange) -> bool:
        """Returns whether an attempt made no connection, as none before it did."""
        return not self.reached and exchange.outcome in _NO_CONNECTION

    def gives_up(self, exchange: Exchange) -> bool:
        """Returns whether the host counts as unreachable after one more attempt.

        Args:
            exchange: The result of the attempt.
        """
        if self.reached or exchange.outcome == Outcome.KEY_NOT_RENEWED:
            return False
        if exchange.outcome not in _NO_CONNECTION:
            self.reached = True
            return False
        if not self.failures:
            self.since = self.monotonic()
        self.failures += 1
        lasted = self.monotonic() - self.since
        return self.failures >= GIVE_UP_FAILURES and lasted >= GIVE_UP_SECONDS
