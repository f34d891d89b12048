"""Makes a project whose ledger already holds all answers, ready for `stillroom build`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.server import MODEL
from pipelines.planning.prepare import Prepared, prepare
from schemas.extent import Extent
from schemas.prompts import Prompt
from schemas.requests import Request
from schemas.responses import Response
from transforms.ledger import Ledger
from transforms.prompts.assign import assign_teachers
from transforms.prompts.read import read_prompts

ROUTE = "bench/teacher"
_DIGITS = "0123456789abcdef"
_LICENSE = "CC0-1.0"
_AT_ONCE = 1_000
_DAY = date(2026, 11, 22)  # the day of all answers; the catalogue covers it
_SENT_AT = int(datetime(2026, 11, 22, tzinfo=UTC).timestamp() * 1000)


@dataclass(frozen=True, slots=True)
class Project:
    """A project on disk.

    Attributes:
        run: The run file.
        corpus: Where its corpus is written.
    """

    run: Path
    corpus: Path


def make_project(folder: Path, count: int, answers: Iterable[str]) -> Project:
    """Makes a project: prompts, run file, registry, and a ledger with an answer to each prompt.

    Args:
        folder: Where; it is created.
        count: Number of prompts.
        answers: One text for each prompt.

    Returns:
        The project, ready to be built.
    """
    folder.mkdir(parents=True)
    run = folder / "run.yaml"
    registry = {"routes": {ROUTE: _route()}}
    (folder / "teachers.yaml").write_text(json.dumps(registry))  # JSON is YAML
    run.write_text(json.dumps(_run()))
    with (folder / "prompts.jsonl").open("w") as prompts:
        prompts.writelines(
            json.dumps({"q": f"How is number {n} put?"}) + "\n" for n in range(count)
        )
    asyncio.run(_fill(run, answers))
    return Project(run, folder / "corpus")


def _route() -> dict[str, Any]:
    return {
        "api": "openai-chat",
        "endpoint": "http://127.0.0.1:9/v1",
        "model": MODEL,
        "terms": ["spdx/apache-2.0"],
        "price": {"input_usd_per_million": 0.5, "output_usd_per_million": 1.5},
    }


def _run() -> dict[str, Any]:
    return {
        "name": "bench",
        "registry": "teachers.yaml",
        "purpose": {"use": "train_generative"},
        "prompts": [{"files": "prompts.jsonl", "text": "q", "license": _LICENSE, "source": "own"}],
        "teachers": [{"id": ROUTE, "parameters": {"max_tokens": 800, "temperature": 0.7}}],
        "dedupe": {"near": {"threshold": 0.8}},
        "splits": {"train": 0.95, "validation": 0.05},
        "corpus": "corpus",
        "ledger": "ledger",
    }


async def _fill(run: Path, answers: Iterable[str]) -> None:
    """Writes an answer to each request into the ledger, a thousand at a time."""
    prepared = prepare(run, _DAY)
    guard, purpose = prepared.guard, prepared.run.purpose
    verdict = guard.decide(ROUTE, purpose, _DAY, prompt_license=_LICENSE)
    asked = zip(_requests(prepared), answers, strict=True)
    with Ledger(prepared.run.ledger).writer(_DIGITS, "bench") as ledger:
        ledger.note_decision(verdict)
        while batch := list(islice(asked, _AT_ONCE)):
            responses = [
                (_response(request, text, verdict.decision_id), request) for request, text in batch
            ]
            await asyncio.gather(*(ledger.append(*pair) for pair in responses))


def _requests(prepared: Prepared) -> Iterator[Request]:
    run, routes = prepared.run, {ROUTE: prepared.guard.route(ROUTE)}
    for prompt in read_prompts(run.prompts, run.base):
        assert isinstance(prompt, Prompt)
        yield from assign_teachers(prompt, run, routes, Extent())


def _response(request: Request, text: str, decision_id: str) -> Response:
    tokens = len(text) // 4
    answer = {
        "id": f"chatcmpl-{request.request_id[:12]}",
        "object": "chat.completion",
        "model": MODEL,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 20, "completion_tokens": tokens, "total_tokens": 20 + tokens},
    }
    return Response(
        request_id=request.request_id,
        attempt=1,
        outcome="answer",
        final=True,
        status=200,
        headers={"content-type": "application/json"},
        body=json.dumps(answer).encode(),
        sent_at=_SENT_AT,
        received_at=_SENT_AT + 900,
        run_id="bench",
        route=ROUTE,
        host="127.0.0.1",
        decision_id=decision_id,
        input_usd_per_million=0.5,
        output_usd_per_million=1.5,
    )
