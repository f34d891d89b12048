"""Who may write to a ledger: one writer for each leading hex digit of the ids.

The locks are the kernel's (`flock`), so they end with the process that holds them, however it
ends. What stands in a lock's file is for people: who holds it, and since when.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from schemas.errors import LedgerBusy

ALL_DIGITS = "0123456789abcdef"


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lock.

    Attributes:
        run_id: The run.
        pid: Its process.
        host: The machine it runs on.
        since: When it took the lock, ISO 8601, UTC.
    """

    run_id: str
    pid: int
    host: str
    since: str


@contextmanager
def hold(folder: Path, digits: str, holder: Holder) -> Iterator[None]:
    """Holds the locks of some digits, or of none if one of them is taken.

    Args:
        folder: The folder of locks.
        digits: Leading hex digits of the ids to be written.
        holder: Who asks.

    Raises:
        LedgerBusy: Another writer, of this process or another, holds one of them.
        OSError: The folder cannot be written.
    """
    with ExitStack() as stack:
        for digit in sorted(set(digits)):
            stack.enter_context(_hold_one(folder / f"{digit}.lock", holder))
        yield


@contextmanager
def _hold_one(path: Path, holder: Holder) -> Iterator[None]:
    with open(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b", buffering=0) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LedgerBusy(_busy(path, file.read())) from None
        file.truncate(0)
        file.write(json.dumps(asdict(holder)).encode())
        try:
            yield
        finally:
            file.truncate(0)


def _busy(path: Path, content: bytes) -> str:
    ledger = path.parent.parent
    try:
        by = Holder(**json.loads(content))
    except (ValueError, TypeError):  # taken just now, and not yet signed
        return f"the ledger {ledger} is held by another run; wait until it ends, then run again"
    return (
        f"the ledger {ledger} is held by run {by.run_id} (process {by.pid} on {by.host}, since "
        f"{by.since}); wait until it ends, then run again: what it was answered will be found"
    )
