"""Stores a job's results in the ledger, each under the request that it names, in any order."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import IO

from schemas.codes import Outcome
from schemas.requests import Request
from schemas.responses import BATCH_ID, Response
from transforms.asking.batch.client import BatchClient
from transforms.asking.batch.intents import Intent, IntentLog, OpenIntent, PermittedRequest
from transforms.asking.batch.protocols import BatchJob, BatchProtocol
from transforms.asking.batch.results import BatchResult, unanswered_result
from transforms.asking.batch.search import LINES_AT_ONCE
from transforms.asking.progress import RouteProgress
from transforms.clock import Clock
from transforms.ledger import WriterLike
from transforms.limits.budget import BudgetTracker, Spend, cost
from transforms.limits.usage import tokens_used
from transforms.providers.apis import Api
from transforms.providers.tokens import plausible_tokens
from transforms.providers.wire import Unreadable
from transforms.transport.bodies import MAX_LOGPROBS_BYTES

_log = logging.getLogger(__name__)

# The one of OpenAI's reasons to refuse a job that passes: too many tokens are queued.
_FULL = "token_limit_exceeded"
_MOST_LINE_BYTES = MAX_LOGPROBS_BYTES + 2**16
_GROUP_BYTES = 16 * 2**20  # of answers that are stored together
# Called once for each request that has ended, with its id and its result; the result is None where
# it was in the ledger already.
Count = Callable[[str, BatchResult | None], None]
_Pair = tuple[PermittedRequest, BatchResult]


@dataclass(slots=True, kw_only=True)
class _JobState:
    """A job that is being collected.

    Attributes:
        intent: Its intent.
        job: The job.
        open: Our requests whose results were not seen yet, by id.
        ignored: How many lines belong to no request of ours, by reason.
    """

    intent: Intent
    job: BatchJob
    open: dict[str, PermittedRequest]
    ignored: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True, kw_only=True)
class Collector:
    """Collects jobs.

    Attributes:
        client: Downloads the results.
        protocol: Reads the results.
        api: Reads the answers in them.
        intents: The ledger's intents.
        ledger: Stores the responses.
        budget: Holds the reservations.
        progress: Where to count tokens and money.
        run_id: The run that collects.
        clock: Gives the time.
        count: Called with the result of each request.
    """

    client: BatchClient
    protocol: BatchProtocol
    api: Api
    intents: IntentLog
    ledger: WriterLike
    budget: BudgetTracker
    progress: RouteProgress
    run_id: str
    clock: Clock
    count: Count

    async def collect(self, opened: OpenIntent, job: BatchJob, missing: str = "missing") -> None:
        """Stores all results of an ended job in the ledger, then settles its intent.

        It may be repeated: results that a killed run has stored are not stored twice.

        Args:
            opened: The intent.
            job: Its job, ended.
            missing: Reason code for requests without a result.

        Raises:
            CallFailed: The download was incomplete. Nothing was stored.
            StillroomError: The ledger cannot be written.
        """
        intent = await asyncio.to_thread(self.intents.read, opened.id)
        if intent is None:  # settled by other writers, which hold its last digits
            return
        for verdict in intent.verdicts.values():
            self.ledger.note_decision(verdict)
        mine = {permitted.request_id: permitted for permitted in opened.requests_in(intent)}
        state = _JobState(intent=intent, job=job, open=mine)
        with tempfile.TemporaryFile() as file:
            await self.client.results(job, file)
            for results in _grouped(self._results(state, file)):
                await self._store_all(state, results)
        missing_results = [_missing_result(name, job.failed, missing) for name in state.open]
        for results in _grouped(self._match(state, iter(missing_results))):
            await self._store_all(state, results)
        self._log_ignored(state)
        await asyncio.to_thread(self.intents.settle, intent)

    async def settle_without_job(self, opened: OpenIntent) -> list[Request]:
        """Settles an intent without a job; returns our part of its requests."""
        intent = await asyncio.to_thread(self.intents.read, opened.id)
        self.budget.release(opened.reserved)
        if intent is None:
            return []
        await asyncio.to_thread(self.intents.settle, intent)
        return [permitted.request for permitted in opened.requests_in(intent)]

    def _results(self, state: _JobState, file: IO[bytes]) -> Iterator[_Pair]:
        """Yields our requests with their results, each once."""

        def read() -> Iterator[BatchResult]:
            for line in _lines(file):
                if line is None:
                    state.ignored[Outcome.BODY_TOO_LARGE] += 1
                    continue
                if not line.strip():
                    continue
                if (masked := self.client.masked(line)) is not line:
                    self.progress.note_returned_key(f"batch {state.job.id}")
                try:
                    yield self.protocol.read_result(masked)
                except Unreadable as error:
                    state.ignored[error.malformed.reason] += 1

        return self._match(state, read())

    def _match(self, state: _JobState, results: Iterator[BatchResult]) -> Iterator[_Pair]:
        everything = {permitted.request_id for permitted in state.intent.requests}
        for result in results:
            permitted = state.open.pop(result.request_id, None)
            if permitted is not None:
                yield permitted, result
            elif result.request_id not in everything:
                state.ignored["unknown id"] += 1
            elif result.request_id[0] in self.ledger.digits:
                state.ignored["repeated id"] += 1

    async def _store_all(self, state: _JobState, results: list[_Pair]) -> None:
        """Stores some results; one flush to disk covers them all."""
        await asyncio.gather(
            *(self._store(state, permitted, result) for permitted, result in results)
        )

    async def _store(
        self, state: _JobState, permitted: PermittedRequest, result: BatchResult
    ) -> None:
        reserved = state.intent.most(permitted)
        if self._is_stored(result.request_id, state.job.id):
            self.budget.release(reserved)
            self.count(result.request_id, None)
            return
        response = self._response(state, permitted, result)
        await self.ledger.append(response, permitted.request)
        self._settle(state.intent, permitted.request, response, reserved)
        self.count(result.request_id, result)

    def _is_stored(self, request_id: str, job: str) -> bool:
        """Returns whether a killed run has stored this result."""
        if self.ledger.outcome(request_id) is None:
            return False
        kept = self.ledger.snapshot.attempts(request_id)
        return any(response.headers.get(BATCH_ID) == job for response in kept)

    def _response(
        self, state: _JobState, permitted: PermittedRequest, result: BatchResult
    ) -> Response:
        intent = state.intent
        return Response(
            request_id=result.request_id,
            attempt=1,
            outcome=result.outcome,
            final=result.final,
            status=result.status,
            headers={BATCH_ID: state.job.id},
            body=result.body,
            sent_at=intent.created,
            received_at=self.clock.now(),
            run_id=self.run_id,
            route=intent.route,
            host=intent.host,
            decision_id=permitted.decision_id,
            input_usd_per_million=intent.price.input_usd_per_million,
            output_usd_per_million=intent.price.output_usd_per_million,
            detail=result.detail,
        )

    def _settle(
        self, intent: Intent, request: Request, response: Response, reserved: Spend
    ) -> None:
        most = plausible_tokens(request.messages, request.parameters)
        used = tokens_used(self.api, response, most)
        if used is None:
            self.budget.settle(reserved, None)
            self.progress.count_unknown_cost(reserved.usd, answered=response.answered)
            return
        spent = cost(used, intent.price)
        self.budget.settle(reserved, spent)
        self.progress.count_cost(used, spent.usd)

    def _log_ignored(self, state: _JobState) -> None:
        for what, count in state.ignored.items():
            _log.warning(
                "%s: job %s: ignored %d results: %s",
                state.intent.route,
                state.job.id,
                count,
                what,
            )


def _missing_result(request_id: str, failed: str, missing: str) -> BatchResult:
    """Returns the result of a request that has none in its job."""
    if failed in ("", _FULL):
        return unanswered_result(request_id, failed or missing)
    refused = unanswered_result(request_id, failed)
    return replace(refused, outcome=Outcome.BATCH_FAILED, detail=f"refused: {refused.outcome}")


def _lines(file: IO[bytes]) -> Iterator[bytes | None]:
    """Yields the lines of a file; None for one that is longer than any answer."""
    while line := file.readline(_MOST_LINE_BYTES):
        if len(line) < _MOST_LINE_BYTES or line.endswith(b"\n"):
            yield line
            continue
        while (rest := file.readline(_MOST_LINE_BYTES)) and not rest.endswith(b"\n"):
            pass
        yield None


def _grouped(results: Iterator[_Pair]) -> Iterator[list[_Pair]]:
    group: list[_Pair] = []
    size = 0
    for pair in results:
        group.append(pair)
        size += len(pair[1].body)
        if len(group) >= LINES_AT_ONCE or size >= _GROUP_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group
