"""How far a run goes with its prompts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Extent:
    """Which prompts are asked, and how many samples beyond those that the run file names.

    Attributes:
        last: The greatest id of a prompt that is asked; None for all prompts.
        extra: Samples that each teacher is asked for beyond its own number of them.
        again: Prompts up to this id are asked for one more; "" for none.
    """

    last: str | None = None
    extra: int = 0
    again: str = ""

    def extra_samples(self, prompt_id: str) -> int | None:
        """Returns how many samples more a prompt is asked for; None where it is not asked."""
        if self.last is not None and prompt_id > self.last:
            return None
        return self.extra + (prompt_id <= self.again)
