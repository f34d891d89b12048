"""What a run needs of its own process: a thread without an event loop, signals, a quiet Beam."""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

T = TypeVar("T")


def outside_event_loop(work: Callable[[], T]) -> T:
    """Does work that starts an event loop, also where one runs already, as in a notebook.

    Args:
        work: What to do. Where this thread runs an event loop, another thread does it.

    Returns:
        What the work returns.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return work()
    done: Future[T] = Future()
    threading.Thread(target=_fulfil, args=(done, work), name="stillroom", daemon=True).start()
    return done.result()  # a signal's handler still runs in the waiting thread


def _fulfil(done: Future[T], work: Callable[[], T]) -> None:
    try:
        done.set_result(work())
    except BaseException as error:  # noqa: BLE001 - raised again in the waiting thread
        done.set_exception(error)


@contextmanager
def handling(
    signals: Sequence[signal.Signals], handler: Callable[[int, FrameType | None], None]
) -> Iterator[None]:
    """Handles signals for a while. Only a main thread may; elsewhere it changes nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in signals}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)


@contextmanager
def quiet_beam() -> Iterator[None]:
    """Hides what Beam logs: it repeats, with tracebacks, the errors that we report."""
    beam, root = logging.getLogger("apache_beam"), logging.getLogger()
    level = beam.level
    beam.setLevel(logging.CRITICAL)
    root.addFilter(_not_from_beam)
    try:
        yield
    finally:
        beam.setLevel(level)
        root.removeFilter(_not_from_beam)


def _not_from_beam(record: logging.LogRecord) -> bool:
    """Some of Beam's modules log on the root logger itself."""
    return "apache_beam" not in record.pathname
