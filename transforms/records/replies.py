"""What the ledger holds for one request: the answer that counts, and all that was paid for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from schemas.canonical import sha256
from schemas.inputs.registry import Route
from schemas.requests import Request
from schemas.responses import Completion, Malformed, Response, Usage
from transforms.ahead import map_ahead
from transforms.asking.repair import mismatch, repair_request
from transforms.ledger import ReaderLike
from transforms.limits.budget import Spend, cost
from transforms.limits.usage import recorded_price, reported_tokens
from transforms.providers.apis import Api, find_api
from transforms.providers.tokens import Tokens, most_tokens


@dataclass(frozen=True, slots=True)
class Paid:
    """What one answer cost.

    Attributes:
        run_id: The run that paid for it.
        usage: Tokens.
        spend: By those, at the prices of its day; nothing where they are not known.
    """

    run_id: str
    usage: Usage
    spend: Spend


@dataclass(frozen=True, slots=True)
class Replies:
    """What the ledger holds for one request.

    Attributes:
        response: The response that counts; None where there is none.
        completion: What could be read out of it; None where it is no answer.
        repairs: The first answer, where the one that counts is a better one asked for later.
        paid: What each answer cost, the first one first.
        uncertain: The most that may have been paid for nothing: attempts that broke off, answers
            that do not tell what they used, and further answers to what had been answered.
    """

    response: Response | None = None
    completion: Completion | Malformed | None = None
    repairs: Response | None = None
    paid: tuple[Paid, ...] = ()
    uncertain: Spend = field(default_factory=Spend)

    @property
    def repair_of(self) -> str:
        """SHA-256 of the body of the first answer, where it is not the one that counts, or ""."""
        return sha256(self.repairs.body) if self.repairs else ""

    @property
    def usage(self) -> Usage:
        """Tokens of all answers together; None where those of one of them are not known."""
        each = [paid.usage for paid in self.paid]
        return Usage(
            prompt_tokens=_sum(usage.prompt_tokens for usage in each),
            completion_tokens=_sum(usage.completion_tokens for usage in each),
            cached_tokens=_sum(usage.cached_tokens for usage in each),
            reasoning_tokens=_sum(usage.reasoning_tokens for usage in each),
        )

    @property
    def spend(self) -> Spend:
        """What all answers cost together."""
        return sum((each.spend for each in self.paid), Spend())

    @property
    def usd(self) -> float:
        """The same in US dollars."""
        return self.spend.usd


def read_all_replies(
    ledger: ReaderLike, routes: Mapping[str, Route], requests: Iterable[Request]
) -> Iterator[tuple[Request, Replies]]:
    """Reads what the ledger holds for some requests, as many at once as it bears.

    Args:
        ledger: Holds the responses.
        routes: Routes by id.
        requests: What was asked; a few are drawn ahead.

    Returns:
        Each request with its replies, in the order given, as they are read.
    """

    def read(request: Request) -> tuple[Request, Replies]:
        return request, read_replies(ledger, routes[request.teacher], request)

    return map_ahead(read, requests, ledger.at_once)


def read_replies(ledger: ReaderLike, route: Route, request: Request) -> Replies:
    """Reads what the ledger holds for a request, the follow-up to its answer included.

    Args:
        ledger: Holds the responses.
        route: Whom it was asked of.
        request: What was asked.
    """
    api = find_api(route.api)
    attempts = ledger.attempts(request.request_id)
    first = _deciding(attempts)
    alone = Replies(first, uncertain=_uncertain(api, request, attempts))
    if first is None or not first.answered:
        return alone
    completion, paid = _read(api, first)
    alone = replace(alone, completion=completion, paid=(paid,))
    following = repair_request(request, completion) if isinstance(completion, Completion) else None
    return _mended(ledger, api, following, alone) if following else alone


def _mended(ledger: ReaderLike, api: Api, following: Request, alone: Replies) -> Replies:
    """Returns what the follow-up makes of an answer; the answer itself where that is no better."""
    attempts = ledger.attempts(following.request_id)
    second = _deciding(attempts)
    uncertain = alone.uncertain + _uncertain(api, following, attempts)
    if second is None or not second.answered:
        return replace(alone, uncertain=uncertain)
    mended, paid = _read(api, second)
    both = replace(alone, paid=(*alone.paid, paid), uncertain=uncertain)
    if not isinstance(mended, Completion) or mismatch(following, mended) is not None:
        return both
    return replace(both, response=second, completion=mended, repairs=alone.response)


def _deciding(attempts: list[Response]) -> Response | None:
    """Returns the response that counts, as `ReaderLike.read` does."""
    answers = (response for response in attempts if response.answered)
    return next(answers, attempts[-1] if attempts else None)


def _uncertain(api: Api, request: Request, attempts: list[Response]) -> Spend:
    """Adds up what attempts may have cost beyond the answer that counts."""
    total, counted = Spend(), _deciding(attempts)
    for response in attempts:
        told = reported_tokens(response, api)
        if told is None:
            total += cost(most_tokens(request), recorded_price(response))
        elif response.answered and response is not counted:
            total += cost(told, recorded_price(response))
    return total


def _read(api: Api, response: Response) -> tuple[Completion | Malformed, Paid]:
    answer = api.parse(response.body)
    usage = answer.usage if isinstance(answer, Completion) else api.usage(response.body)
    prompt, completion = usage.prompt_tokens, usage.completion_tokens
    spend = cost(Tokens(prompt or 0, completion or 0), recorded_price(response))
    return answer, Paid(response.run_id, usage, spend)


def _sum(counts: Iterator[int | None]) -> int | None:
    found = list(counts)
    known = [count for count in found if count is not None]
    return sum(known) if found and len(known) == len(found) else None
