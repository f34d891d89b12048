"""Brings a job's results into the ledger: each to the request that it names, whatever the order."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import IO

from schemas.requests import Request
from schemas.responses import BATCH_ID, Response
from transforms.asking.batch.intents import Intent, IntentBook, OpenIntent, Order
from transforms.asking.batch.protocols import BatchJob, BatchProtocol
from transforms.asking.batch.provider import Provider
from transforms.asking.batch.results import Result, undone
from transforms.asking.batch.search import LINES_AT_ONCE
from transforms.asking.progress import RouteProgress
from transforms.clock import Clock
from transforms.ledger import WriterLike
from transforms.limits.budget import BudgetTracker, Spend, cost
from transforms.limits.usage import tokens_used
from transforms.providers.apis import Api
from transforms.providers.wire import Unreadable

_log = logging.getLogger(__name__)

# Of OpenAI's reasons to refuse a job, the one that passes: too much waits already.
_FULL = "token_limit_exceeded"
# Told once for each request that has ended: its id, and what came of it; None where that was in
# the ledger already.
Count = Callable[[str, Result | None], None]


@dataclass(slots=True)
class _Open:
    """A job that is being collected.

    Attributes:
        intent: What was ordered.
        job: The job.
        left: The orders whose results have not been seen, by id.
        odd: Lines that belong to no order, by what is wrong with them.
    """

    intent: Intent
    job: BatchJob
    left: dict[str, Order]
    odd: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Collector:
    """Collects jobs.

    Attributes:
        provider: Has the results.
        protocol: Reads them.
        api: Reads the answers in them.
        book: Knows what was ordered.
        ledger: Keeps what came.
        budget: Has reserved for it.
        progress: Where to count money.
        run_id: The run that collects.
        clock: Tells the time.
        count: Is told what became of each request.
    """

    provider: Provider
    protocol: BatchProtocol
    api: Api
    book: IntentBook
    ledger: WriterLike
    budget: BudgetTracker
    progress: RouteProgress
    run_id: str
    clock: Clock
    count: Count

    async def collect(self, opened: OpenIntent, job: BatchJob, missing: str = "missing") -> None:
        """Brings all results of an ended job into the ledger, then settles its intent.

        It may be repeated: what a run that was killed has kept already is not kept twice.

        Args:
            opened: The intent.
            job: Its job, ended.
            missing: Reason code for requests of which there is no result.

        Raises:
            CallFailed: The results did not come whole. Nothing was kept.
            StillroomError: The ledger cannot be written.
        """
        intent = await asyncio.to_thread(self.book.read, opened.id)
        if intent is None:  # settled by others, to whom its last digits belong
            return
        for verdict in intent.verdicts.values():
            self.ledger.note_decision(verdict)
        mine = {order.request.request_id: order for order in opened.ours(intent)}
        work = _Open(intent, job, mine)
        with tempfile.TemporaryFile() as file:
            await self.provider.results(job, file)
            for results in _grouped(self._results(work, file)):
                await self._keep_all(work, results)
        absent = [_absent(name, job.failed, missing) for name in work.left]
        for results in _grouped(self._ordered(work, iter(absent))):
            await self._keep_all(work, results)
        self._tell_odd(work)
        await asyncio.to_thread(self.book.settle, intent)

    async def dismiss(self, opened: OpenIntent) -> list[Request]:
        """Settles an intent that came to no job; returns our part of what was to be ordered."""
        intent = await asyncio.to_thread(self.book.read, opened.id)
        self.budget.release(opened.reserved)
        if intent is None:
            return []
        await asyncio.to_thread(self.book.settle, intent)
        return [order.request for order in opened.ours(intent)]

    def _results(self, work: _Open, file: IO[bytes]) -> Iterator[tuple[Order, Result]]:
        """Yields the results of our orders, each once."""

        def read() -> Iterator[Result]:
            for line in file:
                if not line.strip():
                    continue
                try:
                    yield self.protocol.read_result(line)
                except Unreadable as error:
                    work.odd[error.malformed.reason] += 1

        return self._ordered(work, read())

    def _ordered(self, work: _Open, results: Iterator[Result]) -> Iterator[tuple[Order, Result]]:
        everything = {order.request.request_id for order in work.intent.orders}
        for result in results:
            order = work.left.pop(result.request_id, None)
            if order is not None:
                yield order, result
            elif result.request_id not in everything:
                work.odd["unknown id"] += 1
            elif result.request_id[0] in self.ledger.digits:
                work.odd["repeated id"] += 1

    async def _keep_all(self, work: _Open, results: list[tuple[Order, Result]]) -> None:
        """Keeps some results; the disk confirms them together."""
        await asyncio.gather(*(self._keep(work, order, result) for order, result in results))

    async def _keep(self, work: _Open, order: Order, result: Result) -> None:
        reserved = work.intent.most(order)
        if self._is_kept(result.request_id, work.job.id):
            self.budget.release(reserved)
            self.count(result.request_id, None)
            return
        response = self._response(work, order, result)
        await self.ledger.append(response, order.request)
        self._settle(work.intent, response, reserved)
        self.count(result.request_id, result)

    def _is_kept(self, request_id: str, job: str) -> bool:
        """Tells whether a run that was killed kept this very result."""
        if self.ledger.outcome(request_id) is None:
            return False
        kept = self.ledger.snapshot.attempts(request_id)
        return any(response.headers.get(BATCH_ID) == job for response in kept)

    def _response(self, work: _Open, order: Order, result: Result) -> Response:
        intent = work.intent
        return Response(
            request_id=result.request_id,
            attempt=1,
            outcome=result.outcome,
            final=result.final,
            status=result.status,
            headers={BATCH_ID: work.job.id},
            body=result.body,
            sent_at=intent.created,
            received_at=self.clock.now(),
            run_id=self.run_id,
            route=intent.route,
            host=intent.host,
            decision_id=order.decision_id,
            input_usd_per_million=intent.price.input_usd_per_million,
            output_usd_per_million=intent.price.output_usd_per_million,
            detail=result.detail,
        )

    def _settle(self, intent: Intent, response: Response, reserved: Spend) -> None:
        used, progress = tokens_used(self.api, response), self.progress
        if used is None:
            self.budget.settle(reserved, None)
            progress.usd_uncertain += reserved.usd
            progress.uncertain += not response.answered
            return
        spent = cost(used, intent.price)
        self.budget.settle(reserved, spent)
        progress.prompt_tokens += used.prompt
        progress.completion_tokens += used.completion
        progress.usd += spent.usd

    def _tell_odd(self, work: _Open) -> None:
        for what, count in work.odd.items():
            _log.warning(
                "%s: job %s: passed over %d results: %s",
                work.intent.route,
                work.job.id,
                count,
                what,
            )


def _absent(request_id: str, failed: str, missing: str) -> Result:
    """Makes the result of a request that a job has none for."""
    if failed in ("", _FULL):
        return undone(request_id, failed or missing)
    refused = undone(request_id, failed)
    return replace(refused, outcome="batch_failed", detail=f"refused: {refused.outcome}")


def _grouped(results: Iterator[tuple[Order, Result]]) -> Iterator[list[tuple[Order, Result]]]:
    while group := list(islice(results, LINES_AT_ONCE)):
        yield group
