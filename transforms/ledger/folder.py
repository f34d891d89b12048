"""A ledger in a folder: each response is durable before it is used, and bought once.

The folder only grows:

    FORMAT.json    says what the folder is
    segments/      the responses, see `segments.py` and `entries.py`
    locks/         who writes, see `locks.py`
    batches/       what was sent in batches and is not yet answered, see `notes.py`
    intents/       what is in flight where it matters, see `intents.py`
    retries/       what is to be asked again, see `retries.py`

A response is durable when `LedgerWriter.append` returns; a process killed at any moment loses at
most what it had not yet appended. A writer locks the leading hex digits of the ids it writes, and
only then reads what is there: so no request is asked by two runs at once, and none that was
answered is asked again. Readers need no lock; each sees the ledger as it was when it was opened.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from schemas.errors import InputError, StillroomError
from schemas.requests import Request
from schemas.responses import Response
from schemas.terms import Verdict
from transforms.ledger.base_writer import BaseWriter
from transforms.ledger.commit import Committer
from transforms.ledger.entries import PIECE_BYTES, encode_decision, encode_response
from transforms.ledger.format import FORMAT, FORMAT_FILE, check_format, encode_format
from transforms.ledger.index import (
    DECISION,
    Segment,
    decision_key,
    response_flags,
)
from transforms.ledger.intents import INTENTS
from transforms.ledger.notes import NOTES, FolderNotes
from transforms.ledger.reader import LedgerReader
from transforms.ledger.retries import RETRIES, Retries
from transforms.ledger.segments import OpenSegment, open_segments
from transforms.storage.files import make_durable, translate_os_errors, write_parts
from transforms.storage.locks import ALL_DIGITS, LockHolder, lock_digits

NEEDED_BYTES = 64 * 2**20  # with less room a disk counts as full
# A sealed segment is searched on disk, an open one in memory: 10 MB at this size. After a crash
# one of this size at most is read again, in a second or two; to seal one takes 10 ms of the CPU.
SEGMENT_ENTRIES = 2**16

_OWN_NAMES = {FORMAT_FILE, "segments", "locks", NOTES, INTENTS, RETRIES}


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Ledger:
    """A ledger in a folder. It has no open file and is pickled to workers.

    Args:
        folder: The folder; the first writer creates it.
        now: The clock; its times are for people who read locks and segments.
        segment_entries: Responses after which a writer begins a new segment.

    Raises:
        InputError: The address is no folder.
    """

    folder: str | os.PathLike[str]
    now: Callable[[], datetime] = _now
    segment_entries: int = SEGMENT_ENTRIES

    def __post_init__(self) -> None:
        if "://" in str(self.folder):
            raise InputError(
                "the ledger is not a folder", found=str(self.folder), expected="a path on a disk"
            )

    @property
    def path(self) -> Path:
        """The folder."""
        return Path(self.folder)

    @property
    def segments(self) -> Path:
        """The folder of segments."""
        return self.path / "segments"

    def preflight(self, run_id: str, needed_bytes: int = NEEDED_BYTES) -> None:
        """Checks, before anything is paid for, that a run can write to the ledger.

        Args:
            run_id: The run that is about to start.
            needed_bytes: Room that it needs on disk.

        Raises:
            InputError: The folder is no ledger, or of a newer format, or cannot be written, or
                its disk is full.
            LedgerBusy: Another run is writing to it.
        """
        self.prepare()
        with self.explain_os_errors(), self.locked(ALL_DIGITS, run_id):
            with tempfile.TemporaryFile(dir=self.segments) as file:
                file.write(b"probe")
            free = shutil.disk_usage(self.path).free
        if free < needed_bytes:
            raise InputError(
                "the disk of the ledger is full",
                where=str(self.path),
                found=f"{free / 2**20:.0f} MiB free",
                expected=f"at least {needed_bytes / 2**20:.0f} MiB",
                remedy="free some space, or move the ledger to another disk",
            )

    def prepare(self, *, any_scheme: bool = False) -> None:
        """Creates the folder, if need be.

        Args:
            any_scheme: Whether ids of an older scheme will do.

        Raises:
            InputError: It is no ledger, or of another format or scheme, or cannot be written.
        """
        with self.explain_os_errors():
            if not self.path.exists():
                self.path.mkdir(parents=True, exist_ok=True)
                make_durable(self.path.parent)
            if self.scheme(any_scheme=any_scheme) is None:
                self.write_format()
            self.segments.mkdir(exist_ok=True)
            (self.path / "locks").mkdir(exist_ok=True)
            make_durable(self.path)

    def reader(self, *, any_scheme: bool = False) -> LedgerReader:
        """Opens the ledger as it is now; a folder that is missing or empty is an empty ledger.

        Args:
            any_scheme: Whether ids of an older scheme will do.

        Raises:
            InputError: The folder is no ledger, or of another format or scheme, or cannot be read.
            StillroomError: It was compacted just now.
        """
        with self.explain_os_errors():
            known = self.path.exists() and self.scheme(any_scheme=any_scheme) is not None
            retries = Retries(FolderNotes(self.path / RETRIES))
            return LedgerReader(open_segments(self.segments) if known else (), retries)

    def writer(self, digits: str, run_id: str) -> LedgerWriter:
        """Returns a writer of the ids that begin with some hex digits; enter it to begin.

        Args:
            digits: The leading hex digits; a slice's are `Slice.digits()`.
            run_id: The run that writes.
        """
        return LedgerWriter(self, digits, run_id)

    @contextlib.contextmanager
    def locked(self, digits: str, run_id: str) -> Iterator[None]:
        """Locks some digits.

        Raises:
            LedgerBusy: Another writer holds one of them.
        """
        since = self.now().isoformat(timespec="seconds")
        holder = LockHolder(run_id=run_id, pid=os.getpid(), host=socket.gethostname(), since=since)
        with lock_digits(self.path / "locks", digits, holder):
            yield

    def header(self, run_id: str) -> dict[str, Any]:
        """Returns the first line of a segment that a run begins now."""
        began = self.now().isoformat(timespec="milliseconds")
        return {"kind": "header", "format": FORMAT, "run_id": run_id, "began": began}

    def scheme(self, *, any_scheme: bool = False) -> int | None:
        """Returns the scheme of the ids; None where the folder is empty.

        Args:
            any_scheme: Whether an older scheme will do.

        Raises:
            InputError: The folder is no ledger, or of another format or scheme.
        """
        names = {name for name in os.listdir(self.path) if not name.startswith(".")}
        if FORMAT_FILE not in names:
            if foreign := names - _OWN_NAMES:
                raise InputError(
                    "the ledger's folder holds something else",
                    where=str(self.path),
                    found=min(foreign),
                    expected=f"a ledger ({FORMAT_FILE}) or an empty folder",
                )
            return None
        path = self.path / FORMAT_FILE
        return check_format(path.read_bytes(), str(path), any_scheme=any_scheme)

    def write_format(self) -> None:
        """Writes what the folder is: a ledger whose ids are of today's scheme."""
        content = encode_format("responses of teachers, append-only")
        write_parts(self.path / FORMAT_FILE, [content])

    def explain_os_errors(self) -> AbstractContextManager[None]:
        """Raises an `InputError` that names the ledger, in place of an OSError."""
        return translate_os_errors(
            lambda error: InputError(
                "the ledger cannot be used",
                where=str(self.path),
                found=f"{error.strerror}: {error.filename}" if error.filename else str(error),
                expected="a folder that can be written, on a disk with room",
            )
        )


class LedgerWriter(BaseWriter):
    """Appends responses to the ledger; a context manager, used from one event loop.

    On entry it locks its digits, then reads the ledger: it sees what an earlier attempt at the same
    work wrote.

    Args:
        ledger: The ledger.
        digits: The leading hex digits of the ids it may write.
        run_id: The run that writes.

    Attributes:
        digits: Those digits.
        snapshot: What the ledger holds, all but the segment being written.
    """

    snapshot: LedgerReader
    _committer: Committer

    def __init__(self, ledger: Ledger, digits: str, run_id: str) -> None:
        super().__init__(digits, run_id)
        self._ledger = ledger
        self._decisions: set[str] = set()

    def __enter__(self) -> Self:
        """Locks the digits, then reads what is there.

        Raises:
            LedgerBusy: Another writer holds one of the digits.
            InputError: The folder is no ledger, or cannot be written.
        """
        ledger = self._ledger
        ledger.prepare()
        with ledger.explain_os_errors(), ExitStack() as stack:
            stack.enter_context(ledger.locked(self.digits, self._run_id))
            self.snapshot = ledger.reader()
            self._open_intents(FolderNotes(ledger.path / INTENTS), stack)
            self._committer = Committer(
                begin=self._begin,
                sealed=self._sealed,
                failed=self._failed,
                segment_entries=ledger.segment_entries,
            )
            stack.callback(self._committer.close)
            self._open = stack.pop_all()
        return self

    @property
    def notes(self) -> FolderNotes:
        """The notes of batches that are not yet collected."""
        return FolderNotes(self._ledger.path / NOTES)

    @property
    def retries(self) -> FolderNotes:
        """What was set aside, see `retries.py`."""
        return FolderNotes(self._ledger.path / RETRIES)

    async def append(self, response: Response, request: Request) -> None:
        """Appends a response. It is durable when this returns.

        Cancelling it while it waits does not keep the response from being written.

        Args:
            response: What came over the wire.
            request: What was asked; kept with the first response to it.

        Raises:
            StillroomError: The disk is full or fails: this response is not safe, all that were
                appended before are, and every later append fails at once.
            ValueError: The id belongs to another writer's digits.
        """
        self._check_digits(response)
        key = bytes.fromhex(response.request_id)
        known = self._committer.flags(key) is not None
        pieces = encode_response(response, None if known else request)
        # A short one is encoded at once; a long one in the committer's thread, piece by piece, so
        # that the event loop does not wait for it.
        await self._committer.append(
            key,
            response_flags(response.answered, response.final),
            pieces if len(response.body) > PIECE_BYTES else list(pieces),
        )
        self._intents.settle(response)

    def note_decision(self, verdict: Verdict) -> None:
        """Writes a verdict that responses name, once; it is durable when the next response is."""
        name = verdict.decision_id
        if name not in self._decisions:
            self._decisions.add(name)
            self._committer.note(decision_key(name), DECISION, encode_decision(verdict))

    def _own_flags(self, key: bytes) -> int | None:
        return self._committer.flags(key)

    def _begin(self) -> OpenSegment:
        return OpenSegment(self._ledger.segments, self._ledger.header(self._run_id))

    def _sealed(self, segment: Segment) -> None:
        self.snapshot = self.snapshot.followed_by(segment)

    def _failed(self, error: Exception) -> StillroomError:
        return StillroomError(
            f"the ledger {self._ledger.path} cannot be written: {error}\n"
            f"  what it holds is safe; make room on its disk, then run again"
        )
