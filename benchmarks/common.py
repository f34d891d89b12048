"""What the benchmarks share: each contestant in a process of its own, and how figures are told."""

from __future__ import annotations

import multiprocessing
import os
import resource
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

MIB = 2**20


@dataclass(frozen=True, slots=True)
class Cost:
    """What a piece of work took.

    Attributes:
        seconds: Wall-clock time.
        cpu_seconds: Processor time of the process, all threads.
    """

    seconds: float
    cpu_seconds: float


def timed(work: Callable[[], T]) -> tuple[T, Cost]:
    """Does a piece of work and returns its result and what it took."""
    began, cpu = time.perf_counter(), time.process_time()
    result = work()
    return result, Cost(time.perf_counter() - began, time.process_time() - cpu)


def apart(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Calls a function in a new process, so that memory and caches are its own.

    Args:
        function: A module's own function; it, its arguments and its result are pickled.
        args: Its arguments.
        kwargs: The same by name.

    Returns:
        Its result.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(function, *args, **kwargs).result()


def peak_bytes() -> int:
    """Returns the most memory that this process ever held.

    On Linux it is read from `/proc`: what `getrusage` tells includes the parent at the time of the
    fork.
    """
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def heading(text: str) -> None:
    """Prints a heading."""
    print(f"\n{text}\n{'-' * len(text)}", flush=True)


def tell(name: str, *figures: str) -> None:
    """Prints one line of figures."""
    print(f"{name:<40}" + "  ".join(f"{figure:>18}" for figure in figures), flush=True)


def verdict(value: float, target: float, *, at_most: bool = False) -> str:
    """Returns a target in words, and whether a figure meets it."""
    meets = value <= target if at_most else value >= target
    return f"{'<=' if at_most else '>='} {target:g} {'met' if meets else 'MISSED'}"


def memory(size: float) -> str:
    """Returns bytes in MiB."""
    return f"{size / MIB:.0f} MiB"


def machine() -> str:
    """Returns what the figures were measured on, as far as it matters and no further."""
    facts: list[Any] = [f"{os.cpu_count()} cores", f"Python {sys.version.split()[0]}", sys.platform]
    return ", ".join(map(str, facts))
