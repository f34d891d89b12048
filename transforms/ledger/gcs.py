"""A ledger in a bucket: one object a response, made only where there is none.

It keeps what the ledger in a folder keeps, by the same rules: a response is safe in the bucket
when `GcsWriter.append` returns; a writer takes the locks of its leading hex digits, and looks at
what is there only after that. Should two ask the same all the same, since one stood still until
its locks ran out, the first answer counts for both; the other is kept too, for it was paid for.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import socket
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from schemas.errors import InputError, StillroomError
from schemas.requests import Request
from schemas.responses import Response
from schemas.terms import Verdict
from transforms.ledger.entries import encode_decision, encode_response
from transforms.ledger.gcs_names import (
    FORMAT_NAME,
    SENT_AT,
    answer_name,
    attempt_name,
    decision_name,
)
from transforms.ledger.gcs_notes import GcsNotes
from transforms.ledger.gcs_reader import WHOLE, GcsReader
from transforms.ledger.index import ANSWERED, response_flags
from transforms.ledger.reader import RequestOutcome, outcome_of
from transforms.storage.gcs import Store
from transforms.storage.leases import Leases
from transforms.storage.locks import ALL_DIGITS, Holder

FORMAT = 1
LEASE_SECONDS = 60.0  # how long the locks of a run that was killed keep others waiting
CONNECTIONS = 32
PATIENCE_SECONDS = 120.0  # the client library's own default

_WHAT = "stillroom ledger: responses of teachers, one object each, never overwritten"


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class GcsLedger:
    """A ledger in a bucket. It holds nothing open, and travels to workers by pickle.

    Where `STORAGE_EMULATOR_HOST` is set, its server is asked, without credentials.

    Args:
        address: `gs://bucket/folder`.
        now: The clock that leases go by.
        pause: Waits for some seconds, for a lease to run out.
        connections: How many objects are written or read at once.
        lease_seconds: How long a lock holds that is not renewed.
        patience_seconds: How long all tries at one call to the bucket may take.
        whole: Of so many responses it is listed range by range; a smaller one in one go.
    """

    address: str
    now: Callable[[], datetime] = _now
    pause: Callable[[float], object] = time.sleep
    connections: int = CONNECTIONS
    lease_seconds: float = LEASE_SECONDS
    patience_seconds: float = PATIENCE_SECONDS
    whole: int = WHOLE

    def preflight(self, run_id: str) -> None:
        """Finds out, before anything is paid for, whether a run can write to the ledger.

        To take the locks and to let go of them needs every permission that a run needs.

        Args:
            run_id: The run that is about to start.

        Raises:
            InputError: It is no ledger, or of a newer format, or cannot be written.
            LedgerBusy: Another run is writing to it.
            StillroomError: The bucket cannot be reached.
        """
        with contextlib.closing(self.store()) as store:
            _prepare(store)
            with self.leases(store, run_id).held(ALL_DIGITS):
                pass

    def prepare(self) -> None:
        """Makes the ledger, if need be.

        Raises:
            InputError: It is no ledger, or of a newer format, or cannot be written.
            StillroomError: The bucket cannot be reached.
        """
        with contextlib.closing(self.store()) as store:
            _prepare(store)

    def reader(self) -> GcsReader:
        """Opens the ledger; one that was never made is an empty one.

        Raises:
            InputError: It is no ledger, or of a newer format, or cannot be read.
            StillroomError: The bucket cannot be reached.
        """
        store = self.store()
        _is_ledger(store)
        return GcsReader(store, self.connections, self.whole)

    def writer(self, digits: str, run_id: str) -> GcsWriter:
        """Returns a writer of the ids that begin with some hex digits; enter it to begin.

        Args:
            digits: The leading hex digits; a slice's are `Slice.digits()`.
            run_id: The run that writes.
        """
        return GcsWriter(self, digits, run_id)

    def store(self) -> Store:
        """Connects to the bucket.

        Raises:
            InputError: The address is no bucket and folder, or there are no credentials.
        """
        return Store(self.address, self.connections, self.patience_seconds)

    def leases(self, store: Store, run_id: str) -> Leases:
        """Returns the locks, none of them taken yet."""
        since = self.now().isoformat(timespec="seconds")
        return Leases(
            store,
            Holder(run_id, os.getpid(), socket.gethostname(), since),
            secrets.token_hex(8),
            now=self.now,
            seconds=self.lease_seconds,
            pause=self.pause,
        )


class GcsWriter:
    """Appends responses to the ledger; a context manager, used from one event loop.

    The client library blocks, so uploads are made by threads, as many at once as the ledger has
    connections.

    Args:
        ledger: The ledger.
        digits: The leading hex digits of the ids it may write.
        run_id: The run that writes.

    Attributes:
        digits: Those digits.
        snapshot: What the ledger held when the locks were taken; it may show more.
    """

    snapshot: GcsReader
    _store: Store
    _leases: Leases
    _uploads: ThreadPoolExecutor

    def __init__(self, ledger: GcsLedger, digits: str, run_id: str) -> None:
        self._ledger = ledger
        self.digits = digits
        self._run_id = run_id
        self._flags: dict[bytes, int] = {}  # of what was appended here
        self._noted: dict[str, Future[object]] = {}
        self._open = ExitStack()

    def __enter__(self) -> Self:
        """Takes the locks of the digits; what is there is looked at only after that.

        Raises:
            LedgerBusy: Another writer holds one of the digits.
            InputError: It is no ledger, or cannot be written.
            StillroomError: The bucket cannot be reached.
        """
        ledger = self._ledger
        with ExitStack() as stack:
            self._store = stack.enter_context(contextlib.closing(ledger.store()))
            _prepare(self._store)
            self._leases = ledger.leases(self._store, self._run_id)
            stack.enter_context(self._leases.held(self.digits))
            self.snapshot = GcsReader(self._store, ledger.connections, ledger.whole)
            # Left first: all that was begun is written before the locks are let go.
            self._uploads = stack.enter_context(ThreadPoolExecutor(ledger.connections, "ledger"))
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
    def notes(self) -> GcsNotes:
        """What is kept of batches."""
        return GcsNotes(self._store, self._leases.check)

    def close(self) -> None:
        """Writes what waits and lets go of the locks."""
        self._open.close()

    async def append(self, response: Response, request: Request) -> None:
        """Appends a response. When it returns, the response is safe in the bucket.

        Cancelling it while it waits does not keep the response from being written.

        Args:
            response: What came over the wire.
            request: What was asked; kept with it.

        Raises:
            StillroomError: The bucket cannot be reached; this response may not be safe.
            LedgerBusy: The response is safe, but the locks have run out.
            ValueError: The id belongs to another writer's digits.
        """
        if response.request_id[0] not in self.digits:
            raise ValueError(f"request {response.request_id}: not of digits {self.digits}")
        await _ended(self._uploads.submit(self._write, response, request))

    def note_decision(self, verdict: Verdict) -> None:
        """Keeps a verdict that responses name, once; it is safe when a response to it is."""
        if verdict.decision_id not in self._noted:
            name, data = decision_name(verdict.decision_id), encode_decision(verdict)
            self._noted[verdict.decision_id] = self._uploads.submit(self._store.put, name, data)

    def outcome(self, request_id: str) -> RequestOutcome | None:
        """Returns what is known of a request, from before and by now; None if never asked."""
        flags = self._flags.get(bytes.fromhex(request_id))
        if flags is not None and flags & ANSWERED:
            return outcome_of(flags)
        before = self.snapshot.outcome(request_id)
        if flags is None or (before and before.answered):
            return before
        return outcome_of(flags)

    def answered(self, request_id: str) -> bool:
        """Tells whether a request was answered, before or by now."""
        outcome = self.outcome(request_id)
        return outcome is not None and outcome.answered

    def _write(self, response: Response, request: Request) -> None:
        self._keep(response, b"".join(encode_response(response, request)) + b"\n")
        key = bytes.fromhex(response.request_id)
        if not self._flags.get(key, 0) & ANSWERED:
            self._flags[key] = response_flags(response.answered, response.final)
        # A verdict stands before its responses in the queue, so this waits for no one behind it.
        if (noted := self._noted.get(response.decision_id)) is not None:
            noted.result()
        self._leases.check()

    def _keep(self, response: Response, data: bytes) -> None:
        sent = {SENT_AT: str(response.sent_at)}
        if response.answered:
            name = answer_name(response.request_id)
            if self._store.put(name, data, metadata=sent) is not None:
                return
        name = attempt_name(response, data)
        if self._store.put(name, data, metadata=sent) is None:
            raise StillroomError(f"{self._store.address}/{name}: something else has this name")


async def _ended(work: Future[None]) -> None:
    """Waits for a thread's work. To cancel the wait does not cancel the work, begun or not."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def wake() -> None:
        if not done.done():
            done.set_result(None)

    def tell(_: Future[None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(wake)

    work.add_done_callback(tell)
    await done
    work.result()


def _prepare(store: Store) -> None:
    if not _is_ledger(store):
        content = {"format": FORMAT, "what": _WHAT}
        store.put(FORMAT_NAME, json.dumps(content).encode() + b"\n")
        _is_ledger(store)  # another may have been first, and may be of another version


def _is_ledger(store: Store) -> bool:
    """Tells whether a ledger is at the address; False where there is nothing."""
    data = store.get(FORMAT_NAME)
    if data is None:
        for other in store.list(most=1):
            if other.name == FORMAT_NAME:  # made this very moment
                return _is_ledger(store)
            raise InputError(
                "the ledger's folder holds something else",
                where=store.address,
                found=other.name,
                expected=f"a ledger ({FORMAT_NAME}) or nothing",
            )
        return False
    try:
        found = json.loads(data)["format"]
    except (ValueError, TypeError, KeyError):
        found = None
    if found != FORMAT:
        raise InputError(
            "the ledger's format is not known",
            where=f"{store.address}/{FORMAT_NAME}",
            found=f"format {found}",
            expected=f"format {FORMAT}",
            remedy="it was written by another version of stillroom: use that one",
        )
    return True
