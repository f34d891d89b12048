"""Intents: what a batch job will contain, noted before it is submitted, kept until it is settled.

    <intent>.jsonl               the intent: a head, then one line for each request
    <intent>.job.<job>           the job's id, once the provider has returned it
    <intent>.settled.<digits>    all results of ids that begin with these hex digits are in the
                                 ledger, or will never come

An intent is one try at a submission. It belongs to no run: the writer that holds the ledger's lock
on a digit collects and settles the requests of that digit, and only these. So runs with any number
of slices may find the same job, and no result is stored twice: an id has one first digit, and a
digit has one holder. The intent's file is dropped when its last digit is settled. The two other
notes remain, since their names show which jobs are known.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from schemas.canonical import digest
from schemas.files import structure, unstructure
from schemas.inputs.registry import Price
from schemas.requests import Request
from schemas.terms import Verdict
from transforms.ledger.entries import asked, encode
from transforms.ledger.intents import read_request
from transforms.ledger.notes import NotesLike
from transforms.limits.budget import Spend, cost
from transforms.providers.tokens import most_tokens

FORMAT = 1
_INTENT = ".jsonl"
_ID_DIGITS = 24
_ROUTE_DIGITS = 8


@dataclass(frozen=True, slots=True)
class PermittedRequest:
    """A request with the guard's decision that permits it.

    Attributes:
        request: The request. Read from an intent, its prompt has only id and messages.
        decision_id: The guard's decision.
    """

    request: Request
    decision_id: str

    @property
    def request_id(self) -> str:
        """Id of the request."""
        return self.request.request_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """The intent to submit one job.

    Attributes:
        id: The route's digest, then its own.
        route: Id of the route.
        host: Host name of the provider.
        run_id: The run that submits.
        created: Milliseconds since 1970 UTC.
        upload: Id of the uploaded body, if the protocol has uploads.
        price: Price of tokens in the batch.
        requests: The requests.
        verdicts: The guard's verdicts, by decision id.
    """

    id: str
    route: str
    host: str
    run_id: str
    created: int
    upload: str
    price: Price
    requests: tuple[PermittedRequest, ...]
    verdicts: Mapping[str, Verdict]

    @property
    def digits(self) -> frozenset[str]:
        """The first hex digits of its requests' ids."""
        return frozenset(permitted.request_id[0] for permitted in self.requests)

    def most(self, permitted: PermittedRequest) -> Spend:
        """Returns the most that one of its requests can cost."""
        return cost(most_tokens(permitted.request), self.price)

    def encode(self) -> bytes:
        """Returns the intent as JSON lines."""
        head = {
            "format": FORMAT,
            "id": self.id,
            "route": self.route,
            "host": self.host,
            "run_id": self.run_id,
            "created": self.created,
            "upload": self.upload,
            "price": unstructure(self.price),
            "verdicts": [unstructure(verdict) for verdict in self.verdicts.values()],
        }
        lines = (
            {"request_id": permitted.request_id, "decision_id": permitted.decision_id}
            | asked(permitted.request)
            for permitted in self.requests
        )
        return b"".join(encode(each) + b"\n" for each in (head, *lines))

    @classmethod
    def decode(cls, data: bytes) -> Intent:
        """Returns the intent that `encode` wrote."""
        first, *lines = data.splitlines()
        head = json.loads(first)
        verdicts = [structure(each, Verdict) for each in head.pop("verdicts")]
        price = structure(head.pop("price"), Price)
        del head["format"]
        return cls(
            **head,
            price=price,
            requests=tuple(_read_request(json.loads(line)) for line in lines),
            verdicts={verdict.decision_id: verdict for verdict in verdicts},
        )


@dataclass(slots=True, kw_only=True)
class OpenIntent:
    """An intent that is not settled yet, as a run holds it in memory.

    Attributes:
        id: The intent.
        host: Host name of the provider.
        created: When it was made, milliseconds since 1970 UTC.
        upload: Id of the uploaded body, or "".
        size: Requests of the whole job.
        ids: The requests that this run collects, 32 bytes each.
        reserved: The most that these can cost.
        job: The job's id; "" where the submission got no answer.
        followed: Whether this run still polls it.
    """

    id: str
    host: str
    created: int
    upload: str
    size: int
    ids: frozenset[bytes]
    reserved: Spend
    job: str = ""
    followed: bool = True

    def age_seconds(self, now: float) -> float:
        """Returns how long ago it was made.

        Args:
            now: Seconds since 1970 UTC.
        """
        return now - self.created / 1000

    def requests_in(self, intent: Intent) -> list[PermittedRequest]:
        """Returns the requests that this run collects."""
        return [
            permitted
            for permitted in intent.requests
            if bytes.fromhex(permitted.request_id) in self.ids
        ]


def intent_id(route: str, *parts: object) -> str:
    """Returns an intent's id; all ids of a route begin alike.

    Args:
        route: Id of the route.
        parts: What no other intent of the route shares.
    """
    return f"{_route_prefix(route)}{digest([str(part) for part in parts])[:_ID_DIGITS]}"


@dataclass(slots=True)
class _NoteState:
    """What the names of an intent's notes show."""

    open: bool = False
    job: str = ""
    settled: set[str] = field(default_factory=set)


class IntentLog:
    """The intents of a ledger, for the writer that holds some of its digits. Methods may block.

    Args:
        notes: Where they are stored.
        digits: The first hex digits whose locks are held.
        price_now: Returns the present price of a route's batches: it counts where an intent holds
            none.
    """

    def __init__(
        self,
        notes: NotesLike,
        digits: str,
        price_now: Callable[[str], Price] = lambda _: Price(),
    ) -> None:
        self._notes = notes
        self._digits = frozenset(digits)
        self._price_now = price_now

    def open(self, route: str) -> list[OpenIntent]:
        """Returns a route's intents with results that this run collects, oldest first."""
        prefix, found = _route_prefix(route), []
        for name, state in self._states().items():
            if not name.startswith(prefix) or not state.open:
                continue
            intent = self.read(name)
            if intent is None:
                continue
            if mine := self._our_requests(intent, state.settled):
                found.append(_opened(intent, mine, state.job))
            self._drop_if_settled(intent, state.settled)
        return sorted(found, key=lambda each: (each.created, each.id))

    def write(self, intent: Intent) -> OpenIntent:
        """Writes an intent. It must be written before anything is submitted."""
        self._notes.put(intent.id + _INTENT, intent.encode())
        return _opened(intent, intent.requests, "")

    def read(self, name: str) -> Intent | None:
        """Returns an intent; None where it is settled meanwhile."""
        data = self._notes.get(name + _INTENT)
        if data is None:
            return None
        intent = Intent.decode(data)
        return (
            intent if intent.price.known else replace(intent, price=self._price_now(intent.route))
        )

    def note_job(self, opened: OpenIntent, job: str) -> None:
        """Notes the job of an intent."""
        self._notes.put(f"{opened.id}.job.{job}")
        opened.job = job

    def known_jobs(self) -> set[str]:
        """Returns the ids of all known jobs, settled ones too."""
        return {state.job for state in self._states().values() if state.job}

    def settle(self, intent: Intent) -> None:
        """Notes that all results of our digits are in the ledger, or will never come."""
        mine = "".join(sorted(self._digits & intent.digits))
        self._notes.put(f"{intent.id}.settled.{mine}")
        self._drop_if_settled(intent, self._states()[intent.id].settled)

    def reserved(self, but: Iterable[str]) -> Spend:
        """Returns the most that all open intents can cost, without those of some routes.

        Args:
            but: Ids of the routes left out.
        """
        left_out = tuple(map(_route_prefix, but))
        total = Spend()
        for name, state in self._states().items():
            if state.open and not name.startswith(left_out):
                intent = self.read(name)
                for permitted in intent.requests if intent else ():
                    if intent and permitted.request_id[0] not in state.settled:
                        total += intent.most(permitted)
        return total

    def _drop_if_settled(self, intent: Intent, settled: set[str]) -> None:
        if intent.digits <= settled:
            self._notes.drop(intent.id + _INTENT)

    def _our_requests(self, intent: Intent, settled: set[str]) -> list[PermittedRequest]:
        digits = self._digits - settled
        return [permitted for permitted in intent.requests if permitted.request_id[0] in digits]

    def _states(self) -> dict[str, _NoteState]:
        found: dict[str, _NoteState] = {}
        for note in self._notes.names():
            name, _, rest = note.partition(".")
            state = found.setdefault(name, _NoteState())
            kind, _, value = rest.partition(".")
            if kind == "job":
                state.job = value
            elif kind == "settled":
                state.settled |= set(value)
            else:
                state.open = True
        return found


def _opened(intent: Intent, requests: Iterable[PermittedRequest], job: str) -> OpenIntent:
    reserved, ids = Spend(), []
    for permitted in requests:
        reserved += intent.most(permitted)
        ids.append(bytes.fromhex(permitted.request_id))
    return OpenIntent(
        id=intent.id,
        host=intent.host,
        created=intent.created,
        upload=intent.upload,
        size=len(intent.requests),
        ids=frozenset(ids),
        reserved=reserved,
        job=job,
    )


def _route_prefix(route: str) -> str:
    return f"{digest([route])[:_ROUTE_DIGITS]}-"


def _read_request(line: Mapping[str, Any]) -> PermittedRequest:
    asked_for = dict(line)
    decision_id = asked_for.pop("decision_id")
    return PermittedRequest(read_request(asked_for.pop("request_id"), asked_for), decision_id)
