"""Adds up the responses of a ledger by route, model and day."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from schemas.responses import Response
from transforms.ledger import ReaderLike
from transforms.limits.budget import Spend, cost
from transforms.limits.usage import recorded_price, reported_tokens, tokens_at_most
from transforms.providers.tokens import Tokens


@dataclass(slots=True, kw_only=True)
class UsageTotals:
    """Totals of one model at one route on one day.

    Attributes:
        requests: Requests that were sent; one that another run sent again counts again.
        attempts: Attempts that were sent.
        answered: Attempts that were answered.
        failed: Attempts that were not, by outcome.
        prompt_tokens: As the teacher counted.
        completion_tokens: The same.
        spent: The cost of both.
        uncertain: Attempts of unknown usage.
        most: The most that these can have cost.
    """

    requests: int = 0
    attempts: int = 0
    answered: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    prompt_tokens: int = 0
    completion_tokens: int = 0
    spent: Spend = field(default_factory=Spend)
    uncertain: int = 0
    most: Spend = field(default_factory=Spend)

    def add(self, response: Response, tokens: Tokens, *, reported: bool) -> None:
        """Counts an attempt.

        Args:
            response: Its response.
            tokens: What it used.
            reported: Whether the teacher reported that; if not, it is the most it can have used.
        """
        self.requests += response.attempt == 1
        self.attempts += 1
        self.answered += response.answered
        if not response.answered:
            self.failed[response.outcome] += 1
        spent = cost(tokens, recorded_price(response))
        if reported:
            self.prompt_tokens += tokens.prompt
            self.completion_tokens += tokens.completion
            self.spent += spent
        else:
            self.uncertain += 1
            self.most += spent

    def __iadd__(self, other: UsageTotals) -> UsageTotals:
        self.requests += other.requests
        self.attempts += other.attempts
        self.answered += other.answered
        self.failed += other.failed
        self.prompt_tokens += other.prompt_tokens
        self.completion_tokens += other.completion_tokens
        self.spent += other.spent
        self.uncertain += other.uncertain
        self.most += other.most
        return self

    def as_json(self) -> dict[str, Any]:
        """Returns the totals as plain data, money in US dollars."""
        return {
            "requests": self.requests,
            "attempts": self.attempts,
            "answered": self.answered,
            "failed": dict(sorted(self.failed.items())),
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "usd": self.spent.usd,
            "uncertain": self.uncertain,
            "usd_uncertain": self.most.usd,
        }


# By route, model and day (UTC, ISO 8601).
TotalsByDay = dict[tuple[str, str, str], UsageTotals]


def usage_totals(ledger: ReaderLike) -> TotalsByDay:
    """Adds up all responses of a ledger.

    Memory grows with routes, models and days, not with responses.

    Args:
        ledger: The ledger.

    Returns:
        The totals, sorted by route, model and day.

    Raises:
        StillroomError: An entry is damaged.
    """
    totals: TotalsByDay = {}
    for response in ledger.since(0):
        model = (ledger.request(response.request_id) or {}).get("model", "")
        day = datetime.fromtimestamp(response.sent_at / 1000, UTC).date().isoformat()
        total = totals.setdefault((response.route, model, day), UsageTotals())
        reported = reported_tokens(response) is not None
        total.add(response, tokens_at_most(ledger, response), reported=reported)
    return dict(sorted(totals.items()))
