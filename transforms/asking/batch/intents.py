"""What was ordered in a batch, noted before it is submitted, until its results are in the ledger.

    <intent>.jsonl               what was ordered: a head, then a line a request, as `Intent` has it
    <intent>.job.<job>           the job's id, once the provider has told it
    <intent>.settled.<digits>    all results of ids that begin with these hex digits are in the
                                 ledger, or will never come

An intent is one try at a submission. It belongs to nobody: whoever holds the ledger's lock on a
digit collects and settles the requests of that digit, and theirs alone. So runs with any number of
slices may each find the same job, and no result is kept twice: an id has one digit, and a digit one
holder. The order itself is dropped with its last digit; the names of the rest stay, since they tell
which jobs are known.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from schemas.canonical import digest
from schemas.files import structure, unstructure
from schemas.inputs.registry import Price
from schemas.prompts import Message, Prompt
from schemas.requests import Request
from schemas.terms import Verdict
from transforms.ledger.entries import asked, encode
from transforms.ledger.notes import NotesLike
from transforms.limits.budget import Spend, cost
from transforms.providers.tokens import most_tokens

FORMAT = 1
_ORDER = ".jsonl"
_ID_DIGITS = 24
_ROUTE_DIGITS = 8


@dataclass(frozen=True, slots=True)
class Order:
    """A request that was ordered.

    Attributes:
        request: The request; of its prompt, the id and the messages are known, no more.
        decision_id: The guard's decision under which it was ordered.
    """

    request: Request
    decision_id: str


@dataclass(frozen=True, slots=True)
class Intent:
    """What is to be ordered in one job.

    Attributes:
        id: Its name: the route's digest, and its own.
        route: Id of the route.
        host: Host name asked.
        run_id: The run that orders.
        created: When, milliseconds since 1970 UTC.
        upload: Id of the uploaded body, where the protocol has one.
        price: What tokens cost in it.
        orders: The requests.
        verdicts: The guard's decisions that the orders name, by id.
    """

    id: str
    route: str
    host: str
    run_id: str
    created: int
    upload: str
    price: Price
    orders: tuple[Order, ...]
    verdicts: Mapping[str, Verdict]

    @property
    def digits(self) -> frozenset[str]:
        """The leading hex digits of its requests' ids."""
        return frozenset(order.request.request_id[0] for order in self.orders)

    def most(self, order: Order) -> Spend:
        """Returns what one of its requests may cost at the most."""
        return cost(most_tokens(order.request), self.price)

    def encode(self) -> bytes:
        """Writes it, a JSON object a line."""
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
            {"request_id": order.request.request_id, "decision_id": order.decision_id}
            | asked(order.request)
            for order in self.orders
        )
        return b"".join(encode(each) + b"\n" for each in (head, *lines))

    @classmethod
    def decode(cls, data: bytes) -> Intent:
        """Reads what `encode` wrote."""
        first, *lines = data.splitlines()
        head = json.loads(first)
        verdicts = [structure(each, Verdict) for each in head.pop("verdicts")]
        price = structure(head.pop("price"), Price)
        del head["format"]
        return cls(
            **head,
            price=price,
            orders=tuple(_order(json.loads(line)) for line in lines),
            verdicts={verdict.decision_id: verdict for verdict in verdicts},
        )


@dataclass(slots=True)
class OpenIntent:
    """An intent whose results are not all in the ledger: what must be in mind until they are.

    Attributes:
        id: The intent.
        host: Host name asked.
        created: When it was made, milliseconds since 1970 UTC.
        upload: Id of the uploaded body, or "".
        size: Requests of the whole job.
        ids: The requests that are ours to collect, 32 bytes each.
        reserved: The most that these can cost.
        job: The job's id; "" where nobody saw the submission end.
        followed: Whether it is looked at in this run any more.
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

    def ours(self, intent: Intent) -> list[Order]:
        """Returns the orders that are ours to collect."""
        return [
            order for order in intent.orders if bytes.fromhex(order.request.request_id) in self.ids
        ]


def intent_id(route: str, *parts: object) -> str:
    """Returns an intent's name; that of a route's begin alike.

    Args:
        route: Id of the route.
        parts: What tells it from all others of the route.
    """
    return f"{_of_route(route)}{digest([str(part) for part in parts])[:_ID_DIGITS]}"


@dataclass(slots=True)
class _Seen:
    """What the names of an intent's notes tell."""

    ordered: bool = False
    job: str = ""
    settled: set[str] = field(default_factory=set)


class IntentBook:
    """The intents of a ledger, for the holder of some of its digits. Its methods may block.

    Args:
        notes: Where they are kept.
        digits: The leading hex digits whose locks are held.
    """

    def __init__(self, notes: NotesLike, digits: str) -> None:
        self._notes = notes
        self._digits = frozenset(digits)

    def open(self, route: str) -> list[OpenIntent]:
        """Returns the intents of a route with results that are ours to collect, oldest first."""
        prefix, found = _of_route(route), []
        for name, seen in self._seen().items():
            if not name.startswith(prefix) or not seen.ordered:
                continue
            intent = self.read(name)
            if intent is None:
                continue
            if mine := self._mine(intent, seen.settled):
                found.append(_opened(intent, mine, seen.job))
            self._tidy(intent, seen.settled)
        return sorted(found, key=lambda each: (each.created, each.id))

    def write(self, intent: Intent) -> OpenIntent:
        """Notes an intent. Nothing may be submitted before."""
        self._notes.put(intent.id + _ORDER, intent.encode())
        return _opened(intent, intent.orders, "")

    def read(self, name: str) -> Intent | None:
        """Returns an intent; None where it was settled meanwhile."""
        data = self._notes.get(name + _ORDER)
        return None if data is None else Intent.decode(data)

    def note_job(self, opened: OpenIntent, job: str) -> None:
        """Notes which job an intent came to."""
        self._notes.put(f"{opened.id}.job.{job}")
        opened.job = job

    def known_jobs(self) -> set[str]:
        """Returns the jobs of all intents, settled ones too."""
        return {seen.job for seen in self._seen().values() if seen.job}

    def settle(self, intent: Intent) -> None:
        """Notes that all of our digits is in the ledger, or will never come."""
        mine = "".join(sorted(self._digits & intent.digits))
        self._notes.put(f"{intent.id}.settled.{mine}")
        self._tidy(intent, self._seen()[intent.id].settled)

    def reserved(self, but: Iterable[str]) -> Spend:
        """Returns the most that all open intents can cost, but those of some routes.

        Args:
            but: Ids of routes.
        """
        left_out = tuple(map(_of_route, but))
        total = Spend()
        for name, seen in self._seen().items():
            if seen.ordered and not name.startswith(left_out):
                intent = self.read(name)
                for order in intent.orders if intent else ():
                    if intent and order.request.request_id[0] not in seen.settled:
                        total += intent.most(order)
        return total

    def _tidy(self, intent: Intent, settled: set[str]) -> None:
        if intent.digits <= settled:
            self._notes.drop(intent.id + _ORDER)

    def _mine(self, intent: Intent, settled: set[str]) -> list[Order]:
        digits = self._digits - settled
        return [order for order in intent.orders if order.request.request_id[0] in digits]

    def _seen(self) -> dict[str, _Seen]:
        found: dict[str, _Seen] = {}
        for note in self._notes.names():
            name, _, rest = note.partition(".")
            seen = found.setdefault(name, _Seen())
            kind, _, value = rest.partition(".")
            if kind == "job":
                seen.job = value
            elif kind == "settled":
                seen.settled |= set(value)
            else:
                seen.ordered = True
        return found


def _opened(intent: Intent, orders: Iterable[Order], job: str) -> OpenIntent:
    reserved, ids = Spend(), []
    for order in orders:
        reserved += intent.most(order)
        ids.append(bytes.fromhex(order.request.request_id))
    return OpenIntent(
        id=intent.id,
        host=intent.host,
        created=intent.created,
        upload=intent.upload,
        size=len(intent.orders),
        ids=frozenset(ids),
        reserved=reserved,
        job=job,
    )


def _of_route(route: str) -> str:
    return f"{digest([route])[:_ROUTE_DIGITS]}-"


def _order(line: Mapping[str, object]) -> Order:
    fields = dict(line)
    decision_id = str(fields.pop("decision_id"))
    messages = tuple(_messages(fields.pop("messages")))
    prompt = Prompt(
        prompt_id=str(fields.pop("prompt_id")),
        messages=messages,
        source="",
        license="",
        file="",
        line=0,
        sha256="",
    )
    return Order(Request(prompt=prompt, messages=messages, **fields), decision_id)  # type: ignore[arg-type]


def _messages(turns: object) -> Iterator[Message]:
    for turn in turns if isinstance(turns, list) else ():
        yield Message(turn["role"], turn["content"])
