"""When to ask again: one policy of tenacity strategies, for all requests.

- *Retry* after failures that may pass: a busy server, a broken connection, a timeout. Not after
  failures that would come again, such as a request that the server calls wrong.
- *Wait* as long as the server asks, plus jitter. Where it asks for nothing, jitter alone, from a
  range that doubles with each attempt, so that requests that failed together do not come back
  together ("full jitter": M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog,
  2015).
- *Stop* after so many attempts, or where the pause is longer than what is left of our patience.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC
from email.utils import parsedate_to_datetime
from random import Random
from typing import Any, Protocol, TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_result, stop_after_attempt
from tenacity.stop import stop_base
from tenacity.wait import wait_base

from transforms.clock import Clock
from transforms.dialects.error_codes import Meaning
from transforms.providers.http_client import Exchange
from transforms.providers.meaning import (
    NO_ANSWER_DETAIL,
    ReplyReading,
    lacks_answer,
    read_details,
    read_error_body,
    read_meaning,
)

MAX_ATTEMPTS = 6
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0

_TOO_MANY_REQUESTS = 429
_SECONDS = re.compile(r"[0-9]{1,18}(\.[0-9]+)?")
# Milliseconds, more exact than `Retry-After`, which Azure sends beside them:
# https://github.com/openai/openai-python/blob/main/src/openai/_base_client.py
_MILLISECONDS = ("retry-after-ms", "x-ms-retry-after-ms")
# google.protobuf.Duration in JSON: https://protobuf.dev/programming-guides/json/
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)s")


@dataclass(frozen=True, slots=True)
class TransientFailure:
    """A failure that may pass.

    Attributes:
        exchange: What the attempt brought.
        patience_seconds: What is left of our patience with the request.
        asked_seconds: How long the server asks us to wait; None where it does not.
        status: The HTTP status, or that of an error in a response with status 2xx.
    """

    exchange: Exchange
    patience_seconds: float
    asked_seconds: float | None = None
    status: int | None = None

    @property
    def exceeds_patience(self) -> bool:
        """Whether the server asks for more than our patience: its whole route has to wait."""
        return self.asked_seconds is not None and self.asked_seconds > self.patience_seconds

    @property
    def quota_spent(self) -> bool:
        """Whether a later run may ask the request again, if this was its last attempt."""
        return self.exceeds_patience or self.status == _TOO_MANY_REQUESTS


class Attempt(Protocol):
    """What a function that makes an attempt returns."""

    @property
    def failure(self) -> TransientFailure | None:
        """The failure, if it may pass."""
        ...


T = TypeVar("T", bound=Attempt)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Decides after each attempt whether another one follows, and when.

    Attributes:
        patience_seconds: For all attempts at one request together.
        clock: The time.
        random: Draws the jitter.
        max_attempts: Most attempts at one request.
    """

    patience_seconds: float
    clock: Clock
    random: Random
    max_attempts: int = MAX_ATTEMPTS

    def failure(
        self, exchange: Exchange, began: float, reading: ReplyReading | None = None
    ) -> TransientFailure | None:
        """Returns the failure of an attempt that has just ended; None unless it may pass.

        Args:
            exchange: What the attempt brought.
            began: When the first attempt began, by the monotonic clock.
            reading: What it means, if that is known already.
        """
        reading = reading or read_exchange(exchange)
        if not reading.may_pass:
            return None
        left = began + self.patience_seconds - self.clock.monotonic()
        asked = seconds_asked_for(exchange, self.clock.wall())
        return TransientFailure(exchange, left, asked, reading.status)

    async def run(
        self,
        attempt: Callable[[], Awaitable[T | None]],
        sleep: Callable[[float], Awaitable[None]],
        before_pause: Callable[[T, float], Awaitable[None]] | None = None,
    ) -> T | None:
        """Makes attempts until one is the last.

        Args:
            attempt: Makes one attempt; returns None if nothing was sent, which is the last then.
            sleep: Waits for some seconds.
            before_pause: Called with an attempt that another one follows, and the pause in seconds.

        Returns:
            The last attempt.
        """
        first = await attempt()
        if not _may_pass(first):
            return first
        # Few requests need the loop. For one that is answered at once it would cost 27 us of
        # processor time, beside 157 us for all the rest.
        made = [first]

        async def next_attempt() -> T | None:
            return made.pop() if made else await attempt()

        async def announce(state: RetryCallState) -> None:
            if before_pause is not None:
                await before_pause(_result(state), state.upcoming_sleep)

        last: T | None = await AsyncRetrying(
            retry=retry_if_result(_may_pass),
            wait=WaitAsAsked() + WaitJitter(self.random),
            stop=stop_after_attempt(self.max_attempts) | StopWithoutPatience(),
            sleep=sleep,
            before_sleep=announce,
            retry_error_callback=_result,
        )(next_attempt)
        return last


class WaitAsAsked(wait_base):
    """Waits as long as the server asks."""

    def __call__(self, retry_state: RetryCallState) -> float:
        return _failure(retry_state).asked_seconds or 0.0


class WaitJitter(wait_base):
    """Waits at random, up to a bound: of our own pauses it doubles with each attempt.

    Args:
        random: Draws the seconds.
    """

    def __init__(self, random: Random) -> None:
        self._random = random

    def __call__(self, retry_state: RetryCallState) -> float:
        failure = _failure(retry_state)
        doubled = FIRST_PAUSE_SECONDS * 2.0 ** (retry_state.attempt_number - 1)
        most = min(LONGEST_PAUSE_SECONDS, doubled)
        if failure.asked_seconds is not None:
            left = failure.patience_seconds - failure.asked_seconds
            most = max(0.0, min(FIRST_PAUSE_SECONDS, left))
        return self._random.uniform(0.0, most)


class StopWithoutPatience(stop_base):
    """Stops where the pause is longer than what is left of our patience."""

    def __call__(self, retry_state: RetryCallState) -> bool:
        return retry_state.upcoming_sleep > _failure(retry_state).patience_seconds


def read_exchange(exchange: Exchange) -> ReplyReading:
    """Returns what an attempt means."""
    return read_meaning(exchange.outcome, exchange.status, exchange.headers, exchange.body)


def judge(exchange: Exchange) -> tuple[Exchange, ReplyReading]:
    """Returns an attempt with the outcome and detail to store, and what it means.

    The outcome of a response without an answer is the reason; the detail ends with the server's
    code. Its words are left out: they may quote the prompt.
    """
    reading = read_exchange(exchange)
    if reading.meaning is Meaning.ANSWER:
        return exchange, reading
    missing = lacks_answer(exchange.body) if exchange.answered else None
    detail = exchange.detail
    if missing:
        detail = f"{NO_ANSWER_DETAIL}; {detail}" if detail else NO_ANSWER_DETAIL
    if reading.code:
        detail = f"{detail}: {reading.code}"
    return replace(exchange, outcome=missing or exchange.outcome, detail=detail), reading


def is_transient(exchange: Exchange) -> bool:
    """Returns whether asking again may help."""
    return read_exchange(exchange).may_pass


def seconds_asked_for(exchange: Exchange, now: float) -> float | None:
    """Returns how long a server asks us to wait: in a header, or in the body as Google does.

    Args:
        exchange: What the attempt brought.
        now: Seconds since 1970 UTC.

    Returns:
        Seconds from now; None where there is no time that we understand.
    """
    asked = retry_after(exchange.headers, now)
    if asked is None and b"retryDelay" in exchange.body:
        return _retry_delay(exchange.body)
    return asked


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Returns how long a server asks us to wait (Retry-After: RFC 9110, 10.2.3).

    Args:
        headers: Headers of the response, names in lower case.
        now: Seconds since 1970 UTC.

    Returns:
        Seconds from now, 0 for a time that has passed; None where there is none we understand.
    """
    for name in _MILLISECONDS:
        if _SECONDS.fullmatch(value := headers.get(name, "").strip()):
            return float(value) / 1000
    value = headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(value):
        return float(value)
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, IndexError, OverflowError):  # all that the parser raises
        return None
    return max(0.0, date.replace(tzinfo=date.tzinfo or UTC).timestamp() - now)


def _retry_delay(body: bytes) -> float | None:
    """Reads google.rpc.RetryInfo from the details of an error.

    https://github.com/googleapis/googleapis/blob/master/google/rpc/error_details.proto
    """
    for detail in read_details(read_error_body(body)):
        if str(detail.get("@type")).endswith("google.rpc.RetryInfo"):
            found = _DURATION.fullmatch(str(detail.get("retryDelay")))
            return float(found[1]) if found else None
    return None


def _may_pass(attempt: Attempt | None) -> bool:
    return attempt is not None and attempt.failure is not None


def _result(state: RetryCallState) -> Any:
    if state.outcome is None:
        raise AssertionError("tenacity calls strategies after an attempt")
    return state.outcome.result()


def _failure(state: RetryCallState) -> TransientFailure:
    failure: TransientFailure = _result(state).failure
    return failure
