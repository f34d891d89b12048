"""The settings of an execution, pickled to every stage's workers; no text, no key."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

from schemas.buckets import bucket_bits
from schemas.canonical import canonical_json
from schemas.codes import ModelRole
from schemas.extent import Extent
from schemas.index import Index
from schemas.inputs.registry import LimiterAddress, Route
from schemas.inputs.run import RunFile, TeacherChoice
from schemas.purpose import Purpose
from schemas.requests import completion_limit
from schemas.terms import Verdict
from transforms.clock import Clock
from transforms.filters.policy import Filters
from transforms.guard.evaluate import Guard
from transforms.work import JUDGING, REQUESTS

_LOGPROBS_OF_A_RECORD = 512  # as large as a usual record: 12 bytes each, 6 kB together


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One execution of a run file.

    Attributes:
        run: The run file.
        run_id: The execution's name; unique.
        work: Folder of this execution's own files, which all workers can read; removed at its end.
        started_at: When it was launched, milliseconds since 1970 UTC.
        guard: Decides by the terms, the same way on every worker.
        verdicts: Its verdicts for the plan.
        filters: The rules that completions pass.
        requests: Requests of the run, as the plan counted them.
        bits: Leading bits of an id that name its bucket.
        slices: How many shares paid work is cut into.
        today: The day on which the corpus is built, UTC.
        asks: Whether teachers are asked, or the ledger alone is read.
        extent: How many prompts and samples are asked.
        widens: Whether the extent may grow if too few records are accepted.
        against: Indexes of the versions whose records win over duplicates of this run.
        clock: The clock of the asking.
        limiter: Where quotas are counted; None where each slice keeps to its share.
        role: Which models are asked: the run's teachers, or its judge.
    """

    run: RunFile
    run_id: str
    work: Path
    started_at: int
    guard: Guard
    verdicts: tuple[Verdict, ...]
    filters: Filters
    requests: int
    bits: int
    slices: int
    today: date
    asks: bool
    extent: Extent = field(default_factory=Extent)
    widens: bool = False
    against: tuple[Index, ...] = ()
    clock: Clock = field(default_factory=Clock)
    limiter: LimiterAddress | None = None
    role: ModelRole = ModelRole.TEACHER

    @property
    def staged(self) -> Path:
        """Folder of the requests that the models in this role are asked."""
        return self.work / {ModelRole.TEACHER: REQUESTS, ModelRole.JUDGE: JUDGING}[self.role]

    @property
    def purpose(self) -> Purpose:
        """What the models in this role are asked for: the guard decides by it."""
        return self.run.purpose.of(self.role)

    def judging(self) -> Job:
        """Returns the same execution, with the run's judge instead of its teachers."""
        return replace(self, role=ModelRole.JUDGE)

    def models(self) -> tuple[TeacherChoice, ...]:
        """Returns the models that are asked in this role."""
        if self.role is ModelRole.TEACHER:
            return self.run.teachers
        return (self.run.judge.teacher,) if self.run.judge else ()

    def routes(self) -> dict[str, Route]:
        """Returns the routes of these models, by id."""
        return {model.id: self.guard.route(model.id) for model in self.models()}


def bits_of(run: RunFile, requests: int) -> int:
    """Returns how many leading bits of an id name its bucket: more if records are large.

    Args:
        run: The run file. Log probabilities may be most of a record.
        requests: Requests of the run.
    """
    kept = (
        completion_limit(canonical_json(teacher.parameters))
        * (1 + teacher.parameters.get("top_logprobs", 0))
        for teacher in run.teachers
        if teacher.parameters.get("logprobs")
    )
    return bucket_bits(requests, 1 + max(kept, default=0) // _LOGPROBS_OF_A_RECORD)
