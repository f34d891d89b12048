"""Asks the requests of one route: as many at once as it may have in flight, in a bounded window.

    ledger ── answered ────────────────────────────────▶ from_ledger
      │ not yet
      ▼
    budget ▶ quota ▶ guard ▶ send ▶ ledger ▶ settle ─┬─▶ answered · failed
      ▲                                              │
      └────────────── pause, as the policy says ─────┘

What cannot be asked now is pending. Nothing looks at a response before it is in the ledger. Once it
is, an answer that violates its JSON Schema may lead to one more request, see `repair.py`: it goes
the same way, and is counted with what it cost, but not as a request.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial

from yarl import URL

from schemas.requests import Request
from schemas.responses import Completion, Response
from schemas.stops import Stopped
from transforms.asking.context import AskingContext
from transforms.asking.progress import RouteProgress
from transforms.asking.repair import may_need_repair, open_repair, repair_request
from transforms.limits.budget import Spend, cost
from transforms.limits.quota import DenialReason, Denied, Grant
from transforms.limits.route_work import RouteWork
from transforms.limits.usage import tokens_used
from transforms.providers.apis import HttpCall, find_api, headers_for
from transforms.providers.http_client import Exchange, HttpTarget, make_timeout
from transforms.providers.keys import KEY_NOT_RENEWED
from transforms.providers.retry import Next, RetryPolicy
from transforms.providers.server_limits import seconds_until_refilled
from transforms.providers.tokens import NO_TOKENS, Tokens, estimated_tokens, most_tokens

# After so many requests in a row that failed, the rest would fail too.
FAILURES_IN_A_ROW = 25
_LOOKUPS_AT_ONCE = 256  # then the other routes have their turn
_WITHDRAWN = (401, 403)
_PUSHED_BACK = (429, 503, 529)  # 529: Anthropic's "overloaded"


@dataclass(slots=True)
class _Question:
    """A request on its way."""

    request: Request
    call: HttpCall
    estimate: Tokens
    reserve: Spend
    attempts: int = 0
    began: float = 0.0


@dataclass(frozen=True, slots=True)
class _Tried:
    """An attempt that was made, and what it brought; or, without an outcome, one that was not."""

    outcome: str
    next: Next
    body: bytes = b""


_NOT_TRIED = _Tried("", Next(later=True))


class RouteLoop:
    """Asks one route.

    Args:
        work: What to ask.
        desk: What all lanes share; the lane adds itself.
        progress: Where to count.

    Raises:
        InputError: The API is unknown, or the route's quota cannot be shared by so many slices.
    """

    def __init__(self, work: RouteWork, desk: AskingContext, progress: RouteProgress) -> None:
        self.progress = progress
        self.account = work.account
        self._desk = desk
        self._route = work.route
        self._host = work.route.host
        self._base = work.base
        self._api = find_api(work.route.api)
        self._key = work.key
        self._shown = work.key.reveal() if work.key else ""
        self._targets: dict[str, HttpTarget] = {}
        self._requests = iter(work.requests)
        self._limiter = desk.limiter(work)
        patience = work.route.timeouts.patience_seconds
        self._policy = RetryPolicy(patience, desk.clock, desk.random)
        self._halted = asyncio.Event()
        self._failures_in_a_row = 0
        self._looked_up = 0
        desk.lanes.append(self)

    async def run(self) -> None:
        """Asks until nothing is left or the lane is halted, and accounts for every request.

        Raises:
            StillroomError: The ledger could not be written.
        """
        async with asyncio.TaskGroup() as workers:
            for _ in range(self._limiter.concurrency):
                workers.create_task(self._work())
        self.progress.throttled_seconds = self._limiter.throttled_seconds
        left = self.progress.pending or self.progress.unmended
        if not left and self.progress.stopped != "access":
            self.progress.stopped, self.progress.detail = None, ""

    def halt(self, reason: Stopped, detail: str) -> None:
        """Sends nothing more; what is in flight finishes. The first reason stands."""
        if self.progress.stopped is None:
            self.progress.stopped, self.progress.detail = reason, detail
        self._halted.set()
        self._limiter.close()

    async def _work(self) -> None:
        for request in self._requests:  # the one iterator of all workers
            ended = self._desk.ended_before(request)
            if ended:
                self.progress.count_ended(ended)
                await self._let_others_work()
            elif self._halted.is_set():
                self.progress.pending += 1
                await self._let_others_work()
            else:
                await self._ask(request)
            if ended == "answer" and may_need_repair(request):
                await self._repair(open_repair(self._desk.ledger.snapshot, self._api, request))

    async def _let_others_work(self) -> None:
        self._looked_up += 1
        if self._looked_up % _LOOKUPS_AT_ONCE == 0:
            await asyncio.sleep(0)

    async def _ask(self, request: Request) -> None:
        tried = await self._try(request)
        if tried.outcome == "answer":
            self.progress.answered += 1
            self._failures_in_a_row = 0
            if may_need_repair(request):
                completion = self._api.parse(tried.body)
                if isinstance(completion, Completion):
                    await self._repair(repair_request(request, completion))
            return
        if tried.next.ended:
            self.progress.fail(tried.outcome)
        else:
            self.progress.pending += 1
        if tried.outcome:
            self._note_failure(tried)

    async def _repair(self, following: Request | None) -> None:
        """Asks the follow-up to an answer. Whatever comes of it, the answer is there already."""
        if following is not None and not self._desk.ended_before(following):
            tried = await self._try(following)
            self.progress.unmended += not tried.next.ended

    async def _try(self, request: Request) -> _Tried:
        question = _Question(
            request,
            self._api.build(request),
            estimated_tokens(request) if self._limiter.limits_tokens else NO_TOKENS,
            cost(most_tokens(request), self._route.price),
        )
        return await self._policy.run(partial(self._attempt, question), self._sleep)

    async def _sleep(self, seconds: float) -> None:
        await self._desk.clock.pause(seconds, self._halted)

    async def _attempt(self, question: _Question) -> _Tried:
        if self._halted.is_set():
            return _NOT_TRIED
        budget = self._desk.budget
        if not await budget.reserve(question.reserve):
            self._desk.halt(
                "budget",
                "what is left of the budget, or of the month's, does not cover another request",
            )
            return _NOT_TRIED
        grant = await self._limiter.acquire(question.estimate)
        if not isinstance(grant, Grant):
            budget.release(question.reserve)
            self._note_denied(grant)
            return _NOT_TRIED
        verdict = self._desk.permits(question.request)
        if verdict is None or not verdict.permits:
            budget.release(question.reserve)
            self._limiter.settle(grant, NO_TOKENS)
            self.halt("terms", f"{self._route.id}: the terms no longer permit it")
            return _NOT_TRIED
        self._desk.ledger.note_decision(verdict)
        return await self._send(question, grant, verdict.decision_id)

    async def _send(self, question: _Question, grant: Grant, decision_id: str) -> _Tried:
        self._count(question)
        sent_at = self._desk.clock.now()
        try:
            exchange = await self._post(question.call)
        finally:
            self.progress.in_flight -= 1
        following = self._policy.after(exchange, question.attempts, question.began)
        response = self._response(question, exchange, following, sent_at, decision_id)
        await self._desk.ledger.append(response, question.request)
        self._settle(question, grant, exchange)
        self._react(exchange, following, grant)
        return _Tried(exchange.outcome, following, exchange.body)

    def _count(self, question: _Question) -> None:
        if not question.attempts:
            question.began = self._desk.clock.monotonic()
            self.progress.asked += 1
        question.attempts += 1
        self.progress.attempts += 1
        self.progress.in_flight += 1
        self.progress.throttled_seconds = self._limiter.throttled_seconds

    def _response(
        self,
        question: _Question,
        exchange: Exchange,
        following: Next,
        sent_at: int,
        decision_id: str,
    ) -> Response:
        return Response(
            request_id=question.request.request_id,
            attempt=question.attempts,
            outcome=exchange.outcome,
            final=following.ended,
            status=exchange.status,
            headers=dict(exchange.headers),
            body=exchange.body,
            sent_at=sent_at,
            received_at=self._desk.clock.now(),
            run_id=self._desk.run_id,
            route=self._route.id,
            host=self._host,
            decision_id=decision_id,
            input_usd_per_million=self._route.price.input_usd_per_million,
            output_usd_per_million=self._route.price.output_usd_per_million,
            detail=exchange.detail,
        )

    def _settle(self, question: _Question, grant: Grant, exchange: Exchange) -> None:
        used, progress = tokens_used(self._api, exchange), self.progress
        self._limiter.settle(grant, used)
        if used is None:
            self._desk.budget.settle(question.reserve, None)
            progress.usd_uncertain += question.reserve.usd
            progress.uncertain += not exchange.answered
            return
        spent = cost(used, self._route.price)
        self._desk.budget.settle(question.reserve, spent)
        progress.prompt_tokens += used.prompt
        progress.completion_tokens += used.completion
        progress.usd += spent.usd

    def _react(self, exchange: Exchange, following: Next, grant: Grant) -> None:
        if exchange.status in _WITHDRAWN:
            self._desk.withdraw(self.account, exchange.detail)
        elif following.parks:
            self.halt("quota", f"{self._route.id}: told to wait beyond our patience")
        else:
            self._heed(exchange, following, grant)

    def _heed(self, exchange: Exchange, following: Next, grant: Grant) -> None:
        """Does as the server asks: sends nothing for a while, or less at once."""
        if exchange.answered:
            self._limiter.note_answer()
        elif exchange.status in _PUSHED_BACK:
            self._limiter.note_pushback(grant)
        empty = seconds_until_refilled(exchange.headers, self._desk.clock.wall())
        if empty:  # in full it may be refilled much later than there is room for one
            self._limiter.hold(min(empty, self._route.timeouts.patience_seconds))
        if following.asked_to_wait and following.pause_seconds is not None:
            self._limiter.hold(following.pause_seconds)

    def _note_failure(self, tried: _Tried) -> None:
        self._failures_in_a_row += 1
        if self._failures_in_a_row == FAILURES_IN_A_ROW:
            reason: Stopped = "quota" if tried.next.later else "failing"
            detail = f"{FAILURES_IN_A_ROW} requests in a row failed, the last with {tried.outcome}"
            self.halt(reason, f"{self._route.id}: {detail}")

    def _note_denied(self, denied: Denied) -> None:
        if denied.reason is DenialReason.UNREACHABLE:
            self.halt("quota", f"{self._route.id}: {denied.detail}")
        elif denied.reason is DenialReason.DAY_SPENT:
            self.halt(
                "quota", f"{self._route.id}: today's quota is spent; it begins anew at 0:00 UTC"
            )
        elif denied.reason is DenialReason.TOO_LARGE and self.progress.stopped is None:
            # Smaller requests go on; the reason stands unless a graver one comes.
            self.progress.stopped = "quota"
            self.progress.detail = f"{self._route.id}: a request is more than a minute's quota"

    async def _post(self, call: HttpCall) -> Exchange:
        if self._key is not None and self._key.is_stale(self._desk.clock.wall()):
            problem = await self._key.renew(self._desk.clock.wall)
            if problem:
                return Exchange(KEY_NOT_RENEWED, detail=problem)
        return await self._desk.client.post(self._target(call.path), call.body)

    def _target(self, path: str) -> HttpTarget:
        """Returns where to post and how; made anew for a key that was renewed, by us or others."""
        if self._key is not None and self._key.reveal() is not self._shown:
            self._shown = self._key.reveal()
            self._targets.clear()
        target = self._targets.get(path)
        if target is None:
            timeout = make_timeout(self._route.timeouts)
            headers = headers_for(self._api, self._key)
            target = HttpTarget(URL(self._base + path), headers, timeout)
            self._targets[path] = target
        return target
