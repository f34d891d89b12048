"""Reads a ledger in a folder: what is known of a request, and its responses."""

from __future__ import annotations

import contextlib
import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

from schemas.errors import StillroomError
from schemas.responses import Response
from transforms.ledger.entries import decode_response
from transforms.ledger.index import (
    ANSWERED,
    DAMAGED,
    DECISION,
    FINAL,
    ID_BYTES,
    IndexEntry,
    Segment,
    decision_key,
)
from transforms.ledger.retries import Retries, deciding


@dataclass(frozen=True, slots=True)
class RequestOutcome:
    """What is known of a request that was asked.

    Attributes:
        answered: Whether the teacher answered, be the answer of use or not.
        final: Whether it need not be asked again: it was answered, or failed for good.
    """

    answered: bool
    final: bool


class LedgerReader:
    """A ledger as it was at one moment. It has no file open and no text in memory.

    Of all responses to a request the first answer counts, since later runs were built on it;
    where none answered, the last attempt.

    Args:
        segments: The segments in the order in which they were begun.
        retries: What was set aside; None for nothing.

    Attributes:
        segments: The same.
    """

    at_once = 1  # a mapped file is read faster than a thread is started

    def __init__(self, segments: tuple[Segment, ...], retries: Retries | None = None) -> None:
        self.segments = segments
        self._retries = retries

    def __len__(self) -> int:
        """Returns how many responses it holds, attempts that failed included."""
        other = DECISION | DAMAGED
        return sum(
            int(np.count_nonzero(segment.rows["flags"] & other == 0)) for segment in self.segments
        )

    def ids(self) -> Iterator[str]:
        """Yields the id of each request that was asked, in the order of ids."""
        for found in self.entries():
            if not found[0].flags & DECISION:
                yield found[0].id.ljust(ID_BYTES, b"\0").hex()

    def outcome(self, request_id: str) -> RequestOutcome | None:
        """Returns what is known of a request; None where it was never asked."""
        found = self._find(request_id)
        if found and self._retries and request_id in self._retries:
            return outcome_after_retry(self._retries.live(request_id, _read_all(found)))
        return outcome_of(_effective(found).flags) if found else None

    def read(self, request_id: str) -> Response | None:
        """Returns the response that counts; None where the request was never asked.

        Raises:
            StillroomError: The entry is damaged; the message names its place.
        """
        if self._retries and request_id in self._retries:
            return deciding(self.usable(self.attempts(request_id)))
        found = self._find(request_id)
        return decode_response(_effective(found).read()) if found else None

    def attempts(self, request_id: str) -> list[Response]:
        """Returns every response to a request, in the order they came.

        Raises:
            StillroomError: An entry is damaged.
        """
        return _read_all(self._find(request_id))

    def usable(self, responses: list[Response]) -> list[Response]:
        """Returns the responses to a request that may count; see `ReaderLike`."""
        return self._retries.usable(responses) if self._retries else responses

    def since(self, milliseconds: int, *, behind: int = 0) -> Iterator[Response]:
        """Yields every response sent since a moment, attempts that failed included.

        Segments that were last written to before it are not read.

        Args:
            milliseconds: Since 1970 UTC.
            behind: Milliseconds by which the clock of the file system may have been behind the
                times of sending.

        Yields:
            Responses, segment by segment.

        Raises:
            StillroomError: An entry is damaged.
        """
        for segment in self.segments:
            if segment.path.stat().st_mtime * 1000 + behind < milliseconds:
                continue
            for entry in segment.entries():
                if not entry.flags & (DECISION | DAMAGED):
                    response = decode_response(entry.read())
                    if response.sent_at >= milliseconds:
                        yield response

    def request(self, request_id: str) -> dict[str, Any] | None:
        """Returns what was asked: prompt, teacher, model, messages, parameters, sample index."""
        read = (entry.read() for entry in self._find(request_id))
        return next((entry["request"] for entry in read if "request" in entry), None)

    def sample(self, most: int) -> Iterator[dict[str, Any]]:
        """Yields what was asked in some answered requests; see `ReaderLike.sample`.

        Args:
            most: How many entries are read at most, of the newest segments if there are more.
        """
        newest = self.segments[-most:]
        for segment in newest:
            for entry in segment.spread(max(1, most // len(newest))):
                with contextlib.suppress(StillroomError):  # a run that needs it reports it
                    if asked := entry.read().get("request"):
                        yield asked

    def decision(self, decision_id: str) -> dict[str, Any] | None:
        """Returns the verdict that responses name, as plain data; None where none was noted."""
        key = decision_key(decision_id)
        found = (entry for segment in self.segments for entry in segment.find(key))
        return next((entry.read()["verdict"] for entry in found), None)

    def damaged(self) -> list[IndexEntry]:
        """Returns the damaged entries, found when a segment's index was made.

        The rest is read all the same. A damaged entry counts as never received.
        """
        return [entry for each in self.segments for entry in each.damaged()]

    def spoiled(self) -> set[Path]:
        """Returns the segments with damage, accepted or not."""
        return {each.path for each in self.segments if np.any(each.rows["flags"] & DAMAGED)}

    def damage(self) -> list[str]:
        """Returns the damage of the ledger that is known and not accepted, in words."""
        return [sentence for each in self.segments for sentence in each.damage()]

    def entries(self, low: bytes = b"", high: bytes | None = None) -> Iterator[list[IndexEntry]]:
        """Yields the entries of each id in a range, in the order of ids, without reading them.

        Args:
            low: The range's first id, or its leading bytes.
            high: The first id beyond the range, or its leading bytes; None for no end.

        Yields:
            The entries of one id, in the order they came.
        """
        key = itemgetter(0)
        merged = heapq.merge(*(each.entries(low, high) for each in self.segments), key=key)
        intact = (entry for entry in merged if not entry.flags & DAMAGED)
        for _, found in groupby(intact, key):
            yield list(found)

    def followed_by(self, segment: Segment) -> LedgerReader:
        """Returns a reader that sees one more segment, the newest."""
        return LedgerReader((*self.segments, segment), self._retries)

    def _find(self, request_id: str) -> list[IndexEntry]:
        key = bytes.fromhex(request_id)
        return [entry for segment in self.segments for entry in segment.find(key)]


def outcome_of(flags: int) -> RequestOutcome:
    """Returns the outcome for an entry's flags."""
    return RequestOutcome(bool(flags & ANSWERED), bool(flags & FINAL))


def outcome_after_retry(live: list[Response]) -> RequestOutcome:
    """Returns what is known of a request that was set aside.

    Args:
        live: Its responses that were not.
    """
    last = deciding(live)
    return RequestOutcome(
        answered=last is not None and last.answered, final=last is not None and last.final
    )


def _read_all(found: list[IndexEntry]) -> list[Response]:
    return [decode_response(entry.read()) for entry in found]


def _effective(found: list[IndexEntry]) -> IndexEntry:
    return next((entry for entry in found if entry.flags & ANSWERED), found[-1])
