"""The rows of a bucket between two stages, from `MakeRecords` to `WriteShards`."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields
from pathlib import Path

from schemas.codes import RowKind
from schemas.inputs.run import RunFile
from schemas.progress import StageFigures
from schemas.records import Record, Rejected
from transforms.job import Job
from transforms.limits.budget import Spend
from transforms.work import read_staged, write_progress, write_staged

FILTERED = "filtered"
JUDGED = "judged"
CHOSEN = "chosen"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestCounts:
    """Counts of the requests of one bucket, or of several.

    Attributes:
        requests: Requests.
        pending: Requests without a final answer.
        asked: Requests answered in this run.
        from_ledger: Requests answered by an earlier run.
        spent: Cost of the answers of this run.
        uncertain: Most that attempts without a usable answer may have cost, in all runs.
        prompt_tokens: Tokens sent in this run, as the teachers and the judge counted.
        completion_tokens: Tokens received in this run, as the teachers and the judge counted.
        judged: Records that the judge rated in this run.
        judging: Cost of those ratings.
        judgements: Cost of all ratings, of earlier runs too.
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

    def __add__(self, other: RequestCounts) -> RequestCounts:
        names = [each.name for each in fields(self)]
        return RequestCounts(**{name: getattr(self, name) + getattr(other, name) for name in names})


@dataclass(frozen=True, slots=True)
class PairCandidate:
    """A rejected answer that may become the rejected side of a pair.

    Attributes:
        row: Its rejected row.
        record: The record that it would have been.
    """

    row: Rejected
    record: Record


@dataclass(slots=True, kw_only=True)
class FilteredBucket:
    """The rows of a bucket before deduplication.

    Attributes:
        records: Accepted so far.
        rejected: Rows of the requests that were rejected or failed.
        pair_candidates: Records of rejected answers that may become the rejected side of a pair.
        counts: Counts of the bucket's requests.
    """

    records: list[Record] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    pair_candidates: list[Record] = field(default_factory=list)
    counts: RequestCounts = field(default_factory=RequestCounts)

    def add(self, row: Record | Rejected | PairCandidate | None) -> None:
        """Adds the row of a request. None, for a pending request, adds nothing."""
        if isinstance(row, Record):
            self.records.append(row)
        elif isinstance(row, PairCandidate):
            self.rejected.append(row.row)
            self.pair_candidates.append(row.record)
        elif row is not None:
            self.rejected.append(row)


def bucket_stages(run: RunFile) -> list[str]:
    """Returns the stages of a run's buckets before deduplication, in order."""
    wanted = {FILTERED: True, JUDGED: run.judge, CHOSEN: run.best_of}
    return [stage for stage, choice in wanted.items() if choice]


def last_stage(run: RunFile) -> str:
    """Returns the last stage of a run's buckets before deduplication."""
    return bucket_stages(run)[-1]


def previous_stage(run: RunFile, stage: str) -> str:
    """Returns the stage of a run's buckets before `stage`."""
    stages = bucket_stages(run)
    return stages[stages.index(stage) - 1]


def write_filtered(job: Job, stage: str, bucket: int, filtered: FilteredBucket) -> None:
    """Writes a bucket's rows for the next stage. A retry writes the same file.

    Args:
        job: The execution.
        stage: The stage that made the rows. Each has its own files, so a retry finds its input.
        bucket: Number of the bucket.
        filtered: Its rows.
    """
    write_staged(_file(job, stage, bucket), filtered)


def read_filtered(job: Job, stage: str, bucket: int) -> FilteredBucket:
    """Reads the rows that `write_filtered` wrote in this execution."""
    filtered: FilteredBucket = read_staged(_file(job, stage, bucket))
    return filtered


def note_progress(job: Job, bucket: int, filtered: FilteredBucket) -> None:
    """Writes how many answers of a bucket are accepted and rejected, for the display."""
    rejected = Counter(row.reason for row in filtered.rejected if row.kind is RowKind.REJECTED)
    figures = StageFigures(accepted=len(filtered.records), rejected=rejected)
    write_progress(job.work, f"bucket-{bucket}", figures)


def _file(job: Job, stage: str, bucket: int) -> Path:
    return job.work / stage / f"{bucket:04d}.pickle"
