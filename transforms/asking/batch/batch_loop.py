"""Asks the requests of one route through its provider's batch API.

First it finds the jobs of earlier runs. Then it submits the requests that have no answer and are in
none of these jobs. Then it polls all jobs until they end. A job that still runs when the loop ends
continues at the provider: its requests are pending, and the next run collects them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator

from schemas.codes import StopReason
from schemas.money import add_known
from schemas.requests import Request
from transforms.asking.batch.awaited import AwaitedRequests
from transforms.asking.batch.chunks import Chunk
from transforms.asking.batch.client import BatchClient, CallFailed
from transforms.asking.batch.collect import Collector
from transforms.asking.batch.intents import IntentLog, OpenIntent
from transforms.asking.batch.protocols import BatchJob, BatchProtocol
from transforms.asking.batch.search import JobSearch
from transforms.asking.batch.submit import NotPermitted, Submitter
from transforms.asking.context import AskingContext
from transforms.asking.progress import RouteProgress
from transforms.limits.budget import Spend, cost
from transforms.limits.route_work import RouteWork
from transforms.providers.apis import find_api, headers_for
from transforms.providers.tokens import most_tokens

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
# Both providers keep results for about a month; after that a missing job never comes back.
KEPT_SECONDS = 31 * 86_400.0
_LOOKUPS_AT_ONCE = 256  # then the other routes get their turn
_NOT_FOUND = 404

# Reasons to stop polling jobs: the run is to end, or the account has lost access.
_LEAVE_JOBS = (StopReason.INTERRUPTED, StopReason.ACCESS)

_CONTINUES = "its jobs continue at the provider, and the next run collects them"
_NO_ROOM = "the rest of the budget, or of the month's, covers no other request in a batch"
_WAITING = f"batches have not ended; {_CONTINUES}"

_Step = Callable[[OpenIntent], Awaitable[bool]]


class BatchLoop:
    """Asks one route in batches. For a route that is asked live, only collects earlier batches.

    Args:
        work: What to ask.
        protocol: The route's batch API.
        context: What all loops share; this loop adds itself, and reserves the cost of open jobs.
        progress: Where to count.

    Raises:
        StillroomError: The intents cannot be read.
    """

    def __init__(
        self,
        work: RouteWork,
        protocol: BatchProtocol,
        context: AskingContext,
        progress: RouteProgress,
    ) -> None:
        route = work.route
        self.progress = progress
        self.account = work.account
        self._context = context
        self._route = route
        self._requests = work.requests
        self._protocol = protocol
        self._api = find_api(route.api)
        self._price = route.price.in_batch()
        self._has_no_key = bool(route.key) and work.key is None  # this run has nothing to ask
        headers = headers_for(self._api, work.key)
        self._client = BatchClient(context.client, protocol, work.base, headers, route.timeouts)
        self._intents = IntentLog(
            context.ledger.notes, context.ledger.digits, lambda _: self._price
        )
        self._search = JobSearch(
            self._client, protocol, self._intents, route.timeouts.response_seconds
        )
        self._awaited = AwaitedRequests(context.ledger, progress, work.base)
        self._collector = Collector(
            client=self._client,
            protocol=protocol,
            api=self._api,
            intents=self._intents,
            ledger=context.ledger,
            budget=context.budget,
            progress=progress,
            run_id=context.run_id,
            clock=context.clock,
            count=self._awaited.count,
        )
        self._stopped = asyncio.Event()
        self._submitter = Submitter(
            route, self._price, self._client, self._intents, context, self._stopped
        )
        self._submits = True
        self._to_resubmit: list[Request] = []  # their intent led to no job
        self._open = self._intents.open(route.id)
        for opened in self._open:
            opened.followed = opened.host == route.host and not self._has_no_key
            context.budget.adopt(opened.reserved)
            if opened.host != route.host:
                self.progress.stop(
                    StopReason.FAILING,
                    f"{route.id}: batches were sent to {opened.host}, not {route.host}, and can be "
                    "collected only there; none of their requests is submitted again",
                )
        context.loops.append(self)

    async def run(self) -> None:
        """Asks until nothing is left or the loop is stopped; counts every request.

        Raises:
            StillroomError: The ledger could not be written.
        """
        await self._find_jobs()
        await self._submit(self._unasked())
        await self._follow()
        if self._to_resubmit and not self._stopped.is_set():
            again, self._to_resubmit = self._to_resubmit, []
            await self._submit(_each(again))
            await self._follow()
        self._close()
        if not self.progress.pending and self.progress.stopped != StopReason.ACCESS:
            self.progress.stopped, self.progress.detail = None, ""

    async def look_once(self) -> None:
        """Collects the jobs that have ended, without waiting for the others."""
        for opened in self._followed():
            await self._take_step(opened, self._collect_if_ended)
        self._close()

    def outside_jobs(self, requests: Iterable[Request]) -> Iterator[Request]:
        """Yields the requests that are in no open job; counts the others as pending.

        Args:
            requests: Drawn one by one, after `look_once`.
        """
        ids = self._in_jobs()
        for request in requests:
            if not self._is_in(ids, request):
                yield request
                continue
            self.progress.pending += 1
            self.progress.stop(StopReason.QUOTA, f"{self._route.id}: {_WAITING}")

    def stop(self, reason: StopReason, detail: str) -> None:
        """Submits nothing more; still polls its jobs unless the reason forbids it.

        Only the first reason is kept.
        """
        self._stop_submitting(reason, detail)
        if reason in _LEAVE_JOBS:
            self._stopped.set()

    def _stop_submitting(self, reason: StopReason, detail: str) -> None:
        self.progress.stop(reason, detail)
        self._submits = False

    # Requests

    async def _unasked(self) -> AsyncIterator[Request]:
        """Yields the requests that have no answer and are in no job; counts the others."""
        ids = self._in_jobs()
        for number, request in enumerate(self._requests):
            if number % _LOOKUPS_AT_ONCE == 0:
                await asyncio.sleep(0)
            if ended := self._context.earlier_outcome(request):
                self.progress.count_ended(ended)
                continue
            if self._is_in(ids, request):
                self._awaited.ids.add(bytes.fromhex(request.request_id))
            else:
                yield request

    def _in_jobs(self) -> frozenset[bytes]:
        return frozenset().union(*(opened.ids for opened in self._open))

    def _is_in(self, ids: frozenset[bytes], request: Request) -> bool:
        """Returns whether a request is in an open job and has no answer from elsewhere."""
        if not ids or bytes.fromhex(request.request_id) not in ids:
            return False
        return not self._context.ledger.answered(request.request_id)

    # Submitting

    async def _submit(self, requests: AsyncIterator[Request]) -> None:
        """Submits requests in jobs as large as the provider allows and the budget covers."""
        chunk = Chunk(self._protocol)
        async for request in requests:
            reserved = cost(most_tokens(request), self._price)
            entry = self._protocol.entry(request.request_id, self._api.build(request))
            if not chunk.fits(entry):
                await self._submit_chunk(chunk)
                chunk = Chunk(self._protocol)
            if self._has_room(reserved):
                chunk.add(request, entry, reserved)
            else:
                self.progress.pending += 1
        if chunk.requests:
            await self._submit_chunk(chunk)

    def _has_room(self, reserved: Spend) -> bool:
        if not self._submits:
            return False
        if self._context.budget.take(reserved):
            return True
        self._stop_submitting(StopReason.BUDGET, f"{self._route.id}: {_NO_ROOM}")
        return False

    async def _submit_chunk(self, chunk: Chunk) -> None:
        opened = failed = None
        try:
            opened, failed = await self._submitter.submit(chunk)
        except NotPermitted:
            self._stop_submitting(
                StopReason.TERMS, f"{self._route.id}: the terms no longer permit it"
            )
        except CallFailed as failure:
            self._note_refusal(failure)
        if failed and (failed.withdrawn or failed.out_of_money):
            self._note_refusal(failed)
        if opened is None:
            self._context.budget.release(chunk.reserved)
            self.progress.pending += len(chunk.requests)
            return
        self._open.append(opened)
        self._awaited.ids |= opened.ids
        self.progress.asked += opened.size
        self.progress.attempts += opened.size
        self.progress.in_flight += opened.size

    def _note_refusal(self, failure: CallFailed) -> None:
        exchange = failure.exchange
        if failure.withdrawn:
            self._context.stop_account(self.account, exchange.detail)
            return
        at = f"{self._route.id}: {self._route.endpoint}"
        if failure.out_of_money:
            self._stop_submitting(StopReason.MONEY, self._money_used_up(exchange.detail))
        elif failure.reading.may_pass:
            self._stop_submitting(StopReason.QUOTA, f"{at} accepted no batch: {exchange.detail}")
        else:
            self._stop_submitting(StopReason.FAILING, f"{at} refused a batch: {exchange.detail}")

    def _money_used_up(self, detail: str) -> str:
        return f"{self._route.id}: the account's money is used up ({detail})"

    # Polling

    async def _find_jobs(self) -> None:
        """Finds the jobs of intents that have none; waits until such a job would be listed."""
        while self._without_job() and not self._stopped.is_set():
            for opened in self._without_job():
                await self._take_step(opened, self._find_job)
            listed = max(map(self._search.listed_at, self._without_job()), default=0)
            wait = listed - self._context.clock.wall()
            if wait <= 0:
                return
            await self._context.clock.pause(min(wait, LONGEST_PAUSE_SECONDS), self._stopped)

    def _without_job(self) -> list[OpenIntent]:
        return [opened for opened in self._followed() if not opened.job]

    async def _follow(self) -> None:
        """Polls all jobs until they have ended or are older than the route's limit."""
        pause = FIRST_PAUSE_SECONDS
        while followed := self._followed():
            for opened in followed:
                if self._stopped.is_set():
                    return
                await self._take_step(opened, self._collect_if_ended)
                age = opened.age_seconds(self._context.clock.wall())
                opened.followed &= age < self._route.timeouts.batch_seconds
            if not self._followed():
                return
            await self._context.clock.pause(pause, self._stopped)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def _followed(self) -> list[OpenIntent]:
        return [opened for opened in self._open if opened.followed]

    async def _take_step(self, opened: OpenIntent, is_done: _Step) -> None:
        """Takes a step with an intent and forgets it if that was the last; notes a failed call."""
        try:
            if await is_done(opened):
                self._open.remove(opened)
        except CallFailed as failure:
            await self._note_failure(opened, failure)

    async def _collect_if_ended(self, opened: OpenIntent) -> bool:
        """Collects a job if it has ended; returns whether the intent is settled."""
        if await self._find_job(opened):
            return True
        if not opened.job:
            return False
        job = await self._client.job(opened.job)
        if job.ended:
            await self._collector.collect(opened, job)
            self._heed_results()
        return job.ended

    def _heed_results(self) -> None:
        """Stops what the results say is in vain."""
        if self._awaited.no_access:
            self._context.stop_account(self.account, self._awaited.no_access)
        elif self._awaited.no_money:
            self._stop_submitting(StopReason.MONEY, self._money_used_up(self._awaited.no_money))

    async def _find_job(self, opened: OpenIntent) -> bool:
        """Finds the job of an intent; settles the intent once it is certain that there is none.

        Returns whether the intent is settled.
        """
        if opened.job:
            return False
        certain = self._context.clock.wall() >= self._search.listed_at(opened)
        job, maybe = await self._search.find(opened)
        if job is not None:
            await asyncio.to_thread(self._intents.note_job, opened, job.id)
        if job is not None or maybe or not certain:
            return False
        for request in await self._collector.settle_without_job(opened):
            key = bytes.fromhex(request.request_id)
            if key in self._awaited.ids:
                self._awaited.ids.discard(key)
                self._to_resubmit.append(request)
        return True

    async def _note_failure(self, opened: OpenIntent, failure: CallFailed) -> None:
        exchange = failure.exchange
        if failure.withdrawn:
            self._context.stop_account(self.account, exchange.detail)
        elif exchange.status == _NOT_FOUND and opened.job:
            await self._give_up(opened)
        elif failure.out_of_money:
            opened.followed = False
            what = self._money_used_up(exchange.detail)
            self._stop_submitting(StopReason.MONEY, f"{what}; {_CONTINUES}")
        elif not failure.reading.may_pass:
            opened.followed = False
            what = f"{self._route.id}: job {opened.job or 'unknown'}: {exchange.detail}"
            self.progress.stop(StopReason.FAILING, f"{what}; {_CONTINUES}")

    async def _give_up(self, opened: OpenIntent) -> None:
        """Gives up a job that the provider does not know, if it is old enough to have expired.

        A younger one belongs to another account, and its requests would be paid for twice.
        """
        if opened.age_seconds(self._context.clock.wall()) > KEPT_SECONDS:
            gone = BatchJob(id=opened.job, ended=True, created=opened.created)
            await self._collector.collect(opened, gone, missing="lost")
            self._open.remove(opened)
            return
        opened.followed = False
        self.progress.stop(
            StopReason.FAILING,
            f"{self._route.id}: the provider does not know job {opened.job}; is the key another "
            "account's? None of its requests is submitted again",
        )

    def _close(self) -> None:
        """Counts open jobs: their requests are pending, their reservations are spent."""
        progress = self.progress
        progress.in_flight = 0
        progress.pending += len(self._awaited.ids) + len(self._to_resubmit)
        for opened in self._open:
            self._context.budget.settle(opened.reserved, None)
            progress.usd_uncertain = add_known(progress.usd_uncertain, opened.reserved.usd)
        if self._awaited.ids:
            self.progress.stop(StopReason.QUOTA, f"{self._route.id}: {_WAITING}")
            if _CONTINUES not in progress.detail and progress.stopped != StopReason.QUOTA:
                progress.detail += f"; {_CONTINUES}"
        elif self._awaited.unanswered:
            named = ", ".join(
                f"{count} x {what}" for what, count in self._awaited.unanswered.items()
            )
            self.progress.stop(
                StopReason.QUOTA, f"{self._route.id}: came back unanswered: {named}; run again"
            )
        elif self._to_resubmit:
            self.progress.stop(
                StopReason.FAILING, f"{self._route.id}: submissions lead to no batch"
            )


async def _each(requests: Iterable[Request]) -> AsyncIterator[Request]:
    for request in requests:
        yield request
