"""Reads from the ledger what was used before: by an earlier try of the run, today, this month.

So a slice that was interrupted continues with the rest of its budget, and the quota of a day and
the budget of a month hold across runs.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction

from schemas.codes import Outcome
from schemas.inputs.registry import Price, Route
from schemas.prompts import Message
from schemas.responses import BATCH_ID, Response
from transforms.ledger import LostAttempt, ReaderLike
from transforms.limits.budget import Spend, cost
from transforms.limits.quota import DayUsage, SentRequest
from transforms.providers.apis import Api, find_api
from transforms.providers.http_client import Exchange
from transforms.providers.tokens import (
    NO_TOKENS,
    Tokens,
    most_tokens,
    most_tokens_of,
    plausible_tokens,
)
from transforms.providers.usage_reading import bounded_usage

_DAY_MILLISECONDS = 86_400_000
_MINUTE_MILLISECONDS = 61_000  # a little more, since requests arrive later than they are sent
# What was sent so long before midnight may have arrived after it: then it counts for both days.
_IN_FLIGHT_MILLISECONDS = 900_000
# Usage is held against its request, which costs a look-up, if it is more than this, or more tokens
# than the answer has bytes.
_LONG_PROMPT_TOKENS = 2**17
NOT_SENT = (
    Outcome.CONNECT_TIMEOUT,
    Outcome.CONNECTION_FAILED,
    Outcome.TLS_FAILED,
    Outcome.KEY_NOT_RENEWED,
)
# A provider does not charge for the part of a batch that it did not do:
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
        today: By route: since 0:00 UTC, by all slices and runs.
        slice_today: By route: what of that counts against this slice's part of the quota: what it
            sent itself in this run, and its share of what other runs sent.
        minute: By route: in the last minute, oldest first, by this slice in this run and by other
            runs.
        month: By other runs, at any route, since the first of the month, UTC.
        latest: When the newest of these was sent, seconds since 1970 UTC. It may be later than the
            clock, if that was stepped back.
    """

    spent: Spend = field(default_factory=Spend)
    today: dict[str, DayUsage] = field(default_factory=dict)
    slice_today: dict[str, DayUsage] = field(default_factory=dict)
    minute: dict[str, list[SentRequest]] = field(default_factory=dict)
    month: Spend = field(default_factory=Spend)
    latest: float = 0.0


def past_usage(
    ledger: ReaderLike,
    routes: Mapping[str, Route],
    *,
    run_id: str,
    run_started: int,
    now: int,
    mine: Callable[[str], bool],
    monthly: bool = False,
    lost: Iterable[LostAttempt] = (),
    share: Fraction = Fraction(1),
    price_now: Callable[[str], Price] = lambda _: Price(),
) -> PastUsage:
    """Returns what was used before; of unknown usage counts the most that it can have been.

    What is dated later than the present counts as if it were of today and of this month: either
    its clock was ahead, or ours is behind. What is dated more than a day later does not count,
    since it would until its date has come.

    Args:
        ledger: All responses.
        routes: The routes of the run.
        run_id: The run.
        run_started: When it was launched, milliseconds since 1970 UTC.
        now: The present time, milliseconds since 1970 UTC.
        mine: Returns whether a request, by its id, belongs to this slice.
        monthly: Whether to read the whole month, for its spending.
        lost: Attempts that are not in the ledger, since their processes died.
        share: This slice's share of each quota.
        price_now: Returns the present price of a route: it counts where a response holds none.
    """
    by_day = any(
        route.quota.requests_per_day or route.quota.tokens_per_day for route in routes.values()
    )
    midnight, first = now - now % _DAY_MILLISECONDS, _first_of_month(now)
    minute = now - _MINUTE_MILLISECONDS
    since = min(
        run_started,
        minute,
        midnight - _IN_FLIGHT_MILLISECONDS if by_day else now,
        first if monthly else now,
    )
    behind = _DAY_MILLISECONDS if by_day or monthly else 0
    used = PastUsage()
    others: dict[str, DayUsage] = {}
    for response, tokens in _attempts(ledger, routes, since, behind, lost):
        if response.sent_at > now + _DAY_MILLISECONDS:
            continue
        used.latest = max(used.latest, response.sent_at / 1000)
        ours = response.run_id == run_id
        counts = mine(response.request_id) if ours else True
        # A batch does not count against the quota.
        live = response.route in routes and BATCH_ID not in response.headers
        if live and max(response.sent_at, response.received_at) >= midnight:
            one = DayUsage(1, tokens.total)
            _count(used.today, response.route, one)
            if counts:
                _count(used.slice_today if ours else others, response.route, one)
        if live and counts and response.sent_at > minute:
            sent = SentRequest(response.sent_at / 1000, tokens)
            used.minute.setdefault(response.route, []).append(sent)
        if not ours and response.sent_at >= first:
            used.month += cost(tokens, _price(response, price_now))
        elif ours and counts:
            used.spent += cost(tokens, _price(response, price_now))
    for name, usage in others.items():
        _count(used.slice_today, name, usage.part(share))
    for minutes in used.minute.values():
        minutes.sort(key=lambda one: one.at)
    return used


def _attempts(
    ledger: ReaderLike,
    routes: Mapping[str, Route],
    since: int,
    behind: int,
    lost: Iterable[LostAttempt],
) -> Iterator[tuple[Response, Tokens]]:
    """Yields attempts since a moment, with the most tokens that each can have used."""
    for response in ledger.since(since, behind=behind):
        route = routes.get(response.route)
        yield response, tokens_at_most(ledger, response, find_api(route.api) if route else None)
    for response, request in lost:
        if response.sent_at >= since:
            yield response, most_tokens(request)


def _count(usage: dict[str, DayUsage], route: str, more: DayUsage) -> None:
    usage[route] = usage.get(route, DayUsage()) + more


def tokens_at_most(ledger: ReaderLike, response: Response, api: Api | None = None) -> Tokens:
    """Returns what an attempt used; if that is unknown, the most that it can have used.

    Args:
        ledger: Holds the requests.
        response: The attempt's response.
        api: The API of the answer; None tries all of them.
    """
    tokens = reported_tokens(response, api)
    if tokens is None:
        return most_tokens_of(*_asked(ledger, response.request_id))
    if tokens.completion <= len(response.body) and tokens.prompt <= _LONG_PROMPT_TOKENS:
        return tokens
    most = plausible_tokens(*_asked(ledger, response.request_id))
    return reported_tokens(response, api, most) or tokens


def reported_tokens(
    response: Response, api: Api | None = None, most: Tokens | None = None
) -> Tokens | None:
    """Returns what an attempt used, None if that is unknown.

    Args:
        response: The attempt's response.
        api: The API of the answer; None tries all of them.
        most: See `tokens_used`.
    """
    used = (tokens_used(each, response, most) for each in ((api,) if api else _apis()))
    return next((tokens for tokens in used if tokens is not None), None)


def tokens_used(api: Api, result: Exchange | Response, most: Tokens | None = None) -> Tokens | None:
    """Returns what an attempt used; None if that is unknown.

    Args:
        api: The API of the answer.
        result: What the attempt brought.
        most: The most tokens that a server can have used for the request (`plausible_tokens`);
            more is not believed. None believes every number.
    """
    if result.status is not None and 200 <= result.status < 300:
        usage = api.usage(result.body)
        if most is not None:
            usage = bounded_usage(usage, most)
        if usage.prompt_tokens is None or usage.completion_tokens is None:
            return None
        return Tokens(usage.prompt_tokens, usage.completion_tokens)
    refused = result.status is not None and result.status >= 300
    return NO_TOKENS if refused or result.outcome in _NOT_CHARGED else None


@functools.cache
def _apis() -> tuple[Api, ...]:
    return tuple(find_api(name) for name in ("openai-chat", "anthropic-messages", "gemini"))


def _first_of_month(now: int) -> int:
    day = datetime.fromtimestamp(now / 1000, UTC)
    return int(datetime(day.year, day.month, 1, tzinfo=UTC).timestamp() * 1000)


def _asked(ledger: ReaderLike, request_id: str) -> tuple[list[Message], str]:
    """Returns the messages and the parameters of a request."""
    request = ledger.request(request_id) or {"messages": [], "parameters": "{}"}
    messages = [Message(turn["role"], turn["content"]) for turn in request["messages"]]
    return messages, request["parameters"]


def _price(response: Response, price_now: Callable[[str], Price]) -> Price:
    recorded = recorded_price(response)
    if recorded.known:
        return recorded
    price = price_now(response.route)
    return price.in_batch() if BATCH_ID in response.headers else price


def recorded_price(response: Response) -> Price:
    """Returns the price at the time of a response, which is recorded with it."""
    return Price(
        input_usd_per_million=response.input_usd_per_million,
        output_usd_per_million=response.output_usd_per_million,
    )
