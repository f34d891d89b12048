"""The clock of all asking. It is passed in, so that tests need not wait."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime


@dataclass(frozen=True, slots=True)
class Clock:
    """The time, and how to wait.

    Attributes:
        wall: Seconds since 1970 UTC: for days, dates and times in files.
        monotonic: Seconds that never go back: for quotas and patience.
        sleep: Waits for some seconds.
    """

    wall: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    def now(self) -> int:
        """Returns the time in milliseconds since 1970 UTC."""
        return int(self.wall() * 1000)

    def today(self) -> date:
        """Returns the day, UTC. The guard decides for this day."""
        return datetime.fromtimestamp(self.wall(), UTC).date()

    async def pause(self, seconds: float, until: asyncio.Event) -> None:
        """Waits for some seconds, or until an event is set.

        Args:
            seconds: The longest wait.
            until: Ends the wait early.
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
