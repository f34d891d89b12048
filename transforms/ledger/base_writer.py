"""What the writers of a folder and of a bucket share: digits, look-up, and how they are closed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import ExitStack
from types import TracebackType

from schemas.responses import Response
from transforms.ledger.index import ANSWERED
from transforms.ledger.protocol import ReaderLike
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

    def __init__(self, digits: str, run_id: str) -> None:
        self.digits = digits
        self._run_id = run_id
        self._open = ExitStack()

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

    @abstractmethod
    def _own_flags(self, key: bytes) -> int | None:
        """Returns the flags of what was appended here and is not in the snapshot; None if nothing.

        Args:
            key: Id of the request, 32 bytes.
        """

    def _check_digits(self, response: Response) -> None:
        if response.request_id[0] not in self.digits:
            raise ValueError(f"request {response.request_id}: not of digits {self.digits}")
