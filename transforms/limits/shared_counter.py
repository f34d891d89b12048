"""Counts a quota that many processes share, in a Redis server.

A script in the server decides, one call at a time and by the server's clock. So slices, runs and
machines together are never granted more than the quota. Without a reply nothing is granted.
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
from transforms.clock import DAY_SECONDS, Clock
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
from transforms.limits.quota import DayUsage, DenialReason, Denied
from transforms.providers.tokens import Tokens

# How long a server that does not reply is asked again, with pauses: it may restart, or a replica
# may take over.
PATIENCE_SECONDS = 5.0
_RETRY_SECONDS = 0.5
# What other processes settle may shorten a wait, without our knowledge: so often a minute we ask.
_LOOKS_A_MINUTE = 60
_KEEP_SECONDS = 2 * DAY_SECONDS  # the count of a day is needed until the day ends

_LOST = (
    "the limiter lost its count, so it is unknown what the quota leaves; "
    "run again to continue: it first waits for a whole minute"
)


class QuotaServerError(Exception):
    """The server did not run the script. The text says why, without address and password."""


# Runs the script on a key with its two arguments; raises `Unanswered`.
Script = Callable[[str, str, str], Awaitable[dict[str, Any]]]


async def probe(script: Script, key: str) -> None:
    """Checks that a server runs the script and lets it write. Grants nothing.

    Args:
        script: Calls the script.
        key: A key for this purpose.

    Raises:
        Unanswered: It does not.
    """
    nothing = {"epoch": "", "newest": 0, "nonce": "", "today": [0, 0, 0], "finished": []}
    await script(
        key, _settings([0] * len(MINUTE_LIMITS), [0] * len(DAY_LIMITS), 1.0), json.dumps(nothing)
    )


class SharedQuotaCounter:
    """Counts what is left of a quota that many processes share; see `QuotaCounter`.

    A reservation is settled at most once. If the call that settles it is lost, or its process dies,
    it counts as reserved until it leaves the minute.

    Args:
        script: Calls the script.
        key: The server's key of this route and account.
        route: The route, with its whole quota.
        today: What the ledger holds of today. The server's count is never below it.
        clock: The time, and how to wait for a server that does not reply.
        minute_seconds: Length of a minute; tests shorten it.
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
        # The longest an attempt takes: what is not settled by then never will be.
        self._in_flight_seconds = route.timeouts.response_seconds
        self._crowded_since: float | None = None
        self._epoch, self._newest = "", 0
        self._finished: list[dict[str, Any]] = []
        self._settling: asyncio.Task[None] | None = None

    async def reserve(self, tokens: Tokens) -> SharedReservation | float | Denied:
        """Reserves what a request may use; see `QuotaCounter`."""
        if self._is_too_large(tokens):
            return Denied(DenialReason.TOO_LARGE)
        gives_up = self._clock.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return self._read(await self._ask(tokens), tokens)
            except QuotaServerError as error:
                if self._clock.monotonic() >= gives_up:
                    return Denied(DenialReason.UNREACHABLE, f"the limiter cannot be used: {error}")
            await self._clock.sleep(_RETRY_SECONDS)

    def settle(self, reserved: SharedReservation, used: Tokens | None) -> None:
        """Replaces what was reserved by what was used, with the next call to the server."""
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
        if self._settling is None or self._settling.done():
            self._settling = asyncio.get_running_loop().create_task(self._settle_all())

    async def close(self) -> None:
        """Waits until the server has received all that is settled."""
        if self._settling is not None:
            await self._settling

    def _is_too_large(self, tokens: Tokens) -> bool:
        kinds = zip(self._limits, MINUTE_LIMITS.values(), strict=True)
        return any(limit and amount(tokens) > limit for limit, amount in kinds)

    async def _settle_all(self) -> None:
        while self._finished:
            with contextlib.suppress(QuotaServerError):
                await self._ask(None)

    async def _ask(self, wanted: Tokens | None) -> dict[str, Any]:
        """Settles what is finished and reserves what is wanted, if anything, in one call."""
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
            counter=self,
            tokens=tokens,
            number=grant["number"],
            day=grant["day"],
            paced=tuple(grant["paced"]),
            at=float(grant["at"]),
        )

    def _until_settled(self) -> float | Denied:
        """Returns the wait until attempts in flight may leave room in the day.

        After the longest time that an attempt takes, the day counts as spent.
        """
        now = self._clock.monotonic()
        if self._crowded_since is None:
            self._crowded_since = now
        patient = now - self._crowded_since <= self._in_flight_seconds
        return self._look_again_seconds if patient else Denied(DenialReason.DAY_SPENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedReservation:
    """What the server reserved for one request.

    Attributes:
        counter: Where it is reserved.
        tokens: What is reserved.
        number: Its number in the server's count.
        day: Days since 1970 UTC.
        paced: What the pace counted for it, by kind.
        at: Seconds since 1970 UTC, by the server's clock.
    """

    counter: SharedQuotaCounter
    tokens: Tokens
    number: int
    day: int
    paced: tuple[float, ...]
    at: float

    def settle(self, used: Tokens | None) -> None:
        """Replaces it by what was used; see `Reservation`."""
        self.counter.settle(self, used)


def _settings(limits: list[int], daily: list[int], minute_seconds: float) -> str:
    """Returns the settings of the script: limits, and the constants of `pacing`."""
    return json.dumps(
        {
            "minute": minute_seconds,
            "window_margin": WINDOW_MARGIN,
            "short_window": SHORT_WINDOW_SECONDS * minute_seconds / MINUTE_SECONDS,
            "target_share": TARGET_SHARE,
            "standard_deviations": STANDARD_DEVIATIONS,
            "max_spare_share": MAX_SPARE_SHARE,
            "rounding": ROUNDING,
            "catch_up": CATCH_UP_SECONDS * minute_seconds / MINUTE_SECONDS,
            "max_early": MAX_EARLY_SECONDS,
            "learning_rate": LEARNING_RATE,
            "keep_seconds": _KEEP_SECONDS,
            "limits": limits,
            "daily": daily,
        }
    )
