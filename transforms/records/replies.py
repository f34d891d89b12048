"""Reads what the ledger holds for a request: the answer to use, and the cost of all answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from schemas.canonical import sha256
from schemas.inputs.registry import Route
from schemas.money import to_column
from schemas.requests import Request
from schemas.responses import Completion, Malformed, Response, Usage
from transforms.ahead import map_ahead
from transforms.asking.repair import mismatch, repair_request
from transforms.ledger import ReaderLike
from transforms.ledger.retries import deciding
from transforms.limits.budget import Spend, cost
from transforms.limits.usage import recorded_price, reported_tokens
from transforms.providers.apis import Api, find_api
from transforms.providers.tokens import NO_TOKENS, Tokens, most_tokens, plausible_tokens
from transforms.providers.usage_reading import bounded_usage


@dataclass(frozen=True, slots=True)
class PaidAnswer:
    """The cost of one answer.

    Attributes:
        run_id: The run that paid for it.
        usage: Its tokens.
        spend: Their cost at the price recorded with the answer, unknown if that is unknown; zero
            if the tokens are not known.
    """

    run_id: str
    usage: Usage
    spend: Spend


@dataclass(frozen=True, slots=True)
class Replies:
    """What the ledger holds for one request.

    Attributes:
        response: The response to use; None if there is none.
        completion: The completion parsed from it, or why there is none; None without an answer.
        repairs: The first answer, if a follow-up to it is used instead.
        paid: Cost of each answer, in order.
        uncertain: Most that may have been paid beyond that: for attempts that broke off, answers
            without token counts, and second answers to the same request.
    """

    response: Response | None = None
    completion: Completion | Malformed | None = None
    repairs: Response | None = None
    paid: tuple[PaidAnswer, ...] = ()
    uncertain: Spend = field(default_factory=Spend)

    @property
    def repair_of(self) -> str:
        """SHA-256 of the body of the first answer if a follow-up is used instead, else ""."""
        return sha256(self.repairs.body) if self.repairs else ""

    @property
    def usage(self) -> Usage:
        """Tokens of all answers together; a count is None if one answer does not report it."""
        each = [paid.usage for paid in self.paid]
        return Usage(
            prompt_tokens=_sum(usage.prompt_tokens for usage in each),
            completion_tokens=_sum(usage.completion_tokens for usage in each),
            cached_tokens=_sum(usage.cached_tokens for usage in each),
            reasoning_tokens=_sum(usage.reasoning_tokens for usage in each),
            doubt=next((usage.doubt for usage in each if usage.doubt), None),
        )

    @property
    def spend(self) -> Spend:
        """Cost of all answers together."""
        return sum((each.spend for each in self.paid), Spend())

    @property
    def usd(self) -> float:
        """Cost of all answers together, US dollars; NaN if unknown, as the shards hold it."""
        return to_column(self.spend.usd)


def read_all_replies(
    ledger: ReaderLike, routes: Mapping[str, Route], requests: Iterable[Request]
) -> Iterator[tuple[Request, Replies]]:
    """Reads what the ledger holds for some requests, several at once.

    Args:
        ledger: Holds the responses; it limits how many are read at once.
        routes: Routes by id.
        requests: The requests. Some are drawn before the first is returned.

    Returns:
        Each request with its replies, in the order given.
    """

    def read(request: Request) -> tuple[Request, Replies]:
        return request, read_replies(ledger, routes[request.teacher], request)

    return map_ahead(read, requests, ledger.at_once)


def read_replies(ledger: ReaderLike, route: Route, request: Request) -> Replies:
    """Reads what the ledger holds for a request and for the follow-up to its answer.

    Args:
        ledger: Holds the responses.
        route: The route asked.
        request: The request.
    """
    api = find_api(route.api)
    attempts = ledger.attempts(request.request_id)
    first = deciding(ledger.usable(attempts))
    alone = Replies(first, uncertain=_uncertain(api, request, attempts, first))
    if first is None or not first.answered:
        return alone
    completion, paid = _read(api, request, first)
    alone = replace(alone, completion=completion, paid=(paid,))
    following = repair_request(request, completion) if isinstance(completion, Completion) else None
    return _with_repair(ledger, api, following, alone) if following else alone


def _with_repair(ledger: ReaderLike, api: Api, following: Request, alone: Replies) -> Replies:
    """Returns an answer with its follow-up, which is used if it matches the JSON Schema."""
    attempts = ledger.attempts(following.request_id)
    second = deciding(ledger.usable(attempts))
    uncertain = alone.uncertain + _uncertain(api, following, attempts, second)
    if second is None or not second.answered:
        return replace(alone, uncertain=uncertain)
    repaired, paid = _read(api, following, second)
    both = replace(alone, paid=(*alone.paid, paid), uncertain=uncertain)
    if not isinstance(repaired, Completion) or mismatch(following, repaired) is not None:
        return both
    return replace(both, response=second, completion=repaired, repairs=alone.response)


def _uncertain(
    api: Api, request: Request, attempts: list[Response], used: Response | None
) -> Spend:
    """Returns the most that attempts may have cost, without the answer that is used."""
    total = Spend()
    plausible = plausible_tokens(request.messages, request.parameters)
    for response in attempts:
        tokens = reported_tokens(response, api, plausible)
        if tokens is None:
            total += cost(most_tokens(request), recorded_price(response))
        elif tokens.total and not (response.answered and response is used):
            total += cost(tokens, recorded_price(response))
    return total


def _read(
    api: Api, request: Request, response: Response
) -> tuple[Completion | Malformed, PaidAnswer]:
    answer = api.parse(response.body)
    usage = answer.usage if isinstance(answer, Completion) else api.usage(response.body)
    usage = bounded_usage(usage, plausible_tokens(request.messages, request.parameters))
    prompt, completion = usage.prompt_tokens, usage.completion_tokens
    known = prompt is not None and completion is not None
    tokens = Tokens(prompt or 0, completion or 0) if known else NO_TOKENS
    return answer, PaidAnswer(response.run_id, usage, cost(tokens, recorded_price(response)))


def _sum(counts: Iterator[int | None]) -> int | None:
    found = list(counts)
    known = [count for count in found if count is not None]
    return sum(known) if found and len(known) == len(found) else None
