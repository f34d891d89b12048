"""What the writers of a folder and of a bucket share: digits, look-up, and how they are closed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import ExitStack
from types import TracebackType

from schemas.requests import Request
from schemas.responses import Response
from transforms.ledger.index import ANSWERED
from transforms.ledger.intents import Intents
from transforms.ledger.notes import NotesLike
from transforms.ledger.protocol import LostAttempt, ReaderLike
from transforms.ledger.reader import RequestOutcome, outcome_of


class BaseWriter(ABC):
    """A writer of the ids that begin with some hex digits.

    Args:
        digits: The leading hex digits of the ids that it may write.
        run_id: The run that writes.

    Attributes:
        digits: Those digits.
        snapshot: What the ledger held when the writer was entered; it may know more.
    """

    snapshot: ReaderLike
    _intents: Intents

    def __init__(self, digits: str, run_id: str) -> None:
        self.digits = digits
        self._run_id = run_id
        self._open = ExitStack()
        self._lost: dict[str, list[LostAttempt]] = {}

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Writes what waits and releases the locks."""
        self._open.close()

    def outcome(self, request_id: str) -> RequestOutcome | None:
        """Returns what is known of a request, from before and by now; None if never asked."""
        # Own entries first: what leaves `_own_flags` is in the snapshot by then.
        flags = self._own_flags(bytes.fromhex(request_id))
        if flags is not None and flags & ANSWERED:
            return outcome_of(flags)
        before = self.snapshot.outcome(request_id)
        if flags is None or (before and before.answered):
            return before
        return outcome_of(flags)

    def answered(self, request_id: str) -> bool:
        """Returns whether a request was answered, before or by now."""
        outcome = self.outcome(request_id)
        return outcome is not None and outcome.answered

    def _open_intents(self, notes: NotesLike, stack: ExitStack) -> None:
        """Begins to keep intents, and reads what earlier writers left; closed with the stack."""
        self._intents = Intents(notes, self._run_id)
        stack.callback(self._intents.close)
        self._lost = self._intents.read_lost(self.snapshot)

    @property
    def lost(self) -> list[LostAttempt]:
        """Attempts whose responses never came, and were not in the ledger on entry."""
        return [each for found in self._lost.values() for each in found]

    async def intend(self, response: Response, request: Request) -> None:
        """Writes down an attempt before it is sent; it is durable when this returns."""
        await self._intents.write(response, request)

    async def record_lost(self) -> None:
        """Appends the lost attempts of its own digits, so that they count as attempts for good."""
        for name, found in self._lost.items():
            mine = [each for each in found if each.response.request_id[0] in self.digits]
            for lost in mine:
                await self.append(lost.response, lost.request)
            if len(mine) == len(found):
                await self._intents.remove(name)
        self._lost.clear()

    @abstractmethod
    async def append(self, response: Response, request: Request) -> None:
        """Appends a response. It is durable when this returns."""

    @abstractmethod
    def _own_flags(self, key: bytes) -> int | None:
        """Returns the flags of what was appended here and is not in the snapshot; None if nothing.

        Args:
            key: Id of the request, 32 bytes.
        """

    def _check_digits(self, response: Response) -> None:
        if response.request_id[0] not in self.digits:
            raise ValueError(f"request {response.request_id}: not of digits {self.digits}")
