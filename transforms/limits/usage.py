"""What was used before: by an earlier try of this very run, today by any run, and this month.

The ledger knows. So a piece of work that broke off goes on with what is left of its budget, and a
day's quota and a month's budget hold across runs.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from schemas.codes import Outcome
from schemas.inputs.registry import Price, Route
from schemas.prompts import Message
from schemas.responses import BATCH_ID, Response
from transforms.ledger import ReaderLike
from transforms.limits.budget import Spend, cost
from transforms.limits.quota import DayUsage, SentRequest
from transforms.providers.apis import Api, find_api
from transforms.providers.http_client import Exchange
from transforms.providers.tokens import NO_TOKENS, Tokens, most_tokens_of

_DAY_MILLISECONDS = 86_400_000
_MINUTE_MILLISECONDS = 61_000  # a little more: what is sent arrives later
NOT_SENT = (
    Outcome.CONNECT_TIMEOUT,
    Outcome.CONNECTION_FAILED,
    Outcome.TLS_FAILED,
    Outcome.KEY_NOT_RENEWED,
)
# What a provider did not do of a batch, it does not charge for:
# https://platform.claude.com/docs/en/build-with-claude/batch-processing, "Tracking your batch", and
# https://help.openai.com/en/articles/9197833-batch-api-faq
_NOT_CHARGED = (
    *NOT_SENT,
    Outcome.BATCH_CANCELLED,
    Outcome.BATCH_EXPIRED,
    Outcome.BATCH_FAILED,
    Outcome.BATCH_TOKEN_LIMIT_EXCEEDED,
)


@dataclass(slots=True)
class PastUsage:
    """What was used before.

    Attributes:
        spent: By an earlier try of this slice in this run.
        today: By every route, since 0:00 UTC, by all slices and runs.
        minute: By every route, in the last minute, oldest first: by this slice in this run, and by
            other runs.
        month: By other runs, of whatever routes, since the first of the month, UTC.
    """

    spent: Spend = field(default_factory=Spend)
    today: dict[str, DayUsage] = field(default_factory=dict)
    minute: dict[str, list[SentRequest]] = field(default_factory=dict)
    month: Spend = field(default_factory=Spend)


def past_usage(
    ledger: ReaderLike,
    routes: Mapping[str, Route],
    *,
    run_id: str,
    run_started: int,
    now: int,
    mine: Callable[[str], bool],
    monthly: bool = False,
) -> PastUsage:
    """Finds out what was used before.

    Args:
        ledger: Every response there is.
        routes: The routes of the run.
        run_id: The run.
        run_started: When it was launched, milliseconds since 1970 UTC.
        now: The time, the same.
        mine: Whether a request belongs to the slice.
        monthly: Whether the month is of interest: all of it has to be read.

    Returns:
        What was used; where nobody knows how much, the most that it can have been.
    """
    used = PastUsage()
    midnight, first = now - now % _DAY_MILLISECONDS, _first_of_month(now)
    by_day = any(
        route.quota.requests_per_day or route.quota.tokens_per_day for route in routes.values()
    )
    minute = now - _MINUTE_MILLISECONDS
    since = min(run_started, minute, midnight if by_day else now, first if monthly else now)
    for response in ledger.since(since):
        route = routes.get(response.route)
        tokens = tokens_at_most(ledger, response, find_api(route.api) if route else None)
        live = BATCH_ID not in response.headers  # a batch does not count against the quota
        if live and route is not None and response.sent_at >= midnight:
            before = used.today.get(route.id, DayUsage())
            today = DayUsage(before.requests + 1, before.tokens + tokens.total)
            used.today[route.id] = today
        ours = response.run_id == run_id
        counts = mine(response.request_id) if ours else True
        if live and route is not None and response.sent_at > minute and counts:
            used.minute.setdefault(route.id, []).append(
                SentRequest(response.sent_at / 1000, tokens)
            )
        if not ours:
            if response.sent_at >= first:
                used.month += cost(tokens, recorded_price(response))
        elif counts:
            used.spent += cost(tokens, recorded_price(response))
    for sent in used.minute.values():
        sent.sort(key=lambda one: one.at)
    return used


def tokens_at_most(ledger: ReaderLike, response: Response, api: Api | None = None) -> Tokens:
    """Returns what an attempt used; where nobody knows, the most that it can have been.

    Args:
        ledger: Knows what was asked.
        response: What came of the attempt.
        api: Reads the answer; None where it is not known, which tries all that there are.
    """
    return reported_tokens(response, api) or _most(ledger, response.request_id)


def reported_tokens(response: Response, api: Api | None = None) -> Tokens | None:
    """Returns what an attempt used; None where only the teacher knows; see `tokens_of`."""
    used = (tokens_used(each, response) for each in ((api,) if api else _apis()))
    return next((tokens for tokens in used if tokens is not None), None)


def tokens_used(api: Api, came: Exchange | Response) -> Tokens | None:
    """Returns what an attempt used; None where only the teacher knows.

    Args:
        api: Reads the answer.
        came: What came of the attempt.
    """
    if came.answered:
        usage = api.usage(came.body)
        if usage.prompt_tokens is None or usage.completion_tokens is None:
            return None
        return Tokens(usage.prompt_tokens, usage.completion_tokens)
    refused = came.status is not None and came.status >= 300
    return NO_TOKENS if refused or came.outcome in _NOT_CHARGED else None


@functools.cache
def _apis() -> tuple[Api, ...]:
    return tuple(find_api(name) for name in ("openai-chat", "anthropic-messages", "gemini"))


def _first_of_month(now: int) -> int:
    day = datetime.fromtimestamp(now / 1000, UTC)
    return int(datetime(day.year, day.month, 1, tzinfo=UTC).timestamp() * 1000)


def _most(ledger: ReaderLike, request_id: str) -> Tokens:
    request = ledger.request(request_id) or {"messages": [], "parameters": "{}"}
    messages = [Message(turn["role"], turn["content"]) for turn in request["messages"]]
    return most_tokens_of(messages, request["parameters"])


def recorded_price(response: Response) -> Price:
    """Returns what the route asked for when it was asked."""
    return Price(
        input_usd_per_million=response.input_usd_per_million,
        output_usd_per_million=response.output_usd_per_million,
    )
