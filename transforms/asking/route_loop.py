"""Asks the requests of one route, at most as many at once as the route allows in flight.

    ledger ── answered ────────────────────────────────▶ from_ledger
      │ not yet
      ▼
    budget ▶ quota ▶ guard ▶ send ▶ ledger ▶ settle ─┬─▶ answered · failed
      ▲                                              │
      └────────── pause, by the retry policy ────────┘

A request that cannot be asked now is pending. Nothing reads a response before it is in the ledger.
After that, an answer that violates its JSON Schema may lead to one more request, see `repair.py`.
That one goes the same way; its cost is counted, but it does not count as a request.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from functools import partial

from schemas.codes import Outcome, StopReason
from schemas.requests import Request
from schemas.responses import Response
from transforms.asking.context import AskingContext
from transforms.asking.progress import ACCESS_REFUSALS_IN_A_ROW, WITHDRAWN, RouteProgress
from transforms.asking.repair import Repairs, may_need_repair
from transforms.asking.reserving import RouteBudget
from transforms.asking.sender import Sender
from transforms.dialects.error_codes import Meaning
from transforms.dialects.server_limits import seconds_until_refilled
from transforms.limits.budget import Spend
from transforms.limits.quota import DenialReason, Denied, Grant
from transforms.limits.route_work import RouteWork
from transforms.limits.usage import tokens_used
from transforms.providers.apis import HttpCall, find_api
from transforms.providers.http_client import Exchange
from transforms.providers.meaning import ReplyReading
from transforms.providers.retry import RetryPolicy, TransientFailure, judge
from transforms.providers.tokens import (
    NO_TOKENS,
    Tokens,
    estimated_tokens,
    most_tokens,
    plausible_of,
)

# After so many failed requests in a row, the rest would fail too.
FAILURES_IN_A_ROW = 25
_LOOKUPS_AT_ONCE = 256  # then the other routes get their turn
# What an attempt brought of which nothing more is known: it is durable before the attempt is sent.
_LOST = Exchange(Outcome.LOST, detail="sent, or about to be, when its process died")
_PUSHED_BACK = (429, 503, 529)  # 529: Anthropic's "overloaded"


@dataclass(slots=True, kw_only=True)
class _RequestState:
    """A request being asked: its call, its reservation, its attempts so far."""

    request: Request
    call: HttpCall
    estimate: Tokens
    most: Tokens
    reserved: Spend = field(default_factory=Spend)
    attempts: int = 0
    began: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sent:
    """An attempt that was sent.

    Attributes:
        url: The address asked.
        exchange: Its response or error.
        reading: What that means.
        failure: The failure, if it may pass.
        grant: The quota's grant.
        decision_id: The guard's decision.
        sent_at: Milliseconds since 1970 UTC.
        unreached: Whether it made no connection, as none before it did.
    """

    url: str
    exchange: Exchange
    reading: ReplyReading
    failure: TransientFailure | None
    grant: Grant
    decision_id: str
    sent_at: int
    unreached: bool

    @property
    def ends_request(self) -> bool:
        """Whether it ends the request, if no other attempt follows."""
        if self.unreached:
            return False
        if self.failure is not None:
            return not self.failure.quota_spent
        return self.reading.meaning is not Meaning.MONEY


class RouteLoop:
    """Asks one route.

    Args:
        work: What to ask.
        context: What all loops share; this loop adds itself.
        progress: Where to count.

    Raises:
        InputError: The API is unknown, or the route's quota cannot be shared by so many slices.
    """

    def __init__(self, work: RouteWork, context: AskingContext, progress: RouteProgress) -> None:
        self.progress = progress
        self.account = work.account
        self._context = context
        self._route = work.route
        self._host = work.route.host
        self._api = find_api(work.route.api)
        self._reach = context.reach(work.account[0])
        self._sender = Sender(work, self._api, context.client, context.clock)
        self._repairs = Repairs(context.ledger, self._api)
        self._requests = iter(work.requests)
        self._limiter = context.limiter(work)
        quota = work.route.quota
        self._limited_by_day = bool(quota.requests_per_day or quota.tokens_per_day)
        patience = work.route.timeouts.patience_seconds
        self._policy = RetryPolicy(patience, context.clock, context.random)
        self._stopped = asyncio.Event()
        self._budget = RouteBudget(context.budget, work.route, progress)
        self._failures_in_a_row = 0
        self._refusals_in_a_row = 0
        self._looked_up = 0
        context.loops.append(self)

    async def run(self) -> None:
        """Asks until nothing is left or the loop is stopped; counts every request.

        Raises:
            StillroomError: The ledger could not be written.
        """
        with contextlib.closing(self._repairs):
            async with asyncio.TaskGroup() as workers:
                for _ in range(self._limiter.concurrency):
                    workers.create_task(self._work())
        self.progress.throttled_seconds = self._limiter.throttled_seconds
        left = self.progress.pending or self.progress.unrepaired
        if left and self.progress.stopped is None:
            self.progress.stopped = StopReason.QUOTA
            self.progress.detail = (
                f"{self._route.id}: {left} requests are pending: the server's rate limit outlasted "
                "all attempts"
            )
        elif not left and self.progress.stopped != StopReason.ACCESS:
            self.progress.stopped, self.progress.detail = None, ""

    def stop(self, reason: StopReason, detail: str) -> None:
        """Sends nothing more; requests in flight finish. The first of the gravest is kept."""
        self.progress.stop(reason, detail)
        self._stopped.set()
        self._limiter.close()

    async def _work(self) -> None:
        for request in self._requests:  # the one iterator of all workers
            ended = self._context.earlier_outcome(request)
            if ended:
                self.progress.count_ended(ended)
                await self._yield_to_others()
            elif self._stopped.is_set():
                self.progress.pending += 1
                await self._yield_to_others()
            else:
                await self._ask(request)
            if ended == Outcome.ANSWER and may_need_repair(request):
                await self._repair(await self._repairs.to_known(request))

    async def _yield_to_others(self) -> None:
        self._looked_up += 1
        if self._looked_up % _LOOKUPS_AT_ONCE == 0:
            await asyncio.sleep(0)

    async def _ask(self, request: Request) -> None:
        sent = await self._ask_until_ended(request)
        if sent is not None and sent.exchange.answered:
            self.progress.answered += 1
            self._failures_in_a_row = 0
            if may_need_repair(request):
                await self._repair(await self._repairs.to_new(request, sent.exchange.body))
            return
        if sent is not None and sent.ends_request:
            self.progress.fail(sent.exchange.outcome)
        else:
            self.progress.pending += 1
        if sent is not None:
            self._note_error(sent)
            if sent.reading.meaning is not Meaning.PROMPT:
                self._note_failure(sent)

    async def _repair(self, following: Request | None) -> None:
        """Asks the follow-up to an answer. If it fails, the answer remains."""
        if following is not None and not self._context.earlier_outcome(following):
            sent = await self._ask_until_ended(following)
            self.progress.unrepaired += sent is None or not sent.ends_request

    async def _ask_until_ended(self, request: Request) -> _Sent | None:
        """Returns the last attempt; None where it was not sent."""
        state = _RequestState(
            request=request,
            call=self._api.build(request),
            estimate=estimated_tokens(request) if self._limiter.limits_tokens else NO_TOKENS,
            most=most_tokens(request),
        )
        last = await self._policy.run(
            partial(self._attempt, state), self._sleep, partial(self._before_pause, state)
        )
        if last is not None:
            await self._record(state, last, final=last.ends_request)
        return last

    async def _sleep(self, seconds: float) -> None:
        await self._context.clock.pause(seconds, self._stopped)

    async def _before_pause(self, state: _RequestState, sent: _Sent, seconds: float) -> None:
        await self._record(state, sent, final=False)
        if sent.failure is not None and sent.failure.asked_seconds is not None:
            self._limiter.hold(seconds)

    async def _attempt(self, state: _RequestState) -> _Sent | None:
        if self._stopped.is_set():
            return None
        reserved = await self._budget.reserve(state.most)
        if reserved is None:
            self._context.stop_all(
                StopReason.BUDGET,
                "the rest of the budget, or of the month's, does not cover another request",
            )
            return None
        state.reserved = reserved
        grant = await self._limiter.acquire(state.estimate)
        if not isinstance(grant, Grant):
            self._budget.release(reserved)
            self._note_denied(grant)
            return None
        verdict = self._context.permits(state.request)
        if verdict is None or not verdict.permits:
            self._budget.release(reserved)
            self._limiter.settle(grant, NO_TOKENS)
            self.stop(StopReason.TERMS, f"{self._route.id}: the terms no longer permit it")
            return None
        self._context.ledger.note_decision(verdict)
        return await self._send(state, grant, verdict.decision_id)

    async def _send(self, state: _RequestState, grant: Grant, decision_id: str) -> _Sent:
        self._count(state)
        context, sent_at = self._context, self._context.clock.now()
        try:
            if self._limited_by_day or (context.budget.monthly and state.reserved.picodollars):
                lost = self._response(state, _LOST, sent_at, decision_id, final=False)
                await context.ledger.intend(lost, state.request)
            exchange, reading = judge(await self._sender.post(state.call))
        finally:
            self.progress.in_flight -= 1
        return _Sent(
            url=self._sender.url(state.call.path),
            exchange=exchange,
            reading=reading,
            failure=self._policy.failure(exchange, state.began, reading),
            grant=grant,
            decision_id=decision_id,
            sent_at=sent_at,
            unreached=self._reach.never_reached(exchange),
        )

    async def _record(self, state: _RequestState, sent: _Sent, *, final: bool) -> None:
        """Writes the response to the ledger before anything else depends on it."""
        response = self._response(state, sent.exchange, sent.sent_at, sent.decision_id, final)
        await self._context.ledger.append(response, state.request)
        self._settle(state, sent.grant, sent.exchange)
        if sent.exchange.returns_key:
            self.progress.note_returned_key(sent.url)
        self._react(sent)

    def _count(self, state: _RequestState) -> None:
        if not state.attempts:
            state.began = self._context.clock.monotonic()
            self.progress.asked += 1
        state.attempts += 1
        self.progress.attempts += 1
        self.progress.in_flight += 1
        self.progress.throttled_seconds = self._limiter.throttled_seconds

    def _response(
        self, state: _RequestState, exchange: Exchange, sent_at: int, decision_id: str, final: bool
    ) -> Response:
        return Response(
            request_id=state.request.request_id,
            attempt=state.attempts,
            outcome=exchange.outcome,
            final=final,
            status=exchange.status,
            headers=dict(exchange.headers),
            body=exchange.body,
            sent_at=sent_at,
            received_at=self._context.clock.now(),
            run_id=self._context.run_id,
            route=self._route.id,
            host=self._host,
            decision_id=decision_id,
            input_usd_per_million=self._route.price.input_usd_per_million,
            output_usd_per_million=self._route.price.output_usd_per_million,
            detail=exchange.detail,
        )

    def _settle(self, state: _RequestState, grant: Grant, exchange: Exchange) -> None:
        most = plausible_of(state.most, state.request.parameters)
        used = tokens_used(self._api, exchange, most)
        self._limiter.settle(grant, used)
        spent = self._budget.settle(state.reserved, state.most, used)
        if used is None:
            self.progress.count_unknown_cost(spent.usd, answered=exchange.answered)
        else:
            self.progress.count_cost(used, spent.usd)

    def _react(self, sent: _Sent) -> None:
        if self._reach.gives_up(sent.exchange):
            reason = f"{sent.url} cannot be reached: {sent.exchange.detail}"
            self.stop(StopReason.UNREACHABLE, f"{self._route.id}: {reason}")
        elif self._loses_access(sent):
            self._context.stop_account(self.account, sent.exchange.detail)
        elif sent.reading.meaning is Meaning.MONEY:
            reason = f"the account's money is used up ({sent.exchange.detail})"
            self.stop(StopReason.MONEY, f"{self._route.id}: {reason}")
        elif sent.failure is not None and sent.failure.exceeds_patience:
            self.stop(
                StopReason.QUOTA,
                f"{self._route.id}: the server asks for a longer wait than our patience",
            )
        else:
            self._apply_server_limits(sent.exchange, sent.grant)

    def _loses_access(self, sent: _Sent) -> bool:
        """Returns whether the account lost access: the server says so, or refuses repeatedly."""
        meaning = sent.reading.meaning
        if meaning is Meaning.ANSWER:
            self._refusals_in_a_row = 0
        elif meaning is Meaning.REQUEST and sent.reading.status in WITHDRAWN:
            self._refusals_in_a_row += 1
        repeated = self._refusals_in_a_row >= ACCESS_REFUSALS_IN_A_ROW
        return meaning is Meaning.ACCOUNT or repeated

    def _apply_server_limits(self, exchange: Exchange, grant: Grant) -> None:
        """Pauses the route, or sends less at once, as the server asks."""
        if exchange.answered:
            self._limiter.note_answer()
        elif exchange.status in _PUSHED_BACK:
            self._limiter.note_pushback(grant)
        empty = seconds_until_refilled(exchange.headers, self._context.clock.wall())
        if empty:  # a full refill may take much longer than room for one request
            self._limiter.hold(min(empty, self._route.timeouts.patience_seconds))

    def _note_error(self, sent: _Sent) -> None:
        """Keeps the server's own words for the run's summary."""
        words = sent.reading.words
        quoted = f": {words}" if words else ""
        sentence = f"{sent.url}: {sent.exchange.outcome} ({sent.exchange.detail}){quoted}"
        self.progress.note_error(sent.exchange.outcome, sent.reading.code, sentence)

    def _note_failure(self, sent: _Sent) -> None:
        self._failures_in_a_row += 1
        if self._failures_in_a_row == FAILURES_IN_A_ROW:
            reason = StopReason.FAILING if sent.ends_request else StopReason.QUOTA
            last = sent.exchange.outcome
            detail = f"{FAILURES_IN_A_ROW} requests in a row failed, the last with {last}"
            self.stop(reason, f"{self._route.id}: {detail}")

    def _note_denied(self, denied: Denied) -> None:
        if denied.reason is DenialReason.UNREACHABLE:
            self.stop(StopReason.QUOTA, f"{self._route.id}: {denied.detail}")
        elif denied.reason is DenialReason.DAY_SPENT:
            self.stop(
                StopReason.QUOTA,
                f"{self._route.id}: today's quota is spent; the next day begins at 0:00 UTC",
            )
        elif denied.reason is DenialReason.TOO_LARGE and self.progress.stopped is None:
            # Smaller requests are still asked; a later reason does not replace this one.
            self.progress.stopped = StopReason.QUOTA
            self.progress.detail = f"{self._route.id}: a request is more than a minute's quota"
