"""What the tests of records share: a job with one route, its requests, and answers to them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import uvloop

from schemas.codes import Outcome
from schemas.inputs.documents import Effective
from schemas.inputs.quality import FilterChoice
from schemas.inputs.run import RunFile, TeacherChoice
from schemas.prompts import Message, Prompt, prompt_id
from schemas.requests import Request, make_request
from schemas.responses import Response
from tests.transforms.guard.terms_builder import PERMIT, PURPOSE, catalogue, route, terms
from transforms.filters.policy import compile_filters
from transforms.guard.evaluate import Guard
from transforms.job import Job
from transforms.ledger import Ledger
from transforms.work import work_folder

ROUTE = "acme/model"
COLLECTED = date(2026, 11, 20)
TODAY = date(2026, 11, 22)
SENT_AT = int(datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp() * 1000)


def make_job(folder: Path, *, terms_end: date | None = None, **run: Any) -> Job:
    """Returns a job that builds on `TODAY`, with one route that everything is permitted for.

    Args:
        folder: Holds the corpus and the ledger.
        terms_end: Last day on which the route's terms are in force.
        run: Fields of the run file.
    """
    document = terms(
        "acme/terms", PERMIT, effective=Effective(from_=date(2020, 1, 1), to=terms_end)
    )
    guard = Guard(catalogue(document, routes=[route("acme/terms")]), unapproved="allow")
    defaults: dict[str, Any] = {
        "filters": (FilterChoice(rule="empty"),),
        "config_digest": "c" * 64,
    }
    run_file = RunFile(
        name="test",
        purpose=PURPOSE,
        prompts=(),
        teachers=(TeacherChoice(id=ROUTE),),
        corpus=str(folder / "corpus"),
        ledger=str(folder / "ledger"),
        **(defaults | run),
    )
    return Job(
        work=work_folder(run_file.corpus, "run-1"),
        run=run_file,
        run_id="run-1",
        started_at=SENT_AT,
        guard=guard,
        verdicts=(),
        filters=compile_filters(run_file.filters, lambda index: f"filters {index}"),
        requests=2,
        bits=0,
        slices=1,
        today=TODAY,
        asks=False,
    )


def ask(text: str, **settings: Any) -> Request:
    """Returns a request with one user turn, and a system turn before it."""
    messages = (Message("user", text),)
    prompt = Prompt(
        prompt_id=prompt_id(messages),
        messages=messages,
        source="tests",
        license="CC0-1.0",
        file="prompts.jsonl",
        line=1,
        sha256="0" * 64,
    )
    repair = settings.pop("repair", False)
    return make_request(
        prompt,
        teacher=ROUTE,
        model="model-1",
        revision="",
        system="Be brief.",
        parameters={"max_tokens": 50} | settings,
        sample_index=0,
        repair=repair,
    )


def body(text: str, *, model: str = "model-1", tokens: bool = True) -> bytes:
    """Returns the body of an answer of OpenAI's API."""
    choice = {"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 10, "completion_tokens": 20}
    answer = {"id": "chatcmpl-1", "model": model, "choices": [choice]}
    return json.dumps(answer | ({"usage": usage} if tokens else {})).encode()


def respond(request: Request, text: str = "It is blue.", **changes: Any) -> Response:
    """Returns an answer to a request, sent on `COLLECTED`; 1 and 2 dollars per million tokens."""
    response = Response(
        request_id=request.request_id,
        attempt=1,
        outcome=Outcome.ANSWER,
        final=True,
        status=200,
        headers={},
        body=body(text),
        sent_at=SENT_AT,
        received_at=SENT_AT + 900,
        run_id="run-1",
        route=ROUTE,
        host="acme.example",
        decision_id="d" * 64,
        input_usd_per_million=1.0,
        output_usd_per_million=2.0,
    )
    return replace(response, **changes)


def fail(request: Request, outcome: str = "timeout", **changes: Any) -> Response:
    """Returns a failed attempt at a request."""
    failure: dict[str, Any] = {"outcome": outcome, "status": None, "body": b"", "detail": "why"}
    return respond(request, **(failure | changes))


def fill_ledger(job: Job, *entries: tuple[Request, Response]) -> None:
    """Appends responses to the job's ledger."""

    async def write() -> None:
        with Ledger(Path(job.run.ledger)).writer("0123456789abcdef", "run-1") as ledger:
            for request, response in entries:
                await ledger.append(response, request)

    uvloop.run(write())
