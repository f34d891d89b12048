"""Reads a ledger in a bucket: lists a range of ids when one of them is first asked for."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.errors import StillroomError
from schemas.responses import Response
from transforms.ahead import map_ahead
from transforms.ledger.entries import decode_response
from transforms.ledger.gcs_names import (
    RANGE_DIGITS,
    RESPONSES,
    Stored,
    decision_name,
    range_name,
    read_listed,
    response_name,
)
from transforms.ledger.gcs_notes import GcsNotes
from transforms.ledger.index import ID_BYTES
from transforms.ledger.reader import RequestOutcome, outcome_after_retry
from transforms.ledger.retries import RETRIES, Retries, deciding
from transforms.storage.gcs import Store

_RANGES = [f"{number:0{RANGE_DIGITS}x}" for number in range(16**RANGE_DIGITS)]
# A reader that needs more ranges than these will need all: the rest is listed in parallel.
_RANGES_ONE_BY_ONE = 16

WHOLE = 1000  # one page of a listing

_ROW_TYPE = np.dtype([("id", f"S{ID_BYTES}"), ("sent_at", "<i8")])


@dataclass(frozen=True, slots=True)
class _Range:
    """A listing of a range of ids: 40 bytes an answer, since a ledger may have many millions.

    Attributes:
        answers: Ids (less any zeros at the end) and times of sending, sorted by id.
        tries: The other attempts at each request, in the order they were sent.
    """

    answers: npt.NDArray[np.void]
    tries: dict[str, list[Stored]]

    def of(self, request_id: str) -> list[Stored]:
        """Returns the responses to a request: the answer that counts first, then the rest."""
        key = np.array(bytes.fromhex(request_id), f"S{ID_BYTES}")
        place = int(self.answers["id"].searchsorted(key))
        tries = self.tries.get(request_id, [])
        if place == len(self.answers) or self.answers["id"][place] != key:
            return tries
        return [Stored(request_id, "answer.json", int(self.answers["sent_at"][place])), *tries]

    def spread(self, most: int) -> Iterator[Stored]:
        """Yields up to so many answers, evenly spread over the ids."""
        last = len(self.answers) - 1
        for place in np.unique(np.linspace(0, last, min(most, last + 1)).astype(int)).tolist():
            key, sent_at = self.answers[place].item()
            yield Stored(key.ljust(ID_BYTES, b"\0").hex(), "answer.json", sent_at)

    def ids(self) -> list[str]:
        """Returns the ids of all requests, sorted."""
        answered = (bytes(key).ljust(ID_BYTES, b"\0").hex() for key in self.answers["id"])
        return sorted({*answered, *self.tries})


class GcsReader:
    """A ledger in a bucket, each range of ids as it was when it was first asked for.

    Of all responses to a request the first answer counts, since later runs were built on it;
    where none answered, the last attempt. Several threads may use it.

    Args:
        store: The ledger's objects.
        connections: How many objects are read or ranges listed at once.
        whole: A ledger with fewer responses is listed at once, a larger one range by range.

    Attributes:
        at_once: The same as `connections`.
    """

    def __init__(self, store: Store, connections: int, whole: int = WHOLE) -> None:
        self._store = store
        self.at_once = connections
        self._whole = whole
        self._looked = False
        self._ranges: dict[str, _Range] = {}
        self._listing = threading.Lock()
        self._retries = Retries(GcsNotes(store, lambda: None, RETRIES))

    def ids(self) -> Iterator[str]:
        """Yields the id of each request that was asked, in the order of ids."""
        return (found[0].request_id for found in self.all())

    def outcome(self, request_id: str) -> RequestOutcome | None:
        """Returns what is known of a request; None where it was never asked."""
        found = self._find(request_id)
        if not found:
            return None
        if request_id in self._retries:
            return outcome_after_retry(self._retries.live(request_id, self._in_order(found)))
        return RequestOutcome(found[0].is_answer, _effective(found).is_final)

    def read(self, request_id: str) -> Response | None:
        """Returns the response that counts; None where the request was never asked.

        Raises:
            StillroomError: The object is damaged, or cannot be read.
        """
        if request_id in self._retries:
            return deciding(self.usable(self.attempts(request_id)))
        found = self._find(request_id)
        return self.response(_effective(found)) if found else None

    def attempts(self, request_id: str) -> list[Response]:
        """Returns every response to a request, in the order they were sent.

        Raises:
            StillroomError: An object is damaged, or cannot be read.
        """
        return self._in_order(self._find(request_id))

    def usable(self, responses: list[Response]) -> list[Response]:
        """Returns the responses to a request that may count; see `ReaderLike`."""
        return self._retries.usable(responses)

    def since(self, milliseconds: int, *, behind: int = 0) -> Iterator[Response]:
        """Yields every response sent since a moment, attempts that failed included.

        Only those are read; listings show when the others were sent.

        Args:
            milliseconds: Since 1970 UTC.
            behind: Of no use here: listings show when each was sent.

        Yields:
            Responses, range by range; a few are read ahead.

        Raises:
            StillroomError: An object is damaged, or cannot be read.
        """
        recent = (
            stored for found in self.all() for stored in found if stored.sent_at >= milliseconds
        )
        for response in map_ahead(self.response, recent, self.at_once):
            if response.sent_at >= milliseconds:
                yield response

    def all(self) -> Iterator[list[Stored]]:
        """Yields the responses to each request, in the order of ids: the one that counts first."""
        self._list_all()
        for digits in _RANGES:
            listed = self._ranges[digits]
            yield from (listed.of(request_id) for request_id in listed.ids())

    def asked(self, stored: Stored) -> dict[str, Any]:
        """Returns what was asked, as one of the responses to it has it.

        Raises:
            StillroomError: The object is damaged, or cannot be read.
        """
        asked: dict[str, Any] = self._entry(_name(stored))["request"]
        return asked

    def response(self, stored: Stored) -> Response:
        """Returns a response that a listing shows.

        Raises:
            StillroomError: The object is damaged, or cannot be read.
        """
        entry = self._entry(_name(stored))
        try:
            return decode_response(entry)
        except (KeyError, TypeError, ValueError) as error:
            raise _damaged(self._store, _name(stored)) from error

    def request(self, request_id: str) -> dict[str, Any] | None:
        """Returns what was asked: prompt, teacher, model, messages, parameters, sample index."""
        found = self._find(request_id)
        return self.asked(found[0]) if found else None

    def sample(self, most: int) -> Iterator[dict[str, Any]]:
        """Yields what was asked in some answered requests; see `ReaderLike.sample`.

        Args:
            most: How many objects are read at most, of the ranges that are listed already.
        """
        self._range(_RANGES[0])
        with self._listing:
            listed = [each for each in self._ranges.values() if len(each.answers)]
        each = max(1, most // max(1, len(listed)))
        found = [stored for of_range in listed for stored in of_range.spread(each)]
        chosen = found[:: max(1, len(found) // most)][:most]
        yield from filter(None, map_ahead(self._asked_if_intact, chosen, self.at_once))

    def _asked_if_intact(self, stored: Stored) -> dict[str, Any] | None:
        with contextlib.suppress(StillroomError):
            return self.asked(stored)
        return None

    def decision(self, decision_id: str) -> dict[str, Any] | None:
        """Returns the verdict that responses name, as plain data; None where none was noted."""
        data = self._store.get(decision_name(decision_id))
        if data is None:
            return None
        verdict: dict[str, Any] = _parse(self._store, decision_name(decision_id), data)["verdict"]
        return verdict

    def verify(self) -> tuple[int, list[str]]:
        """Reads every response; returns how many are intact, and every damage in words."""
        intact, damage = 0, []
        for request_id in self.ids():
            try:
                intact += len(self.attempts(request_id))
            except StillroomError as error:
                damage.append(str(error))
        return intact, damage

    def damage(self) -> list[str]:
        """Returns nothing: a damaged object is found when it is read."""
        return []

    def _in_order(self, found: list[Stored]) -> list[Response]:
        return sorted(map(self.response, found), key=attrgetter("sent_at", "attempt"))

    def _find(self, request_id: str) -> list[Stored]:
        return self._range(request_id[:RANGE_DIGITS]).of(request_id)

    def _range(self, digits: str) -> _Range:
        with self._listing:
            self._list_if_small()
            if digits not in self._ranges:
                self._ranges[digits] = self._list(digits)
            listed = len(self._ranges)
        if listed > _RANGES_ONE_BY_ONE:
            self._list_all()
        return self._ranges[digits]

    def _list_all(self) -> None:
        with self._listing:
            self._list_if_small()
            missing = [digits for digits in _RANGES if digits not in self._ranges]
            if missing:
                with ThreadPoolExecutor(self.at_once) as pool:
                    self._ranges.update(zip(missing, pool.map(self._list, missing), strict=True))

    def _list_if_small(self) -> None:
        """Lists the whole ledger, the first time, if it is small."""
        if self._looked:
            return
        found = [*map(read_listed, self._store.list(RESPONSES, self._whole))]
        if len(found) < self._whole:
            self._ranges = dict.fromkeys(_RANGES, _range_of([]))
            for digits, of_range in groupby(found, lambda stored: stored.request_id[:RANGE_DIGITS]):
                self._ranges[digits] = _range_of(of_range)
        self._looked = True

    def _list(self, digits: str) -> _Range:
        return _range_of(map(read_listed, self._store.list(range_name(digits))))

    def _entry(self, name: str) -> dict[str, Any]:
        data = self._store.get(name)
        if data is None:
            raise StillroomError(
                f"{self._store.address}/{name}: it was deleted while the ledger was read; run again"
            )
        return _parse(self._store, name, data)


def _range_of(listed: Iterable[Stored]) -> _Range:
    rows = bytearray()
    tries: dict[str, list[Stored]] = {}
    for stored in listed:
        if stored.is_answer:
            rows += bytes.fromhex(stored.request_id) + stored.sent_at.to_bytes(8, "little")
        else:
            tries.setdefault(stored.request_id, []).append(stored)
    return _Range(np.frombuffer(rows, _ROW_TYPE), tries)


def _effective(found: list[Stored]) -> Stored:
    return found[0] if found[0].is_answer else found[-1]


def _name(stored: Stored) -> str:
    return response_name(stored.request_id, stored.name)


def _parse(store: Store, name: str, data: bytes) -> dict[str, Any]:
    try:
        entry: dict[str, Any] = json.loads(data)
    except ValueError as error:
        raise _damaged(store, name) from error
    return entry


def _damaged(store: Store, name: str) -> StillroomError:
    return StillroomError(
        f"{store.address}/{name}: the object is damaged\n"
        f"  restore it from a copy; or, to do without it and have its request asked again, delete "
        f"it and run again"
    )
