"""The part of a run's prompts that is asked, and how often."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Extent:
    """Which prompts are asked, and how many samples more than the run file names.

    Attributes:
        last: Only prompts with an id up to this one are asked; None for all prompts.
        extra: Samples of each prompt, in addition to the teacher's own number.
        again: Prompts with an id up to this one get one more sample; "" for none.
    """

    last: str | None = None
    extra: int = 0
    again: str = ""

    def extra_samples(self, prompt_id: str) -> int | None:
        """Returns the number of additional samples of a prompt; None if it is not asked."""
        if self.last is not None and prompt_id > self.last:
            return None
        return self.extra + (prompt_id <= self.again)
