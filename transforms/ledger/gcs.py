"""A ledger in a bucket: one object a response, created only where there is none.

It keeps what the ledger in a folder keeps, by the same rules: a response is durable when
`GcsWriter.append` returns; a writer locks its leading hex digits, and only then reads the ledger.
If a writer stalls until its locks run out, two may ask the same: then the first answer counts for
both, and the other is kept too, since it was paid for.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import socket
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from schemas.addresses import split_address
from schemas.errors import InputError, StillroomError
from schemas.requests import Request
from schemas.responses import Response
from schemas.terms import Verdict
from transforms.ledger.base_writer import BaseWriter
from transforms.ledger.entries import encode_decision, encode_response
from transforms.ledger.format import FORMAT_FILE, check_format, encode_format, is_judged
from transforms.ledger.gcs_names import (
    SENT_AT,
    answer_name,
    attempt_name,
    decision_name,
)
from transforms.ledger.gcs_notes import GcsNotes
from transforms.ledger.gcs_reader import WHOLE, GcsReader
from transforms.ledger.index import ANSWERED, response_flags
from transforms.ledger.intents import INTENTS
from transforms.ledger.retries import RETRIES
from transforms.storage.gcs import Store
from transforms.storage.leases import Leases
from transforms.storage.locks import ALL_DIGITS, LockHolder

_log = logging.getLogger(__name__)

LEASE_SECONDS = 60.0  # how long the locks of a run that was killed keep others waiting
CONNECTIONS = 32
PATIENCE_SECONDS = 120.0  # the client library's own default

_NOT_JUDGED = (
    "%s: an older version may have stored responses without an answer as answers, which are never "
    "asked again; `stillroom ledger migrate %s` finds them"
)
_WHAT = "responses of teachers, one object each, never overwritten"


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class GcsLedger:
    """A ledger in a bucket. It has no open connection and is pickled to workers.

    Where `STORAGE_EMULATOR_HOST` is set, its server is asked, without credentials.

    Args:
        address: `gs://bucket/folder`.
        now: The clock of the leases.
        pause: Sleeps for some seconds, until a lease runs out.
        connections: How many objects are written or read at once.
        lease_seconds: How long a lock lasts that is not renewed.
        patience_seconds: How long all tries at one call to the bucket may take.
        whole: A ledger with fewer responses is listed at once, a larger one range by range.
    """

    address: str
    now: Callable[[], datetime] = _now
    pause: Callable[[float], object] = time.sleep
    connections: int = CONNECTIONS
    lease_seconds: float = LEASE_SECONDS
    patience_seconds: float = PATIENCE_SECONDS
    whole: int = WHOLE

    def preflight(self, run_id: str) -> None:
        """Checks, before anything is paid for, that a run can write to the ledger.

        Locking and unlocking needs every permission that a run needs.

        Args:
            run_id: The run that is about to start.

        Raises:
            InputError: It is no ledger, or of a newer format, or cannot be written.
            LedgerBusy: Another run is writing to it.
            StillroomError: The bucket cannot be reached.
        """
        with contextlib.closing(self.store()) as store:
            _prepare(store)
            if not is_judged(store.get(FORMAT_FILE) or b"{}"):
                _log.warning(_NOT_JUDGED, self.address, self.address)
            with self.leases(store, run_id).locked(ALL_DIGITS):
                pass

    def prepare(self) -> None:
        """Creates the ledger, if need be.

        Raises:
            InputError: It is no ledger, or of a newer format, or cannot be written.
            StillroomError: The bucket cannot be reached.
        """
        with contextlib.closing(self.store()) as store:
            _prepare(store)

    def reader(self, *, any_scheme: bool = False) -> GcsReader:
        """Opens the ledger; one that was never made is an empty one.

        Args:
            any_scheme: Whether ids of an older scheme will do.

        Raises:
            InputError: It is no ledger, or of another format or scheme, or cannot be read.
            StillroomError: The bucket cannot be reached.
        """
        store = self.store()
        scheme_of(store, any_scheme=any_scheme)
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
        bucket, folder = split_address(self.address.rstrip("/"))
        return Store(
            bucket,
            folder,
            what="the ledger",
            connections=self.connections,
            patience_seconds=self.patience_seconds,
        )

    def leases(self, store: Store, run_id: str) -> Leases:
        """Returns the locks, none of them taken yet."""
        since = self.now().isoformat(timespec="seconds")
        return Leases(
            store,
            LockHolder(run_id=run_id, pid=os.getpid(), host=socket.gethostname(), since=since),
            secrets.token_hex(8),
            now=self.now,
            seconds=self.lease_seconds,
            pause=self.pause,
        )


class GcsWriter(BaseWriter):
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
        super().__init__(digits, run_id)
        self._ledger = ledger
        self._flags: dict[bytes, int] = {}  # of what was appended here
        self._decisions: dict[str, Future[object]] = {}

    def __enter__(self) -> Self:
        """Locks the digits, then reads what is there.

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
            stack.enter_context(self._leases.locked(self.digits))
            self.snapshot = GcsReader(self._store, ledger.connections, ledger.whole)
            self._open_intents(GcsNotes(self._store, self._leases.check, INTENTS), stack)
            # Closed first: all uploads end before the locks are released.
            self._uploads = stack.enter_context(ThreadPoolExecutor(ledger.connections, "ledger"))
            self._open = stack.pop_all()
        return self

    @property
    def notes(self) -> GcsNotes:
        """The notes of batches that are not yet collected."""
        return GcsNotes(self._store, self._leases.check)

    @property
    def retries(self) -> GcsNotes:
        """What was set aside, see `retries.py`."""
        return GcsNotes(self._store, self._leases.check, RETRIES)

    async def append(self, response: Response, request: Request) -> None:
        """Appends a response. It is durable when this returns.

        Cancelling it while it waits does not keep the response from being written.

        Args:
            response: What came over the wire.
            request: What was asked; kept with it.

        Raises:
            StillroomError: The bucket cannot be reached; this response may not be safe.
            LedgerBusy: The response is safe, but the locks have run out.
            ValueError: The id belongs to another writer's digits.
        """
        self._check_digits(response)
        await _ended(self._uploads.submit(self._write, response, request))
        self._intents.settle(response)

    def note_decision(self, verdict: Verdict) -> None:
        """Writes a verdict that responses name, once; it is durable when a response to it is."""
        if verdict.decision_id not in self._decisions:
            name, data = decision_name(verdict.decision_id), encode_decision(verdict)
            self._decisions[verdict.decision_id] = self._uploads.submit(self._store.put, name, data)

    def _own_flags(self, key: bytes) -> int | None:
        return self._flags.get(key)

    def _write(self, response: Response, request: Request) -> None:
        data = b"".join(encode_response(response, request)) + b"\n"
        put_response(self._store, response, data)
        key = bytes.fromhex(response.request_id)
        if not self._flags.get(key, 0) & ANSWERED:
            self._flags[key] = response_flags(response.answered, response.final)
        # A verdict is queued before its responses, so its upload has begun by now.
        if (written := self._decisions.get(response.decision_id)) is not None:
            written.result()
        self._leases.check()


def put_response(store: Store, response: Response, data: bytes) -> None:
    """Writes a response under a name of its own; the first answer to a request under that name.

    Args:
        store: The ledger's objects.
        response: The response.
        data: The object's bytes.

    Raises:
        StillroomError: The bucket cannot be reached; the response may not be safe.
    """
    sent = {SENT_AT: str(response.sent_at)}
    if response.answered:
        name = answer_name(response.request_id)
        if store.put(name, data, metadata=sent) is not None:
            return
    name = attempt_name(response, data)
    if store.put(name, data, metadata=sent) is None:
        raise StillroomError(f"{store.address}/{name}: something else has this name")


async def _ended(work: Future[None]) -> None:
    """Waits for a thread's work. To cancel the wait does not cancel the work, begun or not."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def wake() -> None:
        if not done.done():
            done.set_result(None)

    def tell(_: Future[None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: no task waits
            loop.call_soon_threadsafe(wake)

    work.add_done_callback(tell)
    await done
    work.result()


def _prepare(store: Store) -> None:
    if scheme_of(store) is None:
        store.put(FORMAT_FILE, encode_format(_WHAT))
        scheme_of(store)  # another may have been first, and may be of another version


def mark_migrated(store: Store, replaced: int) -> None:
    """Writes that the ids are of today's scheme.

    Args:
        store: The ledger's objects.
        replaced: Generation of the format file that said otherwise.
    """
    store.put(FORMAT_FILE, encode_format(_WHAT), replaced)


def scheme_of(store: Store, *, any_scheme: bool = False) -> int | None:
    """Returns the scheme of a ledger's ids; None where there is nothing.

    Args:
        store: The ledger's objects.
        any_scheme: Whether an older scheme will do.

    Raises:
        InputError: It is no ledger, or of another format or scheme.
        StillroomError: The bucket cannot be reached.
    """
    data = store.get(FORMAT_FILE)
    if data is not None:
        return check_format(data, f"{store.address}/{FORMAT_FILE}", any_scheme=any_scheme)
    for other in store.list(most=1):
        if other.name == FORMAT_FILE:  # made this very moment
            return scheme_of(store, any_scheme=any_scheme)
        raise InputError(
            "the ledger's folder holds something else",
            where=store.address,
            found=other.name,
            expected=f"a ledger ({FORMAT_FILE}) or nothing",
        )
    return None
