"""Counts this run's requests in jobs as their results come, and what these say of the account."""

from __future__ import annotations

from collections import Counter

from transforms.asking.batch.results import BatchResult
from transforms.asking.progress import ACCESS_REFUSALS_IN_A_ROW, WITHDRAWN, RouteProgress
from transforms.dialects.error_codes import Meaning
from transforms.ledger import WriterLike


class AwaitedRequests:
    """This run's requests that are in jobs.

    Args:
        ledger: Where results are stored before they are counted.
        progress: Where they are counted.
        place: The address asked, for messages.

    Attributes:
        ids: The requests without a result yet.
        unanswered: How many are left to a later run, by outcome.
        no_money: What a result says of an account without money; "" if none does.
        no_access: The same of an account that lost access.
    """

    def __init__(self, ledger: WriterLike, progress: RouteProgress, place: str) -> None:
        self.ids: set[bytes] = set()
        self.unanswered: Counter[str] = Counter()
        self.no_money = ""
        self.no_access = ""
        self._ledger = ledger
        self._progress = progress
        self._place = place
        self._refusals = 0

    def count(self, request_id: str, result: BatchResult | None) -> None:
        """Counts a request that has ended, if it is one of this run's.

        Args:
            request_id: The request.
            result: Its result; None if it was in the ledger already.
        """
        key = bytes.fromhex(request_id)
        if key not in self.ids:
            return
        self.ids.discard(key)
        if result is None:
            known = self._ledger.outcome(request_id)
            self._progress.from_ledger += bool(known and known.answered)
            self._progress.pending += not (known and known.answered)
        elif result.reading.meaning is Meaning.ANSWER:
            self._progress.answered += 1
        else:
            self._count_error(result)

    def _count_error(self, result: BatchResult) -> None:
        if result.final:
            self._progress.fail(result.outcome)
        else:
            self._progress.pending += 1
            self.unanswered[result.outcome] += 1
        self._progress.note_error(
            result.outcome,
            result.reading.code,
            f"{self._place}: {result.outcome} ({result.detail})",
        )
        meaning, status = result.reading.meaning, result.reading.status
        if meaning is Meaning.MONEY:
            self.no_money = self.no_money or result.detail
        self._refusals += meaning is Meaning.REQUEST and status in WITHDRAWN
        # Errors come after the answers, so a row of them says nothing if some were answered.
        repeated = self._refusals >= ACCESS_REFUSALS_IN_A_ROW and not self._progress.answered
        if meaning is Meaning.ACCOUNT or repeated:
            self.no_access = self.no_access or result.detail
