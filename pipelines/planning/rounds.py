"""Rounds: a run with a target repeats its pipeline with more requests until it reaches the target.

The ledger has the answers of earlier rounds, so each round sends only new requests. All rounds
share one budget. A run without a target has one round.
"""

from __future__ import annotations

from dataclasses import replace

from schemas.extent import Extent
from schemas.inputs.run import RunFile
from schemas.prompts import Prompt
from transforms.job import Job, bits_of
from transforms.prompts.evaluation import evaluation_index, holds_item
from transforms.prompts.extent import can_widen, first_extent, requests_in, wider_extent
from transforms.prompts.read import read_prompts
from transforms.publishing.outcome import RunOutcome


class Rounds:
    """The rounds of one job.

    Args:
        job: The job with the widest extent that its run file allows.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self._ids, self._withheld = _prompt_ids(job.run) if job.run.target else ([], [])

    def first(self) -> Job:
        """Returns the first round."""
        if not self._ids:
            return self._job
        return self._round(first_extent(self._job.run, self._ids))

    def following(self, before: Job, outcome: RunOutcome) -> Job:
        """Returns the next round after one that missed the target.

        Args:
            before: The last round.
            outcome: Its outcome.
        """
        accepted = outcome.funnel.accepted
        return self._round(wider_extent(before.extent, before.run, self._ids, accepted))

    def _round(self, extent: Extent) -> Job:
        run = self._job.run
        requests = sum(requests_in(extent, run, ids) for ids in (self._ids, self._withheld))
        return replace(
            self._job,
            extent=extent,
            widens=can_widen(extent, run, self._ids),
            requests=requests,
            bits=bits_of(run, requests),
        )


def _prompt_ids(run: RunFile) -> tuple[list[str], list[str]]:
    """Returns the ids of all prompts to ask and of all that are withheld, each list ascending.

    120 bytes a prompt. Those that are withheld bring no answer, so no extent is sized by them.
    """
    evaluation = evaluation_index(run)
    ids: tuple[list[str], list[str]] = ([], [])
    for prompt in read_prompts(run.prompts, run.base):
        if isinstance(prompt, Prompt):
            ids[holds_item(evaluation, prompt.messages)].append(prompt.prompt_id)
    return sorted(ids[False]), sorted(ids[True])
