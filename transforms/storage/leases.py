"""Locks of a ledger in a bucket: one writer for each leading hex digit of the ids.

A lock is an object, created only where there is none. A killed process cannot delete it, so it is a
lease: renewed while its holder lives, and free once it has run out.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from schemas.errors import InputError, LedgerBusy, StillroomError
from transforms.storage.gcs import Store
from transforms.storage.locks import LockHolder

_log = logging.getLogger(__name__)

_RENEWALS = 4  # in the time of a lease: three may fail before it runs out
_TRIES = 3  # to take a lock that others take and release at the same time


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The content of a lock.

    Attributes:
        holder: Who holds it.
        token: A name that no other writer has, nor another of the same process.
        renewed: When the holder last renewed it, ISO 8601, UTC.
        expires_at: When another may take it, the same.
    """

    holder: LockHolder
    token: str
    renewed: str
    expires_at: str

    def encode(self) -> bytes:
        """Returns it as JSON."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def decode(cls, data: bytes) -> Lease:
        """Returns the lease that `encode` wrote.

        Raises:
            ValueError, TypeError, KeyError: The data is no lease.
        """
        plain = json.loads(data)
        lease = cls(**{**plain, "holder": LockHolder(**plain["holder"])})
        datetime.fromisoformat(lease.expires_at)
        return lease


class Leases:
    """The locks of some digits.

    It waits for a lease of an earlier try of the same run, which may have been killed, until that
    runs out; for another run's it does not wait.

    Args:
        store: The ledger's objects.
        holder: The holder to be.
        token: A name that no other writer has.
        now: The clock; those of all writers must agree to within a quarter of a lease.
        seconds: How long a lease lasts.
        pause: Waits for some seconds.
    """

    def __init__(
        self,
        store: Store,
        holder: LockHolder,
        token: str,
        *,
        now: Callable[[], datetime],
        seconds: float,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        self._store = store
        self._holder = holder
        self._token = token
        self._now = now
        self._length = timedelta(seconds=seconds)
        self._pause = pause
        self._held: dict[str, tuple[int, datetime]] = {}  # generation and end, by digit
        self._changing = threading.Lock()
        self._released = threading.Event()

    @contextmanager
    def locked(self, digits: str) -> Iterator[None]:
        """Locks some digits, or none of them if one is taken.

        Args:
            digits: Leading hex digits of the ids to be written.

        Raises:
            LedgerBusy: Another writer, of this process or another, holds one of them.
            StillroomError: The bucket cannot be reached.
        """
        renewing = threading.Thread(target=self._keep_renewing, name="leases", daemon=True)
        renewing.start()
        try:
            for digit in sorted(set(digits)):  # in one order: of two who ask at once, one gets all
                self._take(digit)
            yield
        finally:
            self._released.set()
            renewing.join()
            self._release()

    def renew(self) -> None:
        """Renews all leases. One that cannot be renewed now runs out in time.

        Raises:
            StillroomError: The bucket cannot be reached.
        """
        for digit in list(self._held):
            with self._changing:
                generation, ends = self._held[digit]
                lease = self._lease()
                new = self._store.put(_name(digit), lease.encode(), generation)
                self._held[digit] = (new, _end(lease)) if new else (generation, ends)

    def check(self) -> None:
        """Checks that all digits are still locked.

        Raises:
            LedgerBusy: A lease has run out, since the bucket or this process stood still; another
                run may be asking the same by now.
        """
        if any(ends <= self._now() for _, ends in list(self._held.values())):
            raise LedgerBusy(
                f"the lock of the ledger {self._store.address} was not renewed in time; another "
                f"run may have taken it. All that was answered is kept; run again"
            )

    def _take(self, digit: str) -> None:
        may_wait = True
        for _ in range(_TRIES):
            lease = self._lease()
            generation = self._store.put(_name(digit), lease.encode())
            found = None if generation else self._store.get_with_generation(_name(digit))
            if found is not None:
                remaining = self._remaining(digit, found[0], may_wait)
                if remaining > 0:
                    self._pause(remaining)
                    may_wait = False
                    continue
                lease = self._lease()
                generation = self._store.put(_name(digit), lease.encode(), found[1])
            if generation:
                self._held[digit] = (generation, _end(lease))
                return
        raise LedgerBusy(self._busy("another run"))

    def _remaining(self, digit: str, data: bytes, may_wait: bool) -> float:
        """Returns the seconds until another's lease runs out; 0 if it has.

        Raises:
            LedgerBusy: It has not, and is not to be waited for.
        """
        try:
            lease = Lease.decode(data)
        except (ValueError, TypeError, KeyError):
            raise LedgerBusy(
                f"the ledger {self._store.address} has a lock that cannot be read; make sure that "
                f"no run writes to it, delete {_name(digit)}, then run again"
            ) from None
        # A quarter more, so that clocks need not agree better than that.
        remaining = _end(lease) + self._length / _RENEWALS - self._now()
        if remaining > timedelta() and not (
            may_wait and lease.holder.run_id == self._holder.run_id
        ):
            by = lease.holder
            raise LedgerBusy(
                self._busy(
                    f"run {by.run_id} (process {by.pid} on {by.host}, since {by.since}; last seen "
                    f"{lease.renewed}, free at {lease.expires_at} unless seen again)"
                )
            )
        return max(0.0, remaining.total_seconds())

    def _busy(self, who: str) -> str:
        return (
            f"the ledger {self._store.address} is held by {who}; wait until it ends, then run "
            f"again: what it was answered will be found"
        )

    def _lease(self) -> Lease:
        now = self._now()
        ends = now + self._length
        return Lease(
            holder=self._holder,
            token=self._token,
            renewed=now.isoformat(),
            expires_at=ends.isoformat(),
        )

    def _keep_renewing(self) -> None:
        while not self._released.wait(self._length.total_seconds() / _RENEWALS):
            try:
                self.renew()
            except StillroomError:
                continue  # tried again soon; `check` raises when it is too late

    def _release(self) -> None:
        for digit, (generation, ends) in self._held.items():
            try:
                self._store.delete(_name(digit), generation)
            except InputError:  # not permitted: every lock would have to run out
                raise
            except StillroomError as error:
                _log.warning("lock %s is left to run out at %s: %s", digit, ends, error)
        self._held.clear()


def _name(digit: str) -> str:
    return f"locks/{digit}.json"


def _end(lease: Lease) -> datetime:
    return datetime.fromisoformat(lease.expires_at)
