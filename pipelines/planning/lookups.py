"""Looks up what is known of each request before a run: answered, refused, or to be asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial

from schemas.inputs.registry import Route
from schemas.requests import Request
from transforms.ahead import map_ahead
from transforms.asking.repair import open_repair
from transforms.ledger import ReaderLike
from transforms.providers.apis import find_api
from transforms.providers.meaning import refuses_prompt


class Standing(Enum):
    """What becomes of a request in a run."""

    ANSWERED = auto()  # its answer is in the ledger
    WITHHELD = auto()  # its prompt holds an evaluation item, and it has no answer
    REFUSED = auto()  # the server refused its prompt before, and would again
    OPEN = auto()  # it is asked


@dataclass(frozen=True, slots=True)
class Lookup:
    """A request with what is known of it.

    Attributes:
        request: The request.
        standing: What becomes of it.
        following: What is sent: the request, the follow-up to its answer, or nothing.
        may_pass: Whether its answer may be accepted, so that a judge may have to rate it.
    """

    request: Request
    standing: Standing
    following: Request | None
    may_pass: bool


def look_up(
    requests: Iterable[tuple[Request, bool]], ledger: ReaderLike, routes: Mapping[str, Route]
) -> Iterator[Lookup]:
    """Looks up requests in the ledger, several at once where that saves time.

    Args:
        requests: Requests, each with whether its prompt holds an evaluation item.
        ledger: The answers of earlier runs.
        routes: Routes by id.

    Returns:
        What is known of each, in their order.
    """
    return map_ahead(partial(_look_up, ledger, routes), requests, ledger.at_once)


def _look_up(
    ledger: ReaderLike, routes: Mapping[str, Route], asked: tuple[Request, bool]
) -> Lookup:
    request, contaminated = asked
    known = ledger.outcome(request.request_id)
    if known and known.answered:
        api = find_api(routes[request.teacher].api)
        following = None if contaminated else open_repair(ledger, api, request)
        return Lookup(request, Standing.ANSWERED, following, not contaminated)
    if contaminated:
        return Lookup(request, Standing.WITHHELD, None, False)
    before = ledger.read(request.request_id) if known and known.final else None
    if before and refuses_prompt(before):
        return Lookup(request, Standing.REFUSED, None, False)
    return Lookup(request, Standing.OPEN, request, True)
