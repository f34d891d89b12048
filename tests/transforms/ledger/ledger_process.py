"""A process that appends to a ledger until it is killed, for `test_ledger_crashes`.

    python ledger_process.py FOLDER DIGITS SEED [BYTES]

It prints `ready` once it holds its locks, then each request's id as soon as the append of its
response has returned. With BYTES no file may grow beyond that size, as on a full disk: it prints
`failed` and the error for each append that fails, and ends after two a task.
"""

from __future__ import annotations

import asyncio
import hashlib
import resource
import sys
from itertools import count

from schemas.errors import LedgerBusy, StillroomError
from schemas.prompts import Message, Prompt
from schemas.requests import make_request
from schemas.responses import Response
from transforms.ledger import Ledger, LedgerWriter

TASKS = 8

PROMPT = Prompt(
    prompt_id="a" * 64,
    messages=(Message("user", "Why?"),),
    source="tests",
    license="CC0-1.0",
    file="p.jsonl",
    line=1,
    sha256="b" * 64,
)
REQUEST = make_request(
    PROMPT, teacher="t", model="m", revision="", system="", parameters={}, sample_index=0
)


def respond(key: str) -> Response:
    """Returns an answer whose body names its request."""
    body = key.encode() * 20
    return Response(
        request_id=key,
        attempt=1,
        outcome="answer",
        final=True,
        status=200,
        headers={},
        body=body,
        sent_at=1,
        received_at=2,
        run_id="run",
        route="t",
        host="host",
        decision_id="c" * 64,
        input_usd_per_million=0.0,
        output_usd_per_million=0.0,
    )


async def append_some(writer: LedgerWriter, digits: str, seed: str, first: int) -> None:
    """Appends one response after another and says so."""
    failures = 0
    for number in count(first, TASKS):
        name = hashlib.sha256(f"{seed} {number}".encode()).hexdigest()
        key = digits[number % len(digits)] + name[1:]
        try:
            await writer.append(respond(key), REQUEST)
            print(key, flush=True)
        except StillroomError as error:
            print("failed", str(error).replace("\n", " "), flush=True)
            failures += 1
            if failures == 2:
                return


async def append_all(writer: LedgerWriter, digits: str, seed: str) -> None:
    """Appends from several tasks at once."""
    await asyncio.gather(*(append_some(writer, digits, seed, first) for first in range(TASKS)))


def main(folder: str, digits: str, seed: str, largest_file: str = "") -> None:
    """Locks the digits and appends."""
    if largest_file:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(largest_file), resource.RLIM_INFINITY))
    try:
        with Ledger(folder).writer(digits, f"run-{seed}") as writer:
            print("ready", flush=True)
            asyncio.run(append_all(writer, digits, seed))
    except LedgerBusy as error:
        print("busy", error, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
