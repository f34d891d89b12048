"""Where the command line prints: consoles for people, one JSON object for machines."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from schemas.visible import visible, visible_json

if TYPE_CHECKING:
    from rich.console import Console

_FILE_WIDTH = 10_000  # characters


def console(*, stderr: bool = False) -> Console:
    """Returns the console to print to."""
    from pipelines.display.terminal import VisibleConsole  # 50 ms that `--json` can do without

    out = VisibleConsole(stderr=stderr, highlight=False, soft_wrap=True, emoji=False)
    if not out.is_terminal:  # for grep and files: no table is wrapped
        out.width = _FILE_WIDTH
    return out


def print_json(value: Any) -> None:
    """Prints a value on stdout as JSON, in one line."""
    sys.stdout.write(visible_json(json.dumps(value, ensure_ascii=False)) + "\n")


def print_error(error: object) -> None:
    """Prints why a command failed, on stderr."""
    sys.stderr.write(f"stillroom: {visible(str(error))}\n")


def money(usd: float | None, digits: int = 4) -> str:
    """Returns US dollars as text, `unknown` for an unknown sum."""
    return "unknown" if usd is None else f"${usd:,.{digits}f}"


def reasons(counts: Mapping[str, int]) -> str:
    """Returns counts by reason in one line, the largest first."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{name} {count}" for name, count in ordered)
