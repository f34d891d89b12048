"""Event loops to compare: asyncio's own, and uvloop's where it can be imported.

uvloop is no dependency: nothing but a baseline uses it.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable, Coroutine
from importlib.util import find_spec
from typing import Any, TypeVar

T = TypeVar("T")

HAS_UVLOOP = find_spec("uvloop") is not None
FASTEST = "uvloop" if HAS_UVLOOP else "asyncio"


def run_on(name: str, work: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine on an event loop by name: `asyncio` or `uvloop`."""
    with asyncio.Runner(loop_factory=_factory(name)) as runner:
        return runner.run(work)


def run_fastest(work: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine on the fastest event loop there is."""
    return run_on(FASTEST, work)


def _factory(name: str) -> Callable[[], asyncio.AbstractEventLoop] | None:
    if name == "asyncio":
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = importlib.import_module(name).new_event_loop
    return factory
