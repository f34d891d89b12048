"""The allowance that many processes share: one count of a route's quota, kept by a server.

A script that runs alone in that server decides, by the server's own clock, so that no interleaving
of slices, runs and machines is granted more than the whole. What it cannot be asked, it does not
grant: without an answer nothing is sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from schemas.inputs.registry import Route
from transforms.clock import Clock
from transforms.limits.local_counter import DAY_LIMITS, MINUTE_LIMITS, limits_tokens
from transforms.limits.pacing import (
    CATCH_UP_SECONDS,
    LEARNING_RATE,
    MAX_EARLY_SECONDS,
    MAX_SPARE_SHARE,
    MINUTE_SECONDS,
    ROUNDING,
    SHORT_WINDOW_SECONDS,
    STANDARD_DEVIATIONS,
    TARGET_SHARE,
    WINDOW_MARGIN,
)
from transforms.limits.quota import DAY_SECONDS, DayUsage, DenialReason, Denied
from transforms.providers.tokens import Tokens

# For so long a server that does not answer is asked again, with a pause in between: time for it to
# be restarted, or for another to take its place.
PATIENCE_SECONDS = 5.0
_RETRY_SECONDS = 0.5
# What others settle may shorten a wait, and nobody tells us: asked again so often a minute.
_LOOKS_A_MINUTE = 60
_KEEP_SECONDS = 2 * DAY_SECONDS  # a day's count is of use until the day ends

_LOST = (
    "the limiter lost what it had counted, so nobody knows what is left; "
    "run again to go on: it waits for a whole minute first"
)


class QuotaServerError(Exception):
    """The server did not do as asked: why, in words without an address or a password."""


# Runs the script on a key with its two arguments; raises `Unanswered`.
Script = Callable[[str, str, str], Awaitable[dict[str, Any]]]


async def probe(script: Script, key: str) -> None:
    """Makes sure that a server runs the script and takes what it writes; grants nothing.

    Args:
        script: Asks the server.
        key: A key for this purpose.

    Raises:
        Unanswered: It does not.
    """
    nothing = {"epoch": "", "newest": 0, "nonce": "", "today": [0, 0, 0], "finished": []}
    await script(
        key, _settings([0] * len(MINUTE_LIMITS), [0] * len(DAY_LIMITS), 1.0), json.dumps(nothing)
    )


class SharedQuotaCounter:
    """What a route's quota leaves room for, by all who share it.

    A reservation is settled at most once: if the server does not hear of it, it stays counted as
    reserved until it leaves the minute, as does one whose process died.

    Args:
        script: Asks the server.
        key: What the server calls the route of this account.
        route: The route, with its quota: the whole of it.
        today: What the ledger knows was asked today. The server's count is never below it.
        clock: Tells the time and lets it pass, while the server does not answer.
        minute_seconds: How long a minute is: for tests.

    Attributes:
        unlimited: Whether nothing is limited.
        limits_tokens: Whether any limit is one of tokens.
    """

    def __init__(
        self,
        script: Script,
        key: str,
        route: Route,
        today: DayUsage,
        clock: Clock,
        minute_seconds: float = MINUTE_SECONDS,
    ) -> None:
        self._limits = [getattr(route.quota, name) or 0 for name in MINUTE_LIMITS]
        daily = [getattr(route.quota, name) or 0 for name in DAY_LIMITS]
        self.unlimited = not any(self._limits + daily)
        self.limits_tokens = limits_tokens(route)
        self._script = script
        self._key = key
        self._clock = clock
        self._settings = _settings(self._limits, daily, minute_seconds)
        self._today = [int(clock.wall() // DAY_SECONDS), today.requests, today.tokens]
        self._look_again_seconds = minute_seconds / _LOOKS_A_MINUTE
        # An attempt lasts no longer: what has not been settled by then never will be.
        self._in_flight_seconds = route.timeouts.response_seconds
        self._crowded_since: float | None = None
        self._epoch, self._newest = "", 0
        self._finished: list[dict[str, Any]] = []
        self._telling: asyncio.Task[None] | None = None

    async def reserve(self, tokens: Tokens) -> SharedReservation | float | Denied:
        """Sets aside what a request may come to; see `Allowance`."""
        if self._is_too_large(tokens):
            return Denied(DenialReason.TOO_LARGE)
        gives_up = self._clock.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return self._read(await self._ask(tokens), tokens)
            except QuotaServerError as error:
                if self._clock.monotonic() >= gives_up:
                    return Denied(DenialReason.UNREACHABLE, f"the limiter cannot be asked: {error}")
            await self._clock.sleep(_RETRY_SECONDS)

    def settle(self, reserved: SharedReservation, used: Tokens | None) -> None:
        """Puts what was used in place of what was reserved: tells the server as soon as may be."""
        tokens = used or reserved.tokens
        self._finished.append(
            {
                "number": reserved.number,
                "day": reserved.day,
                "reserved": [reserved.tokens.prompt, reserved.tokens.completion],
                "used": [tokens.prompt, tokens.completion],
                "known": used is not None,
                "paced": reserved.paced,
            }
        )
        if self._telling is None or self._telling.done():
            self._telling = asyncio.get_running_loop().create_task(self._tell())

    async def close(self) -> None:
        """Waits until the server was told of everything that is settled."""
        if self._telling is not None:
            await self._telling

    def _is_too_large(self, tokens: Tokens) -> bool:
        kinds = zip(self._limits, MINUTE_LIMITS.values(), strict=True)
        return any(limit and amount(tokens) > limit for limit, amount in kinds)

    async def _tell(self) -> None:
        while self._finished:
            with contextlib.suppress(QuotaServerError):
                await self._ask(None)

    async def _ask(self, wanted: Tokens | None) -> dict[str, Any]:
        """Settles what is finished and, if so wanted, reserves."""
        finished, self._finished = self._finished, []
        ask: dict[str, Any] = {
            "epoch": self._epoch,
            "newest": self._newest,
            "nonce": secrets.token_hex(8),
            "today": self._today,
            "finished": finished,
        }
        if wanted is not None:
            ask["wanted"] = [wanted.prompt, wanted.completion]
        reply = await self._script(self._key, self._settings, json.dumps(ask))
        if "lost" not in reply:
            self._epoch, self._newest = reply["epoch"], max(self._newest, reply["newest"])
        return reply

    def _read(self, reply: dict[str, Any], tokens: Tokens) -> SharedReservation | float | Denied:
        if "in_flight" in reply:
            return self._until_settled()
        self._crowded_since = None
        if "lost" in reply:
            return Denied(DenialReason.UNREACHABLE, _LOST)
        if "denied" in reply:
            return Denied(DenialReason.DAY_SPENT)
        if "wait" in reply:
            return min(float(reply["wait"]), self._look_again_seconds)
        grant = reply["grant"]
        return SharedReservation(
            self, tokens, grant["number"], grant["day"], tuple(grant["paced"]), float(grant["at"])
        )

    def _until_settled(self) -> float | Denied:
        """Waits for what is in flight to leave room in the day, unless it has no end."""
        now = self._clock.monotonic()
        if self._crowded_since is None:
            self._crowded_since = now
        patient = now - self._crowded_since <= self._in_flight_seconds
        return self._look_again_seconds if patient else Denied(DenialReason.DAY_SPENT)


@dataclass(frozen=True, slots=True)
class SharedReservation:
    """What the server set aside for one request.

    Attributes:
        allowance: Of which.
        tokens: What was reserved.
        number: Which one it is in the server's count.
        day: Days since 1970 UTC.
        paced: How much the pace took it for, by kind.
        at: When, seconds since 1970 by the server's clock.
    """

    allowance: SharedQuotaCounter
    tokens: Tokens
    number: int
    day: int
    paced: tuple[float, ...]
    at: float

    def settle(self, used: Tokens | None) -> None:
        """Puts what was used in its place; see `Reservation`."""
        self.allowance.settle(self, used)


def _settings(limits: list[int], daily: list[int], minute_seconds: float) -> str:
    """Returns how the script is to count."""
    return json.dumps(
        {
            "minute": minute_seconds,
            "window_margin": WINDOW_MARGIN,
            "even": SHORT_WINDOW_SECONDS * minute_seconds / MINUTE_SECONDS,
            "aim": TARGET_SHARE,
            "spreads": STANDARD_DEVIATIONS,
            "coarse_share": MAX_SPARE_SHARE,
            "rounding": ROUNDING,
            "forward": CATCH_UP_SECONDS * minute_seconds / MINUTE_SECONDS,
            "most_early": MAX_EARLY_SECONDS,
            "learning_rate": LEARNING_RATE,
            "keep_seconds": _KEEP_SECONDS,
            "limits": limits,
            "daily": daily,
        }
    )
