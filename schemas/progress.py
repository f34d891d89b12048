"""How far the stages of a run have come: figures that each part reports while the run goes on."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field, fields

from schemas.money import add_known


@dataclass(frozen=True, slots=True, kw_only=True)
class StageFigures:
    """What one part of a stage has done so far, or several parts together.

    Attributes:
        asked: Requests that a teacher answered in this run.
        from_ledger: Requests whose answer was in the ledger already.
        failed: Requests that ended without an answer.
        withheld: Requests that are not asked, since their prompts hold an evaluation item.
        judged: Records that the judge rated, or that ended otherwise.
        accepted: Records that passed the filters, before duplicates are removed.
        rejected: Rejected records, by reason.
        completion_tokens: Tokens that teachers wrote in this run.
        usd: US dollars spent in this run; None if a price is unknown.
    """

    asked: int = 0
    from_ledger: int = 0
    failed: int = 0
    withheld: int = 0
    judged: int = 0
    accepted: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    completion_tokens: int = 0
    usd: float | None = 0.0

    @property
    def ended(self) -> int:
        """Requests that need no more asking."""
        return self.asked + self.from_ledger + self.failed + self.withheld

    def __add__(self, other: StageFigures) -> StageFigures:
        """Returns the figures of both together."""
        names = [each.name for each in fields(self) if each.name != "usd"]
        counts = {name: getattr(self, name) + getattr(other, name) for name in names}
        return StageFigures(**counts, usd=add_known(self.usd, other.usd))

    def encode(self) -> bytes:
        """Returns the figures as a JSON object."""
        return json.dumps({each.name: getattr(self, each.name) for each in fields(self)}).encode()

    @classmethod
    def decode(cls, data: bytes) -> StageFigures:
        """Returns the figures that `encode` wrote; unknown names are ignored.

        Raises:
            ValueError: This is no JSON object of figures, or only a part of one.
        """
        found = json.loads(data)
        if not isinstance(found, dict):
            raise ValueError("expected a JSON object of figures")
        known = {each.name: found[each.name] for each in fields(cls) if each.name in found}
        return cls(**known | {"rejected": Counter(found.get("rejected"))})
