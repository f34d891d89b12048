"""Responses to write to ledgers, and both homes of a ledger, for the tests of this folder."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from schemas.prompts import Message, Prompt
from schemas.requests import Request, make_request
from schemas.responses import Response
from schemas.terms import Verdict
from transforms.ledger import Ledger, LedgerLike, WriterLike
from transforms.ledger.gcs import GcsLedger

ADDRESS = "gs://bucket/some/ledger"
ALL = "0123456789abcdef"
LARGE = 9 * 2**20  # the client library uploads more than 8 MiB the resumable way
SENT_AT = 1_790_000_000_000

VERDICT = Verdict(
    teacher="teacher",
    decision="permit",
    status="permitted",
    clauses=(),
    duties=(),
    terms=(),
    use="train_generative",
    on="2026-11-01",
    registry_digest="0" * 64,
    authorisations=("MSA-2026-114",),
    obligation_class="none",
    decision_id="d" * 64,
)


@dataclass(frozen=True)
class Home:
    """A place of a ledger.

    Attributes:
        ledger: The ledger.
        put: Writes a file or object below its address.
        stored: Returns the content of all files or objects, by name below its address.
    """

    ledger: LedgerLike
    put: Callable[[str, bytes], object]
    stored: Callable[[], dict[str, bytes]]


class Clock:
    """A clock that moves when it is set, or when a test waits."""

    def __init__(self) -> None:
        self.time = datetime(2026, 11, 22, 12, tzinfo=UTC)
        self.waited: list[float] = []

    def __call__(self) -> datetime:
        return self.time

    def advance(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)

    def pause(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.advance(seconds)


def name(something: object) -> str:
    """Returns the id of some request."""
    return hashlib.sha256(str(something).encode()).hexdigest()


DIGIT = name(1)[0]  # most tests are about one request


def answer(key: str, **changes: Any) -> Response:
    response = Response(
        request_id=key,
        attempt=1,
        outcome="answer",
        final=True,
        status=200,
        headers={"content-type": "application/json"},
        body=b'{"choices": []}',
        sent_at=SENT_AT,
        received_at=SENT_AT + 1500,
        run_id="run-1",
        route="teacher",
        host="teacher.example",
        decision_id=VERDICT.decision_id,
        input_usd_per_million=0.15,
        output_usd_per_million=0.6,
    )
    return replace(response, **changes)


def failure(key: str, *, final: bool = False, attempt: int = 1) -> Response:
    return answer(key, outcome="http_429", status=429, final=final, attempt=attempt, body=b"busy")


def ask(text: str = "What is a still-room?") -> Request:
    prompt = Prompt(
        prompt_id="a" * 64,
        messages=(Message("user", text),),
        source="tests",
        license="CC0-1.0",
        file="p.jsonl",
        line=1,
        sha256="b" * 64,
    )
    return make_request(
        prompt,
        teacher="teacher",
        model="some-model",
        revision="1",
        system="Be brief.",
        parameters={"temperature": 0.7, "seed": 7},
        sample_index=1,
    )


def append(writer: WriterLike, responses: Iterable[Response]) -> None:
    """Appends responses one after the other."""

    async def one_by_one() -> None:
        for response in responses:
            await writer.append(response, ask())

    asyncio.run(one_by_one())


async def append_at_once(writer: WriterLike, responses: Iterable[Response]) -> None:
    """Appends responses all at once."""
    await asyncio.gather(*(writer.append(response, ask()) for response in responses))


def write(ledger: LedgerLike, *responses: Response) -> None:
    """Appends responses in a session of their own."""
    digits = "".join({response.request_id[0] for response in responses}) or ALL
    with ledger.writer(digits, "run-1") as writer:
        append(writer, responses)


def segments(ledger: Ledger) -> list[Path]:
    return sorted((Path(ledger.folder) / "segments").glob("*.jsonl"))


def stalled(ledger: GcsLedger) -> GcsLedger:
    """Returns the same ledger to a rival, by whose clock all locks have run out."""
    return replace(ledger, now=lambda: ledger.now() + timedelta(hours=1))
