"""The clock of all asking. It is passed in, so that tests need not wait."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

DAY_SECONDS = 86_400


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

    def never_back(self, latest: float) -> Clock:
        """Returns a clock whose wall clock does not go back.

        It waits at the latest time that is known until the wall clock has caught up. If that is
        more than a day away, the latest time was the mistake: then the wall clock is believed.

        Args:
            latest: The latest time known before, seconds since 1970 UTC.
        """

        def wall() -> float:
            nonlocal latest
            now = self.wall()
            latest = now if latest - now > DAY_SECONDS else max(latest, now)
            return latest

        return replace(self, wall=wall)

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
