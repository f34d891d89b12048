"""What a run changes in its process while it lasts."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading

import pytest

from pipelines.runners.process import handling, outside_event_loop, quiet_beam


def test_work_that_starts_a_loop_runs_beside_one() -> None:
    async def answer() -> int:
        await asyncio.sleep(0)
        return 42

    def work() -> int:
        return asyncio.run(answer())

    async def cell() -> int:
        return outside_event_loop(work)

    assert outside_event_loop(work) == asyncio.run(cell()) == 42


def test_without_a_loop_the_work_stays_in_its_thread() -> None:
    assert outside_event_loop(threading.current_thread) is threading.current_thread()


def test_an_error_of_the_work_is_raised_beside_a_loop_too() -> None:
    async def cell() -> None:
        outside_event_loop(lambda: 1 // 0)

    with pytest.raises(ZeroDivisionError):
        asyncio.run(cell())


def test_signals_are_handled_for_a_while() -> None:
    seen: list[int] = []
    before = signal.getsignal(signal.SIGTERM)
    with handling((signal.SIGTERM,), lambda number, _: seen.append(number)):
        os.kill(os.getpid(), signal.SIGTERM)
    assert seen == [signal.SIGTERM]
    assert signal.getsignal(signal.SIGTERM) is before


def test_beam_is_silent_and_others_are_not(caplog: pytest.LogCaptureFixture) -> None:
    beam, other = logging.getLogger("apache_beam.runners"), logging.getLogger("other")
    with quiet_beam():
        beam.error("hidden")
        other.warning("kept")
    beam.error("again")
    assert caplog.messages == ["kept", "again"]
