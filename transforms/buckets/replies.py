"""What the ledger holds for one request: the answer that counts, and all that was paid for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from schemas.canonical import sha256
from schemas.registry import Route
from schemas.requests import Request
from schemas.responses import Completion, Malformed, Response
from transforms.teachers.apis import find_api
from transforms.teachers.budget import Spend, cost
from transforms.teachers.ledger import ReaderLike
from transforms.teachers.repair import mismatch, repair_request
from transforms.teachers.tokens import Tokens
from transforms.teachers.usage import price_of


@dataclass(frozen=True, slots=True)
class Paid:
    """What one answer cost.

    Attributes:
        run_id: The run that paid for it.
        prompt_tokens: As the provider counted; None where it did not.
        completion_tokens: The same.
        spend: By those, at the prices of its day; nothing where they are not known.
    """

    run_id: str
    prompt_tokens: int | None
    completion_tokens: int | None
    spend: Spend


@dataclass(frozen=True, slots=True)
class Replies:
    """What the ledger holds for one request.

    Attributes:
        response: The response that counts; None where there is none.
        completion: What could be read out of it; None where it is no answer.
        repairs: The first answer, where the one that counts is a better one asked for later.
        paid: What each answer cost, the first one first.
    """

    response: Response | None = None
    completion: Completion | Malformed | None = None
    repairs: Response | None = None
    paid: tuple[Paid, ...] = ()

    @property
    def repair_of(self) -> str:
        """SHA-256 of the body of the first answer, where it is not the one that counts, or ""."""
        return sha256(self.repairs.body) if self.repairs else ""

    @property
    def prompt_tokens(self) -> int | None:
        """Tokens of all prompts sent; None where one of them is not known."""
        return _sum(each.prompt_tokens for each in self.paid)

    @property
    def completion_tokens(self) -> int | None:
        """Tokens of all answers; None where one of them is not known."""
        return _sum(each.completion_tokens for each in self.paid)

    @property
    def usd(self) -> float:
        """What all answers cost together, US dollars."""
        return sum((each.spend for each in self.paid), Spend()).usd


def read_replies(ledger: ReaderLike, route: Route, request: Request) -> Replies:
    """Reads what the ledger holds for a request, the follow-up to its answer included.

    Args:
        ledger: Holds the responses.
        route: Whom it was asked of.
        request: What was asked.
    """
    first = ledger.read(request.request_id)
    if first is None or not first.answered:
        return Replies(first)
    completion, paid = _read(route, first)
    alone = Replies(first, completion, paid=(paid,))
    if not isinstance(completion, Completion):
        return alone
    following = repair_request(request, completion)
    second = ledger.read(following.request_id) if following else None
    if second is None or not second.answered:
        return alone
    mended, paid_more = _read(route, second)
    both = replace(alone, paid=(paid, paid_more))
    if not isinstance(mended, Completion) or mismatch(request, mended) is not None:
        return both
    return replace(both, response=second, completion=mended, repairs=first)


def _read(route: Route, response: Response) -> tuple[Completion | Malformed, Paid]:
    api = find_api(route.api)
    answer = api.parse(response.body)
    usage = answer.usage if isinstance(answer, Completion) else api.usage(response.body)
    prompt, completion = usage.prompt_tokens, usage.completion_tokens
    spend = cost(Tokens(prompt or 0, completion or 0), price_of(response))
    return answer, Paid(response.run_id, prompt, completion, spend)


def _sum(counts: Iterator[int | None]) -> int | None:
    found = list(counts)
    known = [count for count in found if count is not None]
    return sum(known) if found and len(known) == len(found) else None
