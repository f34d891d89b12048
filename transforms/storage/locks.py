"""Locks of a ledger in a folder: one writer for each leading hex digit of the ids.

The locks are the kernel's (`flock`), so they end with the process that holds them. The content of a
lock's file is for people: who holds it, and since when.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class LockHolder:
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
def lock_digits(folder: Path, digits: str, holder: LockHolder) -> Iterator[None]:
    """Locks some digits, or none of them if one is taken.

    Args:
        folder: The folder of locks.
        digits: Leading hex digits of the ids to be written.
        holder: The holder to be.

    Raises:
        LedgerBusy: Another writer, of this process or another, holds one of them.
        OSError: The folder cannot be written.
    """
    with ExitStack() as stack:
        for digit in sorted(set(digits)):
            stack.enter_context(_lock_one(folder / f"{digit}.lock", holder))
        yield


@contextmanager
def _lock_one(path: Path, holder: LockHolder) -> Iterator[None]:
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
        by = LockHolder(**json.loads(content))
    except (ValueError, TypeError):  # locked just now, and not yet written
        return f"the ledger {ledger} is held by another run; wait until it ends, then run again"
    return (
        f"the ledger {ledger} is held by run {by.run_id} (process {by.pid} on {by.host}, since "
        f"{by.since}); wait until it ends, then run again: what it was answered will be found"
    )
