"""Asks the requests of one route through its provider's batch API.

First the jobs of earlier runs are found; then what has no answer, and is in none of them, is
submitted; then all jobs are followed until they end. What is still running when we stop goes on at
the provider: its requests are pending, and the next run collects them.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator

from schemas.requests import Request
from schemas.stops import Stopped
from transforms.asking.batch.chunks import Chunk
from transforms.asking.batch.collect import Collector
from transforms.asking.batch.intents import IntentBook, OpenIntent
from transforms.asking.batch.protocols import BatchJob, BatchProtocol
from transforms.asking.batch.provider import CallFailed, Provider
from transforms.asking.batch.results import Result
from transforms.asking.batch.search import JobSearch
from transforms.asking.batch.submit import NotPermitted, Submitter
from transforms.asking.context import AskingContext
from transforms.asking.progress import RouteProgress
from transforms.limits.budget import Spend, cost
from transforms.limits.route_work import RouteWork
from transforms.providers.apis import find_api, headers_for
from transforms.providers.retry import is_transient
from transforms.providers.tokens import most_tokens

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
# A submission that nobody saw end has ended by the route's own time limit; so much later it is
# listed, if it came to anything.
LISTED_SECONDS = 60.0
# Both providers keep results for about a month: what is gone after that never comes.
KEPT_SECONDS = 31 * 86_400.0
_LOOKUPS_AT_ONCE = 256  # then the other routes have their turn
_NOT_FOUND = 404

# Why jobs are not followed any more: we are to go, or may not ask.
_LEAVE: tuple[Stopped, ...] = ("interrupted", "access")

_GOES_ON = "its jobs go on at the provider, and the next run collects them"
_NO_ROOM = "what is left of the budget, or of the month's, covers no other request in a batch"
_WAITING = f"batches have not ended; {_GOES_ON}"

_Step = Callable[[OpenIntent], Awaitable[bool]]


class BatchLoop:
    """Asks one route in batches; or, for a route that is asked live, collects what was so asked.

    Args:
        work: What to ask.
        protocol: How.
        context: What all loops share; this loop adds itself, and reserves what open jobs may cost.
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
        self._silent = bool(route.key) and work.key is None  # nothing of this run is left to ask
        headers = headers_for(self._api, work.key)
        self._provider = Provider(context.client, protocol, work.base, headers, route.timeouts)
        self._book = IntentBook(context.ledger.notes, context.ledger.digits)
        self._search = JobSearch(self._provider, protocol, self._book)
        self._collector = Collector(
            provider=self._provider,
            protocol=protocol,
            api=self._api,
            book=self._book,
            ledger=context.ledger,
            budget=context.budget,
            progress=progress,
            run_id=context.run_id,
            clock=context.clock,
            count=self._count,
        )
        self._stopped = asyncio.Event()
        self._submitter = Submitter(
            route, self._price, self._provider, self._book, context, self._stopped
        )
        self._submits = True
        self._awaited: set[bytes] = set()  # this run's requests that are in jobs
        self._again: list[Request] = []  # ordered in a job that came to nothing
        self._unanswered: Counter[str] = Counter()
        self._open = self._book.open(route.id)
        for opened in self._open:
            opened.followed = opened.host == route.host and not self._silent
            context.budget.adopt(opened.reserved)
            if opened.host != route.host:
                self._note_stop(
                    "failing",
                    f"{route.id}: batches were sent to {opened.host}, not {route.host}, and can be "
                    "collected only there; nothing of them is ordered again",
                )
        context.loops.append(self)

    async def run(self) -> None:
        """Asks until nothing is left or the loop is stopped, and accounts for every request.

        Raises:
            StillroomError: The ledger could not be written.
        """
        await self._find_lost()
        await self._submit(self._unasked())
        await self._follow()
        if self._again and not self._stopped.is_set():
            again, self._again = self._again, []
            await self._submit(_each(again))
            await self._follow()
        self._close()
        if not self.progress.pending and self.progress.stopped != "access":
            self.progress.stopped, self.progress.detail = None, ""

    async def look_once(self) -> None:
        """Collects the jobs that have ended, and waits for none."""
        for opened in self._followed():
            await self._try(opened, self._is_over)
        self._close()

    def outside_jobs(self, requests: Iterable[Request]) -> Iterator[Request]:
        """Yields requests but those in open jobs, which are pending.

        Args:
            requests: Drawn one by one, after `look_once`.
        """
        ids = self._in_jobs()
        for request in requests:
            if not self._is_in(ids, request):
                yield request
                continue
            self.progress.pending += 1
            self._note_stop("quota", f"{self._route.id}: {_WAITING}")

    def stop(self, reason: Stopped, detail: str) -> None:
        """Submits nothing more; follows its jobs on where it still may. The first reason stands."""
        self._stop_submitting(reason, detail)
        if reason in _LEAVE:
            self._stopped.set()

    def _stop_submitting(self, reason: Stopped, detail: str) -> None:
        self._note_stop(reason, detail)
        self._submits = False

    def _note_stop(self, reason: Stopped, detail: str) -> None:
        if self.progress.stopped is None:
            self.progress.stopped, self.progress.detail = reason, detail

    # What is to be asked

    async def _unasked(self) -> AsyncIterator[Request]:
        """Yields the requests that have no answer, and are in no job; counts the others."""
        ids = self._in_jobs()
        for number, request in enumerate(self._requests):
            if number % _LOOKUPS_AT_ONCE == 0:
                await asyncio.sleep(0)
            if ended := self._context.earlier_outcome(request):
                self.progress.count_ended(ended)
                continue
            if self._is_in(ids, request):
                self._awaited.add(bytes.fromhex(request.request_id))
            else:
                yield request

    def _in_jobs(self) -> frozenset[bytes]:
        return frozenset().union(*(opened.ids for opened in self._open))

    def _is_in(self, ids: frozenset[bytes], request: Request) -> bool:
        """Tells whether a request is in an open job, and has no answer from elsewhere."""
        if not ids or bytes.fromhex(request.request_id) not in ids:
            return False
        return not self._context.ledger.answered(request.request_id)

    # Submitting

    async def _submit(self, requests: AsyncIterator[Request]) -> None:
        """Submits requests, in jobs as large as they may be and as the budget has room for."""
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
        self._stop_submitting("budget", f"{self._route.id}: {_NO_ROOM}")
        return False

    async def _submit_chunk(self, chunk: Chunk) -> None:
        opened = None
        try:
            opened = await self._submitter.submit(chunk)
        except NotPermitted:
            self._stop_submitting("terms", f"{self._route.id}: the terms no longer permit it")
        except CallFailed as failure:
            self._note_refusal(failure)
        if opened is None:
            self._context.budget.release(chunk.reserved)
            self.progress.pending += len(chunk.requests)
            return
        self._open.append(opened)
        self._awaited |= opened.ids
        self.progress.asked += opened.size
        self.progress.attempts += opened.size
        self.progress.in_flight += opened.size

    def _note_refusal(self, failure: CallFailed) -> None:
        exchange = failure.exchange
        if failure.withdrawn:
            self._context.stop_account(self.account, exchange.detail)
        elif is_transient(exchange):
            self._stop_submitting(
                "quota", f"{self._route.id}: no batch was taken: {exchange.detail}"
            )
        else:
            self._stop_submitting(
                "failing", f"{self._route.id}: a batch was refused: {exchange.detail}"
            )

    # Following

    async def _find_lost(self) -> None:
        """Finds the jobs of intents that a killed run left without; waits until they are listed."""
        while self._lost() and not self._stopped.is_set():
            for opened in self._lost():
                await self._try(opened, self._is_dismissed)
            listed = max(map(self._listed_at, self._lost()), default=0)
            wait = listed - self._context.clock.wall()
            if wait <= 0:
                return
            await self._context.clock.pause(min(wait, LONGEST_PAUSE_SECONDS), self._stopped)

    def _lost(self) -> list[OpenIntent]:
        return [opened for opened in self._followed() if not opened.job]

    async def _follow(self) -> None:
        """Looks at all jobs again and again, until they have ended or our patience has."""
        pause = FIRST_PAUSE_SECONDS
        while followed := self._followed():
            for opened in followed:
                if self._stopped.is_set():
                    return
                await self._try(opened, self._is_over)
                opened.followed &= self._age(opened) < self._route.timeouts.batch_seconds
            if not self._followed():
                return
            await self._context.clock.pause(pause, self._stopped)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def _followed(self) -> list[OpenIntent]:
        return [opened for opened in self._open if opened.followed]

    async def _try(self, opened: OpenIntent, is_done: _Step) -> None:
        """Takes a step with a job, which may be the last one; notes what goes wrong in it."""
        try:
            if await is_done(opened):
                self._open.remove(opened)
        except CallFailed as failure:
            await self._note_failure(opened, failure)

    async def _is_over(self, opened: OpenIntent) -> bool:
        """Collects a job if it has ended."""
        if await self._is_dismissed(opened):
            return True
        if not opened.job:
            return False
        job = await self._provider.job(opened.job)
        if job.ended:
            await self._collector.collect(opened, job)
        return job.ended

    async def _is_dismissed(self, opened: OpenIntent) -> bool:
        """Finds an intent's job; settles one that never came to any, once that is certain."""
        if opened.job:
            return False
        certain = self._context.clock.wall() >= self._listed_at(opened)
        job, maybe = await self._search.find(opened)
        if job is not None:
            await asyncio.to_thread(self._book.note_job, opened, job.id)
        if job is not None or maybe or not certain:
            return False
        for request in await self._collector.dismiss(opened):
            key = bytes.fromhex(request.request_id)
            if key in self._awaited:
                self._awaited.discard(key)
                self._again.append(request)
        return True

    def _age(self, opened: OpenIntent) -> float:
        """Returns the seconds since an intent was made."""
        return self._context.clock.wall() - opened.created / 1000

    def _listed_at(self, opened: OpenIntent) -> float:
        """Returns when the job of an intent is listed at the latest, seconds since 1970 UTC."""
        return opened.created / 1000 + self._route.timeouts.response_seconds + LISTED_SECONDS

    async def _note_failure(self, opened: OpenIntent, failure: CallFailed) -> None:
        exchange = failure.exchange
        if failure.withdrawn:
            self._context.stop_account(self.account, exchange.detail)
        elif exchange.status == _NOT_FOUND and opened.job:
            await self._miss(opened)
        elif not is_transient(exchange):
            opened.followed = False
            what = f"{self._route.id}: job {opened.job or 'unknown'}: {exchange.detail}"
            self._note_stop("failing", f"{what}; {_GOES_ON}")

    async def _miss(self, opened: OpenIntent) -> None:
        """Gives a job up that the provider has forgotten, if it is old enough to be forgotten.

        Else this is another account, and what was paid for there would be bought again.
        """
        if self._age(opened) > KEPT_SECONDS:
            gone = BatchJob(opened.job, ended=True, created=opened.created)
            await self._collector.collect(opened, gone, missing="lost")
            self._open.remove(opened)
            return
        opened.followed = False
        self._note_stop(
            "failing",
            f"{self._route.id}: the provider does not know job {opened.job}; is the key another "
            "account's? Nothing of it is ordered again",
        )

    # Accounts

    def _count(self, request_id: str, result: Result | None) -> None:
        """Counts a request that came back, if it is one of this run's."""
        key, progress = bytes.fromhex(request_id), self.progress
        if key not in self._awaited:
            return
        self._awaited.discard(key)
        if result is None:
            known = self._context.ledger.outcome(request_id)
            progress.from_ledger += bool(known and known.answered)
            progress.pending += not (known and known.answered)
        elif result.outcome == "answer":
            progress.answered += 1
        elif result.final:
            progress.fail(result.outcome)
        else:
            progress.pending += 1
            self._unanswered[result.outcome] += 1

    def _close(self) -> None:
        """Accounts for what has not come: its requests are pending, its money counts as spent."""
        progress = self.progress
        progress.in_flight = 0
        progress.pending += len(self._awaited) + len(self._again)
        for opened in self._open:
            self._context.budget.settle(opened.reserved, None)
            progress.usd_uncertain += opened.reserved.usd
        if self._awaited:
            self._note_stop("quota", f"{self._route.id}: {_WAITING}")
            if _GOES_ON not in progress.detail and progress.stopped != "quota":
                progress.detail += f"; {_GOES_ON}"
        elif self._unanswered:
            named = ", ".join(f"{count} x {what}" for what, count in self._unanswered.items())
            self._note_stop("quota", f"{self._route.id}: came back unanswered: {named}; run again")
        elif self._again:
            self._note_stop("failing", f"{self._route.id}: what is submitted comes to no batch")


async def _each(requests: Iterable[Request]) -> AsyncIterator[Request]:
    for request in requests:
        yield request
