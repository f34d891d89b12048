"""Shows the progress of a run: a live table on a terminal, plain lines elsewhere.

Beam's local runner reports nothing until it is done. So each stage writes its figures to small
files, on any process or machine, and this module adds them up.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from pipelines.display.console import money, reasons
from schemas.progress import StageFigures

_REFRESH_SECONDS = 0.5
_LINE_SECONDS = 10.0  # between two plain lines


def read_figures(folder: Path) -> StageFigures:
    """Adds up the progress files in a folder.

    Args:
        folder: The execution's folder of progress files; it may not be there yet.

    Returns:
        The sum. A file that is just being replaced is left out for once.
    """
    total = StageFigures()
    for path in sorted(folder.glob("*.json")):
        with suppress(OSError, ValueError):
            total += StageFigures.decode(path.read_bytes())
    return total


class Display:
    """Shows progress until it is left. Use it as a context manager.

    Args:
        folder: The execution's folder of progress files.
        requests: Requests of the run.
        console: Where to; a terminal gets a live table.
        clock: Seconds, monotonic.
    """

    def __init__(
        self,
        folder: Path,
        requests: int,
        console: Console,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self._requests = requests
        self._console = console
        self._clock = clock
        self._started = clock()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="progress", daemon=True)

    def __enter__(self) -> Display:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._done.set()
        self._thread.join()

    def _run(self) -> None:
        with self._shown() as show:
            while not self._done.wait(_REFRESH_SECONDS):
                show(read_figures(self._folder))

    @contextmanager
    def _shown(self) -> Iterator[Callable[[StageFigures], None]]:
        if self._console.is_terminal:
            with Live(console=self._console, transient=True, auto_refresh=False) as live:
                yield lambda figures: live.update(self._table(figures), refresh=True)
        else:
            yield self._line_printer()

    def _line_printer(self) -> Callable[[StageFigures], None]:
        last = self._started

        def show(figures: StageFigures) -> None:
            nonlocal last
            if self._clock() - last >= _LINE_SECONDS:
                last = self._clock()
                self._console.print(
                    "  ".join(f"{name} {value}" for name, value in self._rows(figures))
                )

        return show

    def _table(self, figures: StageFigures) -> Table:
        table = Table.grid(padding=(0, 2))
        for name, value in self._rows(figures):
            table.add_row(f"[dim]{name}[/dim]", value)
        return table

    def _rows(self, figures: StageFigures) -> Iterator[tuple[str, str]]:
        seconds = max(self._clock() - self._started, 1e-9)
        yield "asked", f"{figures.ended} of {self._requests}"
        yield "from ledger", str(figures.from_ledger)
        if figures.failed:
            yield "failed", str(figures.failed)
        if figures.withheld:
            yield "not asked", f"{figures.withheld} in an evaluation set"
        if figures.accepted or figures.rejected:
            yield "accepted", str(figures.accepted)
            yield "rejected", escape(reasons(figures.rejected)) or "0"
        if figures.judged:
            yield "judged", str(figures.judged)
        yield "tokens/s", f"{figures.completion_tokens / seconds:.0f}"
        yield "spent", money(figures.usd)
        yield "time left", _time_left(figures, self._requests, seconds)


def _time_left(figures: StageFigures, requests: int, seconds: float) -> str:
    new = figures.asked + figures.failed
    if not new:
        return "?"
    left = (requests - figures.ended) * seconds / new
    minutes, rest = divmod(round(left), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"
