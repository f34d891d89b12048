"""Shows how a run goes: a live table on a terminal, plain lines elsewhere.

Beam's local runner tells nothing until it is done, so the asking stage writes what it has done to
a small file a slice, and this reads them, whichever process or machine wrote them.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.table import Table

_REFRESH_SECONDS = 0.5
_LINE_SECONDS = 10.0  # between two plain lines


@dataclass(slots=True)
class Snapshot:
    """What has been done so far, over all slices.

    Attributes:
        requests: Requests of the run.
        asked: Answered by a teacher in this run.
        from_ledger: Found in the ledger.
        failed: Ended without an answer.
        judged: Rated by the judge, or ended otherwise.
        accepted: Passed the filters (before duplicates are taken out).
        rejected: By reason.
        completion_tokens: Tokens that teachers wrote in this run.
        usd: US dollars spent in this run.
    """

    requests: int
    asked: int = 0
    from_ledger: int = 0
    failed: int = 0
    judged: int = 0
    accepted: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    completion_tokens: int = 0
    usd: float = 0.0

    @property
    def done(self) -> int:
        """Requests that need no more asking."""
        return self.asked + self.from_ledger + self.failed


def read_snapshot(folder: Path, requests: int) -> Snapshot:
    """Adds up the progress files in a folder.

    Args:
        folder: The execution's folder of progress files; it may not be there yet.
        requests: Requests of the run.

    Returns:
        The sum. A file that is just being replaced is left out for once.
    """
    snapshot = Snapshot(requests)
    for path in sorted(folder.glob("*.json")):
        try:
            part = json.loads(path.read_text())
        except (OSError, ValueError):
            continue
        snapshot.rejected.update(part.pop("rejected", {}))
        for name, value in part.items():
            setattr(snapshot, name, getattr(snapshot, name) + value)
    return snapshot


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
                show(read_snapshot(self._folder, self._requests))

    @contextmanager
    def _shown(self) -> Iterator[Callable[[Snapshot], None]]:
        if self._console.is_terminal:
            with Live(console=self._console, transient=True, auto_refresh=False) as live:
                yield lambda snapshot: live.update(self._table(snapshot), refresh=True)
        else:
            yield self._line_printer()

    def _line_printer(self) -> Callable[[Snapshot], None]:
        last = self._started

        def show(snapshot: Snapshot) -> None:
            nonlocal last
            if self._clock() - last >= _LINE_SECONDS:
                last = self._clock()
                self._console.print(
                    "  ".join(f"{name} {value}" for name, value in self._rows(snapshot))
                )

        return show

    def _table(self, snapshot: Snapshot) -> Table:
        table = Table.grid(padding=(0, 2))
        for name, value in self._rows(snapshot):
            table.add_row(f"[dim]{name}[/dim]", value)
        return table

    def _rows(self, snapshot: Snapshot) -> Iterator[tuple[str, str]]:
        seconds = max(self._clock() - self._started, 1e-9)
        yield "asked", f"{snapshot.done} of {snapshot.requests}"
        yield "from ledger", str(snapshot.from_ledger)
        if snapshot.failed:
            yield "failed", str(snapshot.failed)
        if snapshot.accepted or snapshot.rejected:
            yield "accepted", str(snapshot.accepted)
            reasons = ", ".join(f"{name} {n}" for name, n in snapshot.rejected.most_common())
            yield "rejected", reasons or "0"
        if snapshot.judged:
            yield "judged", str(snapshot.judged)
        yield "tokens/s", f"{snapshot.completion_tokens / seconds:.0f}"
        yield "spent", f"${snapshot.usd:.4f}"
        yield "time left", _time_left(snapshot, seconds)


def _time_left(snapshot: Snapshot, seconds: float) -> str:
    new = snapshot.asked + snapshot.failed
    if not new:
        return "?"
    left = (snapshot.requests - snapshot.done) * seconds / new
    minutes, rest = divmod(round(left), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"
