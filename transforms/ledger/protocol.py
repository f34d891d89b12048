"""The interface of a ledger, in a folder or in a bucket."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self

from schemas.requests import Request
from schemas.responses import Response
from schemas.terms import Verdict
from transforms.ledger.notes import NotesLike
from transforms.ledger.reader import RequestOutcome


class LostAttempt(NamedTuple):
    """An attempt whose process died before its response was in the ledger.

    Attributes:
        response: What is known of it; its outcome is `lost`.
        request: What was asked. Its prompt has only id and messages.
    """

    response: Response
    request: Request


class ReaderLike(Protocol):
    """Reads a ledger. Of all responses to a request the first answer counts, else the last attempt.

    What was set aside counts only where nothing else came; see `retries.py`.

    Each method that reads a response raises a `StillroomError` where it is damaged.
    """

    @property
    def at_once(self) -> int:
        """How many requests to read in parallel: 1 where that saves no time."""

    def ids(self) -> Iterator[str]:
        """Yields the id of each request that was asked, in the order of ids."""

    def outcome(self, request_id: str) -> RequestOutcome | None:
        """Returns what is known of a request; None where it was never asked."""

    def read(self, request_id: str) -> Response | None:
        """Returns the response that counts; None where the request was never asked."""

    def attempts(self, request_id: str) -> list[Response]:
        """Returns every response to a request, in the order they came."""

    def usable(self, responses: list[Response]) -> list[Response]:
        """Returns the responses to a request that are not set aside; all, where there is no other.

        Args:
            responses: All responses to it.
        """

    def since(self, milliseconds: int, *, behind: int = 0) -> Iterator[Response]:
        """Yields every response sent since a moment (milliseconds since 1970 UTC).

        Args:
            milliseconds: The moment.
            behind: Milliseconds by which the clock of the file system may have been behind the
                times of sending. All files that were written since then are read.
        """

    def request(self, request_id: str) -> dict[str, Any] | None:
        """Returns what was asked: prompt, teacher, model, messages, parameters, sample index."""

    def sample(self, most: int) -> Iterator[dict[str, Any]]:
        """Yields what was asked in up to so many answered requests, spread over the ledger.

        Each is read, and no other entry; a damaged one is left out.
        """

    def decision(self, decision_id: str) -> dict[str, Any] | None:
        """Returns the verdict that responses name, as plain data; None where none was noted."""

    def damage(self) -> list[str]:
        """Returns the damage of the ledger that is known and not accepted, in words."""


class WriterLike(Protocol):
    """Appends responses; a context manager, used from one event loop.

    While it is entered, no other writer writes to its digits.
    """

    @property
    def snapshot(self) -> ReaderLike:
        """What the ledger held when the writer was entered; it may know more."""

    @property
    def digits(self) -> str:
        """The leading hex digits of the ids that it may write."""

    @property
    def notes(self) -> NotesLike:
        """The notes of batches that are not yet collected."""

    def __enter__(self) -> Self:
        """Locks the digits, then reads what is there; raises `LedgerBusy`, `InputError`."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Closes it."""

    def close(self) -> None:
        """Writes what waits and releases the locks."""

    async def append(self, response: Response, request: Request) -> None:
        """Appends a response; it is durable when this returns, and written even if cancelled."""

    @property
    def retries(self) -> NotesLike:
        """What was set aside, see `retries.py`."""

    @property
    def lost(self) -> Sequence[LostAttempt]:
        """Attempts that were lost with their processes, and were not in the ledger on entry."""

    async def intend(self, response: Response, request: Request) -> None:
        """Writes down an attempt that may be lost before it is sent; see `intents.py`.

        It is durable when this returns. To append a response with the same `sent_at` settles it.
        """

    async def record_lost(self) -> None:
        """Appends the lost attempts of its own digits, so that they count as attempts for good."""

    def note_decision(self, verdict: Verdict) -> None:
        """Writes a verdict, once; it is durable when the next response that names it is."""

    def outcome(self, request_id: str) -> RequestOutcome | None:
        """Returns what is known of a request, from before and by now; None if never asked."""

    def answered(self, request_id: str) -> bool:
        """Returns whether a request was answered, before or by now."""


class LedgerLike(Protocol):
    """A ledger. It has nothing open and is pickled to workers."""

    def preflight(self, run_id: str) -> None:
        """Checks, before anything is paid for, that a run can write to the ledger.

        Raises:
            InputError: It is no ledger, or of another format or scheme, or cannot be written.
            LedgerBusy: Another run is writing to it.
        """

    def prepare(self) -> None:
        """Creates the ledger, if need be; raises `InputError` where that cannot be done."""

    def reader(self, *, any_scheme: bool = False) -> ReaderLike:
        """Opens the ledger; one that was never made is an empty one.

        Args:
            any_scheme: Whether ids of an older scheme will do. They are not those of the requests
                that a run makes.

        Raises:
            InputError: It is no ledger, or of another format or scheme, or cannot be read.
        """

    def writer(self, digits: str, run_id: str) -> WriterLike:
        """Returns a writer of the ids that begin with some hex digits; enter it to begin."""
