"""When to ask again: the one policy by which attempts are repeated.

What may pass is tried again: a server that is busy, a connection that broke, an answer that did
not come in time. What another attempt cannot mend, such as a request that the server calls wrong,
is not. A server that names a time is not asked before it; else the pauses grow, and each is drawn
anew so that those who failed together do not come back together ("full jitter": M. Brooker,
"Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from random import Random
from typing import Protocol, TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_result

from schemas.codes import Outcome
from transforms.clock import Clock
from transforms.providers.http_client import Exchange

MAX_ATTEMPTS = 6
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0

_TOO_MANY_REQUESTS = 429
_TRANSIENT_STATUS = frozenset({408, 409, 425, _TOO_MANY_REQUESTS})
_TRANSIENT_OUTCOMES = frozenset(
    {
        Outcome.TIMEOUT,
        Outcome.CONNECT_TIMEOUT,
        Outcome.CONNECTION_FAILED,
        Outcome.CONNECTION_CLOSED,
        Outcome.BAD_HTTP,
        Outcome.KEY_NOT_RENEWED,
    }
)
_SECONDS = re.compile(r"[0-9]{1,18}(\.[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Next:
    """What follows an attempt.

    Attributes:
        pause_seconds: Ask again after so long; None: not in this run.
        asked_to_wait: The server named that time itself.
        later: The request has not ended: a later run is to ask it, since a quota is spent.
        parks: The server named a time beyond our patience: the whole route is to wait for it.
    """

    pause_seconds: float | None = None
    asked_to_wait: bool = False
    later: bool = False
    parks: bool = False

    @property
    def ended(self) -> bool:
        """Whether the attempt ended the request, for better or worse."""
        return self.pause_seconds is None and not self.later


_ENDED = Next()


class Tried(Protocol):
    """What the function that makes an attempt returns."""

    @property
    def next(self) -> Next:
        """What follows."""
        ...


T = TypeVar("T", bound=Tried)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Decides after each attempt whether another one follows, and when.

    Attributes:
        patience_seconds: For all attempts at one request together.
        clock: Tells the time.
        random: Draws the jitter.
        max_attempts: How many attempts at most.
    """

    patience_seconds: float
    clock: Clock
    random: Random
    max_attempts: int = MAX_ATTEMPTS

    def after(self, exchange: Exchange, attempt: int, began: float) -> Next:
        """Decides what follows an attempt.

        Args:
            exchange: What came of it.
            attempt: Which one it was, from 1.
            began: When the first one began, by the monotonic clock.

        Returns:
            What follows.
        """
        if not is_transient(exchange):
            return _ENDED
        left = began + self.patience_seconds - self.clock.monotonic()
        wanted = retry_after(exchange.headers, self.clock.wall())
        if wanted is not None and wanted > left:
            return Next(later=True, parks=True)
        pause = self._jitter(attempt) if wanted is None else min(wanted + self._jitter(1), left)
        if attempt >= self.max_attempts or pause > left:
            return Next(later=exchange.status == _TOO_MANY_REQUESTS)
        return Next(pause, asked_to_wait=wanted is not None)

    async def run(
        self, attempt: Callable[[], Awaitable[T]], sleep: Callable[[float], Awaitable[None]]
    ) -> T:
        """Makes attempts until one is followed by no other.

        Args:
            attempt: Makes one attempt.
            sleep: Lets a pause pass.

        Returns:
            What the last attempt returned.
        """
        tried = await attempt()
        if tried.next.pause_seconds is None:
            return tried
        # The loop is begun only where it is needed: around a single attempt it would take longer
        # than all else that we do for a request.
        earlier = [tried]

        async def attempt_again() -> T:
            return earlier.pop() if earlier else await attempt()

        loop = AsyncRetrying(sleep=sleep, retry=retry_if_result(_is_followed), wait=_pause)
        last: T = await loop(attempt_again)
        return last

    def _jitter(self, attempt: int) -> float:
        ceiling = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** (attempt - 1))
        return self.random.uniform(0.0, ceiling)


def is_transient(exchange: Exchange) -> bool:
    """Tells whether asking again may help."""
    if exchange.outcome.startswith("http_") and exchange.status is not None:
        return exchange.status in _TRANSIENT_STATUS or 500 <= exchange.status < 600
    return exchange.outcome in _TRANSIENT_OUTCOMES


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Returns how long a server asks us to wait (RFC 9110, 10.2.3).

    Args:
        headers: Headers of the response, names in lower case.
        now: Seconds since 1970 UTC.

    Returns:
        Seconds from now, 0 for a time that has passed; None where it names none we understand.
    """
    value = headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(value):
        return float(value)
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, IndexError, OverflowError):  # the parser's, on what is no date at all
        return None
    return max(0.0, date.replace(tzinfo=date.tzinfo or UTC).timestamp() - now)


def _is_followed(tried: Tried) -> bool:
    return tried.next.pause_seconds is not None


def _pause(state: RetryCallState) -> float:
    if state.outcome is None:
        raise AssertionError("tenacity asks only after an attempt")
    tried: Tried = state.outcome.result()
    return tried.next.pause_seconds or 0.0
