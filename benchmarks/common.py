"""What the benchmarks share: timing, a new process for each measurement, and printed figures."""

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
    """The time that a piece of work took.

    Attributes:
        seconds: Wall-clock time.
        cpu_seconds: Processor time of the process, all threads.
    """

    seconds: float
    cpu_seconds: float


def timed(work: Callable[[], T]) -> tuple[T, Cost]:
    """Returns the result of a piece of work and the time that it took."""
    began, cpu = time.perf_counter(), time.process_time()
    result = work()
    return result, Cost(time.perf_counter() - began, time.process_time() - cpu)


def in_new_process(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Returns the result of a function called in a new process, with memory and caches of its own.

    Args:
        function: A module's function; it, its arguments and its result are pickled.
        args: Positional arguments.
        kwargs: Keyword arguments.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(function, *args, **kwargs).result()


def peak_bytes() -> int:
    """Returns the most memory that this process ever held.

    On Linux it is read from `/proc`: the figure of `getrusage` includes the parent's memory at the
    time of the fork.
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


def print_figures(name: str, *figures: str) -> None:
    """Prints one line of figures."""
    print(f"{name:<40}" + "  ".join(f"{figure:>18}" for figure in figures), flush=True)


def rating(value: float, target: float, *, at_most: bool = False) -> str:
    """Returns a target, and whether a figure meets it, as text."""
    meets = value <= target if at_most else value >= target
    return f"{'<=' if at_most else '>='} {target:g} {'met' if meets else 'MISSED'}"


def memory(size: float) -> str:
    """Returns bytes in MiB."""
    return f"{size / MIB:.0f} MiB"


def machine() -> str:
    """Returns cores, Python version and platform: what the figures were measured on."""
    facts: list[Any] = [f"{os.cpu_count()} cores", f"Python {sys.version.split()[0]}", sys.platform]
    return ", ".join(map(str, facts))
