"""Submits a chunk as one job: first the guard, then the intent, then the call that costs money."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from schemas.inputs.registry import Price, Route
from schemas.terms import Verdict
from transforms.asking.batch.chunks import Chunk
from transforms.asking.batch.client import BatchClient, CallFailed
from transforms.asking.batch.intents import (
    Intent,
    IntentLog,
    OpenIntent,
    PermittedRequest,
    intent_id,
)
from transforms.asking.context import AskingContext
from transforms.providers.retry import RetryPolicy, TransientFailure

_VERDICTS_AT_ONCE = 256  # then the other routes get their turn


class NotPermitted(Exception):
    """The terms no longer permit one of the requests. Nothing was submitted."""


@dataclass(frozen=True, slots=True)
class _Submission:
    """An attempt to submit a chunk: the intent, or the error and whether it may pass.

    Both, if the call may have made a job: then it is not repeated.
    """

    intent: OpenIntent | None
    error: CallFailed | None = None
    failure: TransientFailure | None = None


class Submitter:
    """Submits chunks of one route.

    Args:
        route: The route.
        price: Price of tokens in a batch.
        client: Calls the provider.
        intents: The ledger's intents.
        context: What all loops share.
        stopped: Set when nothing more is to be sent.
    """

    def __init__(
        self,
        route: Route,
        price: Price,
        client: BatchClient,
        intents: IntentLog,
        context: AskingContext,
        stopped: asyncio.Event,
    ) -> None:
        self._route = route
        self._price = price
        self._client = client
        self._intents = intents
        self._context = context
        self._stopped = stopped
        self._policy = RetryPolicy(route.timeouts.patience_seconds, context.clock, context.random)
        self._ids_made = 0

    async def submit(self, chunk: Chunk) -> tuple[OpenIntent | None, CallFailed | None]:
        """Submits a chunk; a busy provider is asked again, by the retry policy.

        Returns:
            The intent with its job; without a job where the submission got no clear answer, so that
            the job, if there is one, must be searched: then the failure too. None where the loop
            was stopped first.

        Raises:
            CallFailed: The provider refuses it; no job was made.
            NotPermitted: The guard forbids a request; nothing was sent.
            StillroomError: The intent could not be written; nothing was submitted.
        """
        began = self._context.clock.monotonic()

        async def attempt() -> _Submission | None:
            if self._stopped.is_set():
                return None
            try:
                return await self._submit_once(chunk, await self._permit_all(chunk))
            except CallFailed as error:
                return _Submission(None, error, self._policy.failure(error.exchange, began))

        last = await self._policy.run(attempt, self._sleep)
        if last is None:
            return None, None
        if last.error is not None and last.intent is None:
            raise last.error
        return last.intent, last.error

    async def _sleep(self, seconds: float) -> None:
        await self._context.clock.pause(seconds, self._stopped)

    async def _permit_all(self, chunk: Chunk) -> list[Verdict]:
        """Returns the guard's present verdict on each request; all of them permit."""
        verdicts = []
        for number, request in enumerate(chunk.requests):
            if number % _VERDICTS_AT_ONCE == 0:
                await asyncio.sleep(0)
            verdict = self._context.permits(request)
            if verdict is None or not verdict.permits:
                raise NotPermitted
            verdicts.append(verdict)
        return verdicts

    async def _submit_once(self, chunk: Chunk, verdicts: list[Verdict]) -> _Submission:
        if chunk.protocol.uploads and not chunk.upload:
            chunk.upload = await self._client.upload(chunk, self._new_id(chunk))
        intent = self._intent(chunk, verdicts)
        opened = await asyncio.to_thread(self._intents.write, intent)
        try:
            job = await self._client.submit(chunk, intent.id)
        except CallFailed as failure:
            if not failure.refused:
                return _Submission(opened, failure)
            await asyncio.to_thread(self._intents.settle, intent)
            raise
        await asyncio.to_thread(self._intents.note_job, opened, job.id)
        return _Submission(opened)

    def _intent(self, chunk: Chunk, verdicts: list[Verdict]) -> Intent:
        return Intent(
            id=self._new_id(chunk),
            route=self._route.id,
            host=self._route.host,
            run_id=self._context.run_id,
            created=self._context.clock.now(),
            upload=chunk.upload,
            price=self._price,
            requests=tuple(
                PermittedRequest(request, verdict.decision_id)
                for request, verdict in zip(chunk.requests, verdicts, strict=True)
            ),
            verdicts={verdict.decision_id: verdict for verdict in verdicts},
        )

    def _new_id(self, chunk: Chunk) -> str:
        """Returns a new id for an intent."""
        self._ids_made += 1
        first, now = chunk.requests[0].request_id, self._context.clock.now()
        return intent_id(self._route.id, self._context.run_id, now, first, self._ids_made)
