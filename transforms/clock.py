"""The clock that asking goes by: passed in, so that a test need not wait."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime


@dataclass(frozen=True, slots=True)
class Clock:
    """Time, and how to let it pass.

    Attributes:
        wall: Seconds since 1970 UTC: for days, dates and what is written down.
        monotonic: Seconds that never go back: for quotas and patience.
        sleep: Lets seconds pass.
    """

    wall: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    def now(self) -> int:
        """Returns the time in milliseconds since 1970 UTC."""
        return int(self.wall() * 1000)

    def today(self) -> date:
        """Returns the day, UTC: the one that the guard decides for."""
        return datetime.fromtimestamp(self.wall(), UTC).date()

    async def pause(self, seconds: float, until: asyncio.Event) -> None:
        """Waits until time has passed or an event has come, whichever is first.

        Args:
            seconds: How long at most.
            until: What ends the pause early.
        """
        if until.is_set():
            return
        waits = [
            asyncio.ensure_future(self.sleep(seconds)),
            asyncio.ensure_future(until.wait()),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
