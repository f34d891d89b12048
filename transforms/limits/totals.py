"""What the responses of a ledger came to, by route, model and day."""

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


@dataclass(slots=True)
class UsageTotals:
    """What one model at one route was asked on one day.

    Attributes:
        requests: Requests that were sent; one that another run sent again counts again.
        attempts: How often something was sent.
        answered: Attempts that were answered.
        failed: Attempts that were not, by reason code.
        prompt_tokens: As the teacher counted.
        completion_tokens: The same.
        spent: What both cost.
        uncertain: Attempts of which nobody knows what they used.
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

    def add(self, response: Response, tokens: Tokens, told: bool) -> None:
        """Counts an attempt.

        Args:
            response: What came of it.
            tokens: What it used.
            told: Whether the teacher told; if not, it is the most that it can have been.
        """
        self.requests += response.attempt == 1
        self.attempts += 1
        self.answered += response.answered
        if not response.answered:
            self.failed[response.outcome] += 1
        spent = cost(tokens, recorded_price(response))
        if told:
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
        """Returns it as plain data, money in US dollars."""
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


# By route, model and day, UTC, ISO 8601.
TotalsByDay = dict[tuple[str, str, str], UsageTotals]


def usage_totals(ledger: ReaderLike) -> TotalsByDay:
    """Adds up all responses of a ledger.

    Memory grows with routes, models and days, not with responses.

    Args:
        ledger: The ledger.

    Returns:
        The accounts, in the order of route, model and day.

    Raises:
        StillroomError: An entry is damaged.
    """
    accounts: TotalsByDay = {}
    for response in ledger.since(0):
        model = (ledger.request(response.request_id) or {}).get("model", "")
        day = datetime.fromtimestamp(response.sent_at / 1000, UTC).date().isoformat()
        account = accounts.setdefault((response.route, model, day), UsageTotals())
        told = reported_tokens(response)
        account.add(response, told or tokens_at_most(ledger, response), told is not None)
    return dict(sorted(accounts.items()))
