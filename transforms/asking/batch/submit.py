"""Submits a chunk as one job: the guard, then the intent, then the call that costs money."""

from __future__ import annotations

import asyncio

from schemas.inputs.registry import Price, Route
from schemas.terms import Verdict
from transforms.asking.batch.chunks import Chunk
from transforms.asking.batch.intents import Intent, IntentBook, OpenIntent, Order, intent_id
from transforms.asking.batch.provider import CallFailed, Provider
from transforms.asking.context import AskingContext
from transforms.providers.retry import RetryPolicy

_VERDICTS_AT_ONCE = 256  # then the other routes have their turn


class NotPermitted(Exception):
    """The terms no longer permit one of the requests; nothing was submitted."""


class Submitter:
    """Submits chunks of one route.

    Args:
        route: The route.
        price: What tokens cost in a batch.
        provider: Takes the jobs.
        book: Keeps the intents.
        context: What all loops share.
        stopped: Set when nothing more is to be sent.
    """

    def __init__(
        self,
        route: Route,
        price: Price,
        provider: Provider,
        book: IntentBook,
        context: AskingContext,
        stopped: asyncio.Event,
    ) -> None:
        self._route = route
        self._price = price
        self._provider = provider
        self._book = book
        self._context = context
        self._stopped = stopped
        self._policy = RetryPolicy(route.timeouts.patience_seconds, context.clock, context.random)
        self._names = 0

    async def submit(self, chunk: Chunk) -> OpenIntent | None:
        """Submits a chunk; a provider that is busy is asked again, as the policy says.

        Returns:
            The intent, with its job; without one where no answer came: it may have come to a job,
            and is to be looked for. None where we were stopped first.

        Raises:
            CallFailed: The provider does not take it; nothing was ordered.
            NotPermitted: The guard forbids it; nothing was sent.
            StillroomError: The intent could not be noted; nothing was ordered.
        """
        began, attempt = self._context.clock.monotonic(), 0
        while not self._stopped.is_set():
            attempt += 1
            try:
                return await self._order(chunk, await self._permitted(chunk))
            except CallFailed as failure:
                following = self._policy.after(failure.exchange, attempt, began)
                if following.pause_seconds is None:
                    raise
            await self._context.clock.pause(following.pause_seconds, self._stopped)
        return None

    async def _permitted(self, chunk: Chunk) -> list[Verdict]:
        """Returns the guard's verdict on each request now."""
        verdicts = []
        for number, request in enumerate(chunk.requests):
            if number % _VERDICTS_AT_ONCE == 0:
                await asyncio.sleep(0)
            verdict = self._context.permits(request)
            if verdict is None or not verdict.permits:
                raise NotPermitted
            verdicts.append(verdict)
        return verdicts

    async def _order(self, chunk: Chunk, verdicts: list[Verdict]) -> OpenIntent:
        if chunk.protocol.uploads and not chunk.upload:
            chunk.upload = await self._provider.upload(chunk, self._name(chunk))
        intent = self._intent(chunk, verdicts)
        opened = await asyncio.to_thread(self._book.write, intent)
        try:
            job = await self._provider.submit(chunk, intent.id)
        except CallFailed as failure:
            if not failure.refused:
                return opened
            await asyncio.to_thread(self._book.settle, intent)
            raise
        await asyncio.to_thread(self._book.note_job, opened, job.id)
        return opened

    def _intent(self, chunk: Chunk, verdicts: list[Verdict]) -> Intent:
        return Intent(
            id=self._name(chunk),
            route=self._route.id,
            host=self._route.host,
            run_id=self._context.run_id,
            created=self._context.clock.now(),
            upload=chunk.upload,
            price=self._price,
            orders=tuple(
                Order(request, verdict.decision_id)
                for request, verdict in zip(chunk.requests, verdicts, strict=True)
            ),
            verdicts={verdict.decision_id: verdict for verdict in verdicts},
        )

    def _name(self, chunk: Chunk) -> str:
        """Returns a name that no other intent has."""
        self._names += 1
        first, now = chunk.requests[0].request_id, self._context.clock.now()
        return intent_id(self._route.id, self._context.run_id, now, first, self._names)
