"""What asking has come to so far: counters that a display may read from another thread."""

from __future__ import annotations

from dataclasses import dataclass, field

from schemas.codes import Outcome, StopReason


@dataclass(slots=True)
class RouteProgress:
    """What became of the requests of one route.

    Every request ends in one of `from_ledger`, `answered`, `failed` and `pending`.

    Attributes:
        from_ledger: Answered before: by an earlier run, or by an earlier try of this one.
        answered: Answered now.
        failed: Ended without an answer, by reason code.
        pending: Not asked, or asked without an end: a later run will ask them.
        asked: Requests that were sent at least once.
        attempts: How often something was sent.
        in_flight: Attempts that wait for an answer at this moment.
        unrepaired: Follow-ups to answers that were not asked: a later run asks them.
        uncertain: Attempts that may have been answered, and paid for, without our seeing it.
        prompt_tokens: Sent, as the teacher counted.
        completion_tokens: Received, as the teacher counted.
        usd: What both cost, US dollars.
        usd_uncertain: The most that the answers and attempts of unknown cost can have cost.
        throttled_seconds: How long the route waited for its quota.
        stopped: Why it was asked no more although requests were left.
        detail: The same in a sentence, for a person.
    """

    from_ledger: int = 0
    answered: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    pending: int = 0
    asked: int = 0
    attempts: int = 0
    in_flight: int = 0
    unrepaired: int = 0
    uncertain: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    usd: float = 0.0
    usd_uncertain: float = 0.0
    throttled_seconds: float = 0.0
    stopped: StopReason | None = None
    detail: str = ""

    @property
    def failures(self) -> int:
        """Requests that ended without an answer."""
        return sum(tuple(self.failed.values()))

    @property
    def ended(self) -> int:
        """Requests that are accounted for."""
        return self.from_ledger + self.answered + self.failures + self.pending

    def count_ended(self, outcome: str) -> None:
        """Counts a request of which nothing was left to be asked, by its outcome."""
        if outcome == Outcome.ANSWER:
            self.from_ledger += 1
        else:
            self.fail(outcome)

    def fail(self, outcome: str) -> None:
        """Counts a request that ended without an answer."""
        self.failed[outcome] = self.failed.get(outcome, 0) + 1


# By id of the route. It is filled before the first request is sent, and no key comes later.
Progress = dict[str, RouteProgress]
