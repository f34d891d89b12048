"""Retries: responses that a person set aside, so that their requests are asked again.

    retries/<time>.<name>.json    what one command set aside: reason, route, and by request the time
                                  of sending and the number of each attempt

Responses stay in the ledger, and count for usage. What was set aside gives a record only as long as
nothing else came: until then, the ledger gives the same records as before.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping
from typing import Any

from schemas.errors import StillroomError
from schemas.responses import Response
from transforms.ledger.notes import NotesLike

RETRIES = "retries"

Attempt = tuple[int, int]  # when it was sent, milliseconds since 1970 UTC; its number


class Retries:
    """The retries of a ledger as they were when one was first looked up.

    Args:
        notes: Where they are kept.
    """

    def __init__(self, notes: NotesLike) -> None:
        self._notes = notes

    def __contains__(self, request_id: str) -> bool:
        return request_id in self._attempts

    def live(self, request_id: str, responses: Iterable[Response]) -> list[Response]:
        """Returns the responses to a request that are not set aside."""
        aside = self._attempts.get(request_id, frozenset())
        return [each for each in responses if attempt_of(each) not in aside]

    def usable(self, responses: list[Response]) -> list[Response]:
        """Returns the responses to a request that may count; see `ReaderLike.usable`."""
        return (responses and self.live(responses[0].request_id, responses)) or responses

    @functools.cached_property
    def _attempts(self) -> dict[str, frozenset[Attempt]]:
        found: dict[str, frozenset[Attempt]] = {}
        for name in self._notes.names():
            for request_id, attempts in self._read(name).items():
                aside = frozenset((sent_at, number) for sent_at, number in attempts)
                found[request_id] = found.get(request_id, frozenset()) | aside
        return found

    def _read(self, name: str) -> dict[str, list[list[int]]]:
        try:
            set_aside: dict[str, list[list[int]]] = json.loads(self._notes.get(name) or b"")[
                "set_aside"
            ]
        except (ValueError, KeyError, TypeError) as error:
            raise StillroomError(
                f"the ledger's {RETRIES}/{name} is damaged\n  restore it from a copy; or delete "
                "it: then what it set aside counts again"
            ) from error
        return set_aside


def write_retry(
    notes: NotesLike, name: str, set_aside: Mapping[str, list[Attempt]], **why: Any
) -> None:
    """Writes what a command sets aside; it is durable when this returns.

    Args:
        notes: Where retries are kept.
        name: The command's name, which no other has.
        set_aside: The attempts by request.
        why: More for people: reason, route, time.
    """
    notes.put(f"{name}.json", json.dumps(why | {"set_aside": set_aside}).encode() + b"\n")


def attempt_of(response: Response) -> Attempt:
    """Returns what tells a response from the others to the same request."""
    return response.sent_at, response.attempt


def deciding(responses: list[Response]) -> Response | None:
    """Returns the first answer, else the last attempt; None where there is none."""
    answers = (response for response in responses if response.answered)
    return next(answers, responses[-1] if responses else None)
