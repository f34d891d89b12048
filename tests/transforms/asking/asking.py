"""What the tests of asking share: routes to a teacher, requests, and a run of the engine."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import uvloop

from schemas.inputs.budget import Budget as Caps
from schemas.inputs.registry import BindingTerms, Price, Quota, Route, Timeouts
from schemas.prompts import Message, Prompt, prompt_id
from schemas.requests import Request, make_request
from schemas.responses import Response
from schemas.terms import Verdict
from tests.teacher import Script, Teacher
from transforms.asking.engine import ask
from transforms.asking.progress import Progress, RouteProgress
from transforms.clock import Clock
from transforms.ledger import Ledger
from transforms.limits.budget import BudgetTracker
from transforms.limits.route_work import RouteWork
from transforms.providers.http_client import HttpClient

ROUTE = "test/teacher"
MODEL = "test-model"
ALL_DIGITS = "0123456789abcdef"


def seeded(seed: int) -> Random:
    """Returns a random source that is the same each time."""
    return Random(seed)


def verdict(decision: Any = "permit") -> Verdict:
    """Returns a verdict of the guard."""
    return Verdict(
        teacher=ROUTE,
        decision=decision,
        status="permitted" if decision == "permit" else "expired",
        clauses=(),
        duties=(),
        terms=(),
        use="train_generative",
        on="2026-11-22",
        registry_digest="0" * 64,
        authorisations=(),
        obligation_class="none",
        decision_id="d" * 64,
    )


def make_route(endpoint: str, name: str = ROUTE, **settings: Any) -> Route:
    """Returns a route to an endpoint, by default with four requests at once and short timeouts."""
    defaults: dict[str, Any] = {
        "api": "openai-chat",
        "model": MODEL,
        "terms": (BindingTerms(document="a/terms"),),
        "endpoint": endpoint,
        "quota": Quota(concurrency=4),
        "price": Price(input_usd_per_million=1.0, output_usd_per_million=2.0),
        "timeouts": Timeouts(connect_seconds=2.0, response_seconds=5.0, patience_seconds=600.0),
    }
    return Route(id=name, **(defaults | settings))


def make_requests(
    prompts: int | Iterable[str], teacher: str = ROUTE, **parameters: Any
) -> Iterator[Request]:
    """Yields a request for each given prompt, or for a given number of distinct prompts."""
    texts = (f"Question {n}" for n in range(prompts)) if isinstance(prompts, int) else prompts
    for text in texts:
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
        yield make_request(
            prompt,
            teacher=teacher,
            model=MODEL,
            revision="",
            system="",
            parameters={"max_tokens": 50} | parameters,
            sample_index=0,
        )


@dataclass(slots=True)
class Naps:
    """A clock whose sleeps take no time and are recorded.

    Attributes:
        taken: The length of each sleep, in seconds.
    """

    taken: list[float] = field(default_factory=list)

    async def _sleep(self, seconds: float) -> None:
        self.taken.append(seconds)
        await asyncio.sleep(0)

    def clock(self) -> Clock:
        """Returns the clock; each sleep advances it."""
        real = Clock()
        return Clock(
            wall=lambda: real.wall() + sum(self.taken),
            monotonic=lambda: real.monotonic() + sum(self.taken),
            sleep=self._sleep,
        )


def run_engine(
    folder: Path,
    *work: RouteWork,
    run_id: str = "run-1",
    digits: str = ALL_DIGITS,
    caps: Caps | None = None,
    clock: Clock | None = None,
    **settings: Any,
) -> Progress:
    """Asks with a real client and a real ledger in a folder; returns the counts.

    Args:
        folder: Folder of the ledger.
        work: What to ask.
        run_id: The run.
        digits: The first hex digits of the requests' ids.
        caps: The budget; by default without caps.
        clock: By default one whose sleeps take no time.
        settings: Further arguments of `ask`.
    """

    async def run() -> Progress:
        with Ledger(folder).writer(digits, run_id) as ledger:
            async with HttpClient() as client:
                defaults: dict[str, Any] = {
                    "permits": lambda _: verdict(),
                    "random": seeded(0),
                    "budget": BudgetTracker(caps or Caps()),
                }
                return await ask(
                    work,
                    client=client,
                    ledger=ledger,
                    run_id=run_id,
                    clock=clock or Naps().clock(),
                    **(defaults | settings),
                )

    return uvloop.run(run())


def responses(folder: Path) -> dict[str, list[Response]]:
    """Returns all responses in a ledger, by id of the request."""
    reader = Ledger(folder).reader()
    ids = sorted({each.request_id for each in reader.since(0)})
    return {request_id: reader.attempts(request_id) for request_id in ids}


def work(teacher: Teacher, requests: int | list[str] = 5, **route: Any) -> RouteWork:
    """Returns a number of requests to a teacher, or those with the given prompts."""
    return RouteWork(make_route(teacher.endpoint, **route), make_requests(requests))


def ask_teacher(
    folder: Path, script: Script, requests: int | list[str] = 5, **more: Any
) -> RouteProgress:
    """Asks one teacher that follows a script."""
    with Teacher(script) as teacher:
        return run_engine(folder, work(teacher, requests), **more)[ROUTE]
