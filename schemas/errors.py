"""The errors that a person sees, each with the exit code that it ends the command with.

    StillroomError            1  the command failed
    ├── InputError            2  something that a person wrote is wrong
    ├── RefusedByTerms        3  the guard said no
    ├── LedgerBusy            1  another run holds the ledger
    └── Interrupted         130  stopped by Ctrl-C, nothing lost

Every error survives pickling, since Beam's workers raise them in other processes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import KW_ONLY, dataclass, replace
from difflib import get_close_matches


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, in the terms of the person who wrote it.

    Attributes:
        what: What is wrong, in a sentence.
        where: File, with line or record where one is known: `run.yaml:12`.
        found: What stands there.
        expected: What would have been right.
        remedy: What to do.
    """

    what: str
    _: KW_ONLY
    where: str = ""
    found: str = ""
    expected: str = ""
    remedy: str = ""

    def at(self, where: str) -> Problem:
        """Returns the same problem with its place."""
        return replace(self, where=where)

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        details = [
            f"{label} {text}"
            for label, text in (("found", self.found), ("expected", self.expected))
            if text
        ]
        lines = [head + (f" ({'; '.join(details)})" if details else "")]
        if self.remedy:
            lines.append(f"  {self.remedy}")
        return "\n".join(lines)


class StillroomError(Exception):
    """The command failed; the message says why and what to do."""

    exit_code = 1


class InputError(StillroomError):
    """One or more problems in what a person wrote: nothing was asked, nothing was written.

    Args:
        what: What is wrong, or the whole list of problems.
        where: File and line.
        found: What stands there.
        expected: What would have been right.
        remedy: What to do.
    """

    exit_code = 2

    def __init__(
        self,
        what: str | Iterable[Problem],
        *,
        where: str = "",
        found: str = "",
        expected: str = "",
        remedy: str = "",
    ) -> None:
        if isinstance(what, str):
            what = [Problem(what, where=where, found=found, expected=expected, remedy=remedy)]
        self.problems: tuple[Problem, ...] = tuple(what)
        super().__init__("\n".join(str(problem) for problem in self.problems))

    def __reduce__(self) -> tuple[type[InputError], tuple[tuple[Problem, ...]]]:
        return (type(self), (self.problems,))


class RefusedByTerms(StillroomError):
    """The guard refused at least one teacher: nobody was asked."""

    exit_code = 3


class LedgerBusy(StillroomError):
    """Another run is writing to the ledger: nothing was paid for."""


class Interrupted(StillroomError):
    """Stopped by the person at the keyboard, after the answers in flight had come in."""

    exit_code = 130


def nearest(name: str, known: Iterable[str]) -> str:
    """Returns a remedy that names the known names closest to a mistaken one.

    Args:
        name: What was written.
        known: The names that would have been right.

    Returns:
        "did you mean …?", or the whole list where nothing is close.
    """
    names = sorted(known)
    close = get_close_matches(name, names, n=2, cutoff=0.5)
    if close:
        return f"did you mean {' or '.join(repr(match) for match in close)}?"
    return f"known: {', '.join(names)}" if names else ""
