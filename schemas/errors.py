"""The errors that a person sees, with the exit code of the command.

    StillroomError            1  the command failed
    ├── InputError            2  a file or argument is wrong
    ├── RefusedByTerms        3  the guard denied a route
    ├── LedgerBusy            1  another run is using the ledger
    └── Interrupted         130  stopped by Ctrl-C; no answer is lost

Every error can be pickled, since Beam's workers raise them in other processes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import KW_ONLY, dataclass, replace
from difflib import get_close_matches

# How the keys of common providers begin, and a password in an address. A key that is pasted into
# the wrong field must not reach a terminal or a log.
_KEY = re.compile(
    r"\b(?:sk|rk|pk|hf|gsk|xai|r8|nvapi|ghp|github_pat|glpat|xox[abp]|AIza|AKIA)[-_A-Za-z0-9]{16,}"
    r"|(?<=://)[^/\s:@]*:[^/\s@]+(?=@)"
)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in what a person wrote.

    Attributes:
        what: What is wrong, in a sentence.
        where: File, with its line or record if known: `run.yaml:12`.
        found: What the file has there.
        expected: What would be right.
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
        return mask_keys("\n".join(lines))


class StillroomError(Exception):
    """The command failed. The message gives the reason and the remedy."""

    exit_code = 1


class InputError(StillroomError):
    """One or more problems in what a person wrote. Nothing was sent or written.

    Args:
        what: What is wrong, or a list of problems.
        where: File and line.
        found: What the file has there.
        expected: What would be right.
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
    """The guard denied at least one teacher. Nothing was sent."""

    exit_code = 3


class LedgerBusy(StillroomError):
    """Another run is writing to the ledger. Nothing was sent."""


class Interrupted(StillroomError):
    """Stopped by Ctrl-C, after the answers in flight were received."""

    exit_code = 130


def nearest(name: str, known: Iterable[str]) -> str:
    """Returns a remedy with the known names that are closest to an unknown one.

    Args:
        name: The unknown name.
        known: The known names.

    Returns:
        "did you mean …?", or the whole list if no name is close.
    """
    names = sorted(known)
    return close_names(name, names) or (f"known: {', '.join(names)}" if names else "")


def close_names(name: str, known: Iterable[str]) -> str:
    """Returns "did you mean …?" with the known names that are close to an unknown one, or ""."""
    close = get_close_matches(name, sorted(known), n=2, cutoff=0.5)
    return f"did you mean {' or '.join(repr(match) for match in close)}?" if close else ""


def mask_keys(text: str) -> str:
    """Returns a text with what looks like a key or a password replaced by its length."""
    return _KEY.sub(lambda found: f"<{len(found[0])} characters: perhaps a key>", text)
