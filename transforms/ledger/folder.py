"""The ledger: every response ever received, safe before anyone looks at it, and bought once.

A ledger is a folder that only grows:

    FORMAT.json    says what the folder is
    segments/      the responses, see `segments.py` and `entries.py`
    locks/         who writes, see `locks.py`
    batches/       what was sent in batches and is not yet answered, see `notes.py`

A response is safe on disk when `LedgerWriter.append` returns; a process killed at any moment loses
at most what it had not yet appended. A writer locks the leading hex digits of the ids it writes,
and looks at what is there only after that: so no request is asked by two at once, and none again
that was answered. Readers need no lock; a reader sees the ledger as it was when it was opened.
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
from types import TracebackType
from typing import Any, Self

from schemas.errors import InputError, StillroomError
from schemas.requests import Request
from schemas.responses import Response
from schemas.terms import Verdict
from transforms.ledger.commit import Committer
from transforms.ledger.entries import PIECE_BYTES, encode_decision, encode_response
from transforms.ledger.format import FORMAT, FORMAT_FILE, check_format, encode_format
from transforms.ledger.index import (
    DECISION,
    Segment,
    decision_key,
    response_flags,
)
from transforms.ledger.notes import NOTES, FolderNotes
from transforms.ledger.reader import LedgerReader, RequestOutcome, outcome_of
from transforms.ledger.segments import OpenSegment, open_segments
from transforms.storage.files import make_durable, translate_os_errors, write_parts
from transforms.storage.locks import ALL_DIGITS, Holder, hold

NEEDED_BYTES = 64 * 2**20  # with less room a disk counts as full
# A sealed segment is searched on disk, an open one in memory: 10 MB at this size. After a crash
# one of this size at most is read again, in a second or two; to seal one takes 10 ms of the CPU.
SEGMENT_ENTRIES = 2**16

_OWN_NAMES = {FORMAT_FILE, "segments", "locks", NOTES}


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Ledger:
    """A ledger in a folder. It holds nothing open, and travels to workers by pickle.

    Args:
        folder: The folder; made by the first who writes.
        now: The clock, for what people read in locks and segments.
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
        """Finds out, before anything is paid for, whether a run can write to the ledger.

        Args:
            run_id: The run that is about to start.
            needed_bytes: Room that it needs on disk.

        Raises:
            InputError: The folder is no ledger, or of a newer format, or cannot be written, or
                its disk is full.
            LedgerBusy: Another run is writing to it.
        """
        self.prepare()
        with self.explain_os_errors(), self.held(ALL_DIGITS, run_id):
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
        """Makes the folder, if need be.

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
            return LedgerReader(open_segments(self.segments) if known else ())

    def writer(self, digits: str, run_id: str) -> LedgerWriter:
        """Returns a writer of the ids that begin with some hex digits; enter it to begin.

        Args:
            digits: The leading hex digits; a slice's are `Slice.digits()`.
            run_id: The run that writes.
        """
        return LedgerWriter(self, digits, run_id)

    @contextlib.contextmanager
    def held(self, digits: str, run_id: str) -> Iterator[None]:
        """Holds the locks of some digits.

        Raises:
            LedgerBusy: Another writer holds one of them.
        """
        since = self.now().isoformat(timespec="seconds")
        holder = Holder(run_id, os.getpid(), socket.gethostname(), since)
        with hold(self.path / "locks", digits, holder):
            yield

    def header(self, run_id: str) -> dict[str, Any]:
        """Returns what the first line of a segment says that a run begins now."""
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


class LedgerWriter:
    """Appends responses to the ledger; a context manager, used from one event loop.

    On entry it locks its digits, then looks at the ledger: what an earlier attempt at the same
    work wrote is seen.

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
        self._ledger = ledger
        self.digits = digits
        self._run_id = run_id
        self._noted: set[str] = set()
        self._open = ExitStack()

    def __enter__(self) -> Self:
        """Locks the digits, then looks at what is there.

        Raises:
            LedgerBusy: Another writer holds one of the digits.
            InputError: The folder is no ledger, or cannot be written.
        """
        ledger = self._ledger
        ledger.prepare()
        with ledger.explain_os_errors(), ExitStack() as stack:
            stack.enter_context(ledger.held(self.digits, self._run_id))
            self.snapshot = ledger.reader()
            self._committer = Committer(
                self._begin, self._sealed, self._failed, ledger.segment_entries
            )
            stack.callback(self._committer.close)
            self._open = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def notes(self) -> FolderNotes:
        """What is kept of batches."""
        return FolderNotes(self._ledger.path / NOTES)

    def close(self) -> None:
        """Writes what waits, seals the segment and lets go of the locks."""
        self._open.close()

    async def append(self, response: Response, request: Request) -> None:
        """Appends a response. When it returns, the response is safe on disk.

        Cancelling it while it waits does not keep the response from being written.

        Args:
            response: What came over the wire.
            request: What was asked; kept with the first response to it.

        Raises:
            StillroomError: The disk is full or fails: this response is not safe, all that were
                appended before are, and every later append fails at once.
            ValueError: The id belongs to another writer's digits.
        """
        if response.request_id[0] not in self.digits:
            raise ValueError(f"request {response.request_id}: not of digits {self.digits}")
        key = bytes.fromhex(response.request_id)
        known = self._committer.flags(key) is not None
        pieces = encode_response(response, None if known else request)
        # A short one is encoded here and now; a long one in the committer's thread, piece by
        # piece, so that the event loop does not stand still for it.
        await self._committer.append(
            key,
            response_flags(response.answered, response.final),
            pieces if len(response.body) > PIECE_BYTES else list(pieces),
        )

    def note_decision(self, verdict: Verdict) -> None:
        """Keeps a verdict that responses name, once; it is safe when the next response is."""
        name = verdict.decision_id
        if name not in self._noted:
            self._noted.add(name)
            self._committer.note(decision_key(name), DECISION, encode_decision(verdict))

    def outcome(self, request_id: str) -> RequestOutcome | None:
        """Returns what is known of a request, from before and by now; None if never asked."""
        # In this order: a segment enters the snapshot before the next one takes its place.
        flags = self._committer.flags(bytes.fromhex(request_id))
        before = self.snapshot.outcome(request_id)
        if flags is None or (before and before.answered):
            return before
        return outcome_of(flags)

    def answered(self, request_id: str) -> bool:
        """Tells whether a request was answered, before or by now."""
        outcome = self.outcome(request_id)
        return outcome is not None and outcome.answered

    def _begin(self) -> OpenSegment:
        return OpenSegment(self._ledger.segments, self._ledger.header(self._run_id))

    def _sealed(self, segment: Segment) -> None:
        self.snapshot = self.snapshot.followed_by(segment)

    def _failed(self, error: Exception) -> StillroomError:
        return StillroomError(
            f"the ledger {self._ledger.path} cannot be written: {error}\n"
            f"  what it holds is safe; make room on its disk, then run again"
        )
