"""What became of a bucket's requests, on its way from `StageBucket` to `WriteShards`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from schemas.inputs.run import RunFile
from schemas.records import Record, Rejected
from transforms.job import Job
from transforms.limits.budget import Spend
from transforms.work import read_staged, write_staged

FILTERED = "filtered"
JUDGED = "judged"
CHOSEN = "chosen"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Counts of a bucket's requests, or of several buckets'.

    Attributes:
        requests: Requests.
        pending: Those without a final answer.
        asked: Those answered in this very run.
        from_ledger: Those answered by an earlier one.
        spent: What answers cost in this very run.
        uncertain: The most that may have been paid for nothing, in whatever run.
        prompt_tokens: Sent for them, as the teachers counted.
        completion_tokens: Received for them, as the teachers counted.
        judged: Records that the judge rated in this very run; both counts of tokens include its.
        judging: What that cost.
        judgements: What the judge's answers cost, those of earlier runs among them.
    """

    requests: int = 0
    pending: int = 0
    asked: int = 0
    from_ledger: int = 0
    spent: Spend = field(default_factory=Spend)
    uncertain: Spend = field(default_factory=Spend)
    prompt_tokens: int = 0
    completion_tokens: int = 0
    judged: int = 0
    judging: Spend = field(default_factory=Spend)
    judgements: Spend = field(default_factory=Spend)

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            requests=self.requests + other.requests,
            pending=self.pending + other.pending,
            asked=self.asked + other.asked,
            from_ledger=self.from_ledger + other.from_ledger,
            spent=self.spent + other.spent,
            uncertain=self.uncertain + other.uncertain,
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
            judged=self.judged + other.judged,
            judging=self.judging + other.judging,
            judgements=self.judgements + other.judgements,
        )


@dataclass(frozen=True, slots=True)
class SetAside:
    """A rejected answer that may be the worse side of a pair.

    Attributes:
        row: Its row, as any other's.
        record: The record that it would have been.
    """

    row: Rejected
    record: Record


@dataclass(slots=True)
class FilteredBucket:
    """What became of a bucket's requests, before duplicates are taken out.

    Attributes:
        records: Records so far.
        rejected: Those that were answered or failed, and are no records.
        aside: Of those, whole, the ones that may be the worse side of a pair.
        tally: Counts.
    """

    records: list[Record] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    aside: list[Record] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)

    def add(self, row: Record | Rejected | SetAside | None) -> None:
        """Files what became of a request; one that is pending, None, is filed nowhere."""
        if isinstance(row, Record):
            self.records.append(row)
        elif isinstance(row, SetAside):
            self.rejected.append(row.row)
            self.aside.append(row.record)
        elif row is not None:
            self.rejected.append(row)


def stages(run: RunFile) -> list[str]:
    """Returns the stages that a run's buckets pass before deduplication, in order."""
    wanted = {FILTERED: True, JUDGED: run.judge, CHOSEN: run.best_of}
    return [stage for stage, choice in wanted.items() if choice]


def last_stage(run: RunFile) -> str:
    """Returns the last stage that a run's buckets pass before deduplication."""
    return stages(run)[-1]


def stage_before(run: RunFile, stage: str) -> str:
    """Returns the stage that a run's buckets pass before another one of theirs."""
    passed = stages(run)
    return passed[passed.index(stage) - 1]


def write_filtered(job: Job, stage: str, bucket: int, sifted: FilteredBucket) -> None:
    """Leaves what became of a bucket's requests for the next stage; again is the same file.

    Args:
        job: The execution.
        stage: Which stage wrote it; each has files of its own, so that a retry finds its input.
        bucket: Which bucket.
        sifted: What became of its requests.
    """
    write_staged(_file(job, stage, bucket), sifted)


def read_filtered(job: Job, stage: str, bucket: int) -> FilteredBucket:
    """Reads what `write_sifted` wrote in this execution."""
    sifted: FilteredBucket = read_staged(_file(job, stage, bucket))
    return sifted


def _file(job: Job, stage: str, bucket: int) -> Path:
    return job.work / stage / f"{bucket:04d}.pickle"
