"""The process that compares answers to sums: run as a script, killed if it hangs.

Algebra may take for ever or use all memory, and math-verify's own timeouts work in a main thread
only. A question is (gold, answer, CPU seconds); the answer is `right`, `wrong`, `no_answer`,
`gold_unreadable` or `failed`. The kernel limits the CPU time and kills the process, so the limit
applies to the same questions however busy the machine is. Nothing of stillroom is imported here.
"""

from __future__ import annotations

import logging
import random
import re
import resource
import signal
import sys
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

READY = "ready"
_MEMORY_BYTES = 4 << 30  # address space; algebra that needs more fails without harm to the worker
# Marks that math-verify looks for in prose. A gold without them is a formula as a whole.
_DELIMITED = re.compile(r"\$|\\boxed|\\\(|\\\[")
_WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}")


def judge(gold: str, answer: str) -> str:
    """Compares an answer with the right answer.

    Args:
        gold: The right answer: a number, a formula, or a text with one of them.
        answer: The answer. Its boxed formula counts, else the last one.

    Returns:
        `right`, `wrong`, `no_answer`, `gold_unreadable`, or `failed` if both can be read but not
        compared.
    """
    from math_verify import verify

    _start_afresh()
    wanted = _read(gold if _DELIMITED.search(gold) or _WORD.search(gold) else f"\\boxed{{{gold}}}")
    if not wanted:
        return "gold_unreadable"
    found = _read(answer)
    if not found:
        return "no_answer"
    try:
        return (
            "right" if verify(wanted, found, timeout_seconds=None, raise_on_error=True) else "wrong"
        )
    except Exception:  # noqa: BLE001 - algebra may raise anything
        return "failed"


def _read(text: str) -> list[Any]:
    from math_verify import ExprExtractionConfig, LatexExtractionConfig, parse

    kinds = (LatexExtractionConfig(boxed_match_priority=0), ExprExtractionConfig())
    found: list[Any] = parse(text, kinds, fallback_mode="no_fallback", parsing_timeout=None)
    return found


def _start_afresh() -> None:
    """Resets the random points at which formulas are compared: the same for every question."""
    from sympy.core.random import seed

    seed(0)
    random.seed(0)


def main(connection: Connection) -> None:
    """Answers questions until the parent closes the connection."""
    for kind, limit in ((resource.RLIMIT_AS, _MEMORY_BYTES), (resource.RLIMIT_CORE, 0)):
        with suppress(ValueError, OSError):  # a system without it, or with a lower limit
            resource.setrlimit(kind, (limit, limit))
    logging.disable()
    connection.send(_prepare())
    while True:
        gold, answer, cpu_seconds = connection.recv()
        signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
        verdict = judge(gold, answer)
        signal.setitimer(signal.ITIMER_PROF, 0)
        connection.send(verdict)


def _prepare() -> str:
    try:
        judge("1", "1")  # loads the library, which takes about 2 s
    except ImportError as error:
        return str(error)
    return READY


if __name__ == "__main__":
    with suppress(EOFError, OSError):  # the parent is gone
        main(Connection(int(sys.argv[1])))
