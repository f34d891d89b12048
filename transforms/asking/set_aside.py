"""Sets aside what was judged final, so that later runs ask it again: `stillroom ledger retry`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from schemas.errors import InputError
from schemas.responses import Malformed, Response
from transforms.ahead import map_ahead
from transforms.clock import Clock
from transforms.ledger import LedgerLike, ReaderLike
from transforms.ledger.retries import Attempt, attempt_of, deciding, write_retry
from transforms.providers.apis import find_api
from transforms.providers.meaning import read_meaning, refuses_prompt
from transforms.storage.locks import ALL_DIGITS

# What an answer of each API holds; a body with none of these is read as OpenAI's.
_SIGNS = {
    b'"choices"': "openai-chat",
    b'"candidates"': "gemini",
    b'"content"': "anthropic-messages",
}


@dataclass(slots=True)
class FinalReasons:
    """Why requests of a ledger are not asked again although they have no usable answer.

    Attributes:
        final: Requests by reason. One has several: the outcome, and the server's code.
        passing: Requests by reason that the next run asks again anyway.
        attempts: What to set aside, by reason and request.
    """

    final: Counter[str] = field(default_factory=Counter)
    passing: Counter[str] = field(default_factory=Counter)
    attempts: dict[str, dict[str, list[Attempt]]] = field(default_factory=dict)

    def add(self, attempts: list[Response], response: Response) -> None:
        """Counts a request.

        Args:
            attempts: All responses to it.
            response: The one that counts.
        """
        for reason in final_reasons(response):
            self.final[reason] += 1
            aside = self.attempts.setdefault(reason, {})
            aside[response.request_id] = [attempt_of(each) for each in attempts]
        if not (response.answered or refuses_prompt(response)):
            self.passing[response.outcome] += 1


def retry(ledger: LedgerLike, name: str, reason: str, *, route: str | None, clock: Clock) -> int:
    """Sets aside all requests that have a reason; returns how many they are.

    Args:
        ledger: The ledger.
        name: The name of this retry, which no other has.
        reason: Why they are final: one of `find_reasons`.
        route: Only those of this route; None for all.
        clock: Says when.

    Raises:
        LedgerBusy: A run is writing to the ledger.
        InputError: No request has this reason; the message lists those that there are.
        StillroomError: An entry is damaged, or the ledger cannot be written.
    """
    with ledger.writer(ALL_DIGITS, name) as writer:
        found = find_reasons(writer.snapshot, route)
        check_reason(found, reason)
        aside, now = found.attempts[reason], clock.now()
        why = {"reason": reason, "route": route, "at": now}
        write_retry(writer.retries, f"{now:014d}.{name}", aside, **why)
        return len(aside)


def find_reasons(reader: ReaderLike, route: str | None) -> FinalReasons:
    """Finds why requests are final without a usable answer. It reads every response that counts.

    Args:
        reader: The ledger.
        route: Only requests to this route; None for all.
    """
    found = FinalReasons()
    for attempts in map_ahead(reader.attempts, _final_ids(reader), reader.at_once):
        response = deciding(reader.usable(attempts))
        if response is not None and route in (None, response.route):
            found.add(attempts, response)
    return found


def _final_ids(reader: ReaderLike) -> Iterator[str]:
    for request_id in reader.ids():
        known = reader.outcome(request_id)
        if known is not None and (known.final or known.answered):
            yield request_id


def final_reasons(response: Response) -> list[str]:
    """Returns why a response is final and of no use; empty where it is of use, or asked again.

    Args:
        response: The response that counts for its request.
    """
    if response.answered:
        answer = find_api(_api_of(response.body)).parse(response.body)
        return [answer.reason] if isinstance(answer, Malformed) else []
    if refuses_prompt(response):
        came = response.outcome, response.status, response.headers, response.body
        return list(
            dict.fromkeys(each for each in (response.outcome, read_meaning(*came).code) if each)
        )
    return []


def check_reason(found: FinalReasons, reason: str) -> None:
    """Raises an InputError, with the reasons that there are, where no request has a reason."""
    if reason in found.final:
        return
    passing = found.passing[reason]
    raise InputError(
        "no request in the ledger is final for this reason",
        found=f"{reason}: {passing} that the next run asks again anyway" if passing else reason,
        expected=describe(found.final) or "no reason: each request is answered, or asked again",
    )


def describe(reasons: Counter[str]) -> str:
    """Returns reasons with their counts in one line, the most frequent first."""
    return ", ".join(f"{reason} ({count})" for reason, count in reasons.most_common())


def _api_of(body: bytes) -> str:
    return next((api for sign, api in _SIGNS.items() if sign in body), "openai-chat")
