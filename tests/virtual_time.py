"""An event loop in which waiting takes no time: its clock jumps to the next event."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

from transforms.clock import Clock

T = TypeVar("T")

NOON = 1_795_348_800.0  # 2026-11-22 12:00 UTC


class _JumpingSelector(selectors.DefaultSelector):
    """Moves its time on instead of waiting."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise AssertionError("all tasks wait, and no event is due: a deadlock")
        self.now += max(0.0, timeout)
        return super().select(0)


class _VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


def run(work: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine like `asyncio.run`, without waiting."""
    with asyncio.Runner(loop_factory=_VirtualLoop) as runner:
        return runner.run(work)


def clock(start: float = NOON) -> Clock:
    """Returns the clock of the running loop.

    Args:
        start: Time of the wall clock when that of the loop is 0.
    """
    loop = asyncio.get_running_loop()
    return Clock(wall=lambda: start + loop.time(), monotonic=loop.time, sleep=asyncio.sleep)
