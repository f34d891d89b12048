"""The process in which answers to sums are checked: run as a script, killed when it hangs.

It is apart because the algebra may take for ever, or all memory, and because math-verify's own
timeouts work in a main thread alone. It reads a line of JSON for each question, [gold, answer, CPU
seconds], and writes one: `right`, `wrong`, `no_answer`, `gold_unreadable` or `failed`. The CPU time
of a question is limited by the kernel, which kills the process; so the limit falls on the same
questions however busy the machine is. Nothing of ours is imported here.
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
_MEMORY_BYTES = 4 << 30  # address space; algebra that needs more fails, and takes no worker along
# What math-verify looks for in prose. A gold with none of it is a formula as a whole.
_DELIMITED = re.compile(r"\$|\\boxed|\\\(|\\\[")
_WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}")


def judge(gold: str, answer: str) -> str:
    """Tells whether an answer comes to what is known to be right.

    Args:
        gold: The right answer: a number, a formula or a text with one in it.
        answer: The text that answers. Its boxed formula counts, else the one that it ends in.

    Returns:
        `right`, `wrong`, `no_answer`, `gold_unreadable`, or `failed` where the two are read but
        cannot be compared.
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
    except Exception:  # noqa: BLE001 - whatever algebra raises
        return "failed"


def _read(text: str) -> list[Any]:
    from math_verify import ExprExtractionConfig, LatexExtractionConfig, parse

    kinds = (LatexExtractionConfig(boxed_match_priority=0), ExprExtractionConfig())
    found: list[Any] = parse(text, kinds, fallback_mode="no_fallback", parsing_timeout=None)
    return found


def _start_afresh() -> None:
    """Formulas are compared at points drawn at random: draws the same, whatever came before."""
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
        judge("1", "1")  # loads what takes its time
    except ImportError as error:
        return str(error)
    return READY


if __name__ == "__main__":
    with suppress(EOFError, OSError):  # the parent is gone
        main(Connection(int(sys.argv[1])))
