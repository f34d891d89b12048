"""Counts what was asked, route by route; a display may read the counts from another thread."""

from __future__ import annotations

from dataclasses import dataclass, field

from schemas.codes import Outcome, StopReason
from schemas.money import add_known
from transforms.providers.tokens import Tokens

_MOST_ERRORS = 10
# A refusal that names neither prompt nor account may be about one prompt (a firewall's page). After
# so many in a row, it is about the account.
ACCESS_REFUSALS_IN_A_ROW = 5
WITHDRAWN = (401, 403)
_GRAVE = (StopReason.ACCESS, StopReason.TERMS, StopReason.MONEY)


@dataclass(slots=True)
class RouteProgress:
    """The counts of one route.

    Every request is counted once in `from_ledger`, `answered`, `failed` or `pending`.

    Attributes:
        from_ledger: Answered by an earlier run, or by an earlier try of this one.
        answered: Answered by this try.
        failed: Ended without an answer, by outcome.
        pending: Left to a later run: not asked, or asked without an end.
        asked: Requests that were sent at least once.
        attempts: Requests sent, retries included.
        in_flight: Attempts that wait for an answer now.
        unrepaired: Follow-ups to answers that were not asked: a later run asks them.
        uncertain: Attempts without an answer that may have been paid for.
        prompt_tokens: Tokens sent, by the teacher's count.
        completion_tokens: Tokens received, by the teacher's count.
        usd: Cost of both, US dollars; None if the route's price is unknown.
        usd_uncertain: The most that answers and attempts with unknown tokens can have cost; None
            as for `usd`.
        throttled_seconds: Time that the route waited for its quota.
        stopped: Why the route was stopped with requests left; None where it was not.
        detail: The same as a sentence.
        errors: What the server sent to requests that failed or are pending: a sentence by outcome
            and code; and whether it returned the key.
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
    usd: float | None = 0.0
    usd_uncertain: float | None = 0.0
    throttled_seconds: float = 0.0
    stopped: StopReason | None = None
    detail: str = ""
    errors: dict[str, str] = field(default_factory=dict)

    @property
    def failures(self) -> int:
        """Requests that ended without an answer."""
        return sum(tuple(self.failed.values()))

    @property
    def ended(self) -> int:
        """Requests that are counted."""
        return self.from_ledger + self.answered + self.failures + self.pending

    def count_ended(self, outcome: str) -> None:
        """Counts a request that had ended before, by its outcome."""
        if outcome == Outcome.ANSWER:
            self.from_ledger += 1
        else:
            self.fail(outcome)

    def fail(self, outcome: str) -> None:
        """Counts a request that ended without an answer."""
        self.failed[outcome] = self.failed.get(outcome, 0) + 1

    def stop(self, reason: StopReason, detail: str) -> None:
        """Notes why the route stops with requests left: the first of the gravest is kept."""
        if self.stopped is None or (reason in _GRAVE and self.stopped not in _GRAVE):
            self.stopped, self.detail = reason, detail

    def note_error(self, outcome: str, code: str, sentence: str) -> None:
        """Keeps what a server sent, once for each outcome and code, and only so many."""
        if len(self.errors) < _MOST_ERRORS:
            self.errors.setdefault(f"{outcome} {code}", sentence)

    def note_returned_key(self, url: str) -> None:
        """Keeps that a server returned the key that it was sent."""
        sentence = f"{url}: the server returned your key. stillroom masked it; others may not"
        self.note_error("returned_key", "", sentence)

    def note_beyond(self, route: str, tokens: int) -> None:
        """Keeps that a server counts more tokens than a request allows."""
        sentence = f"{route}: the server counts up to {tokens} tokens beyond what a request allows"
        self.errors["beyond_limit"] = f"{sentence}; from now on so many more are reserved for each"

    def count_cost(self, used: Tokens, usd: float | None) -> None:
        """Counts the tokens and the cost of an attempt."""
        self.prompt_tokens += used.prompt
        self.completion_tokens += used.completion
        self.usd = add_known(self.usd, usd)

    def count_unknown_cost(self, most_usd: float | None, *, answered: bool) -> None:
        """Counts an attempt of unknown cost by its maximum."""
        self.usd_uncertain = add_known(self.usd_uncertain, most_usd)
        self.uncertain += not answered


# By id of the route. All routes are added before the first request is sent.
Progress = dict[str, RouteProgress]
