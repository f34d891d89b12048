"""JudgeBucket: the Beam transform that applies the judge's answers to a bucket's records."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import apache_beam as beam
from apache_beam.metrics.metric import Metrics
from apache_beam.pvalue import PCollection

from schemas.inputs.run import Judge
from schemas.responses import Completion
from transforms.job import Job
from transforms.judging.judge import RecordJudge
from transforms.judging.stage_judgements import judge_requests
from transforms.ledger import ReaderLike, open_ledger
from transforms.records.filtered_bucket import (
    FILTERED,
    JUDGED,
    FilteredBucket,
    RequestCounts,
    note_progress,
    read_filtered,
    write_filtered,
)
from transforms.records.replies import Replies, read_all_replies
from transforms.work import report_errors


def judge_bucket(
    job: Job, judge: Judge, bucket: int, filtered: FilteredBucket, ledger: ReaderLike
) -> FilteredBucket:
    """Applies the judge's answers to the records of a bucket.

    Args:
        job: The execution.
        judge: The run's judge.
        bucket: Number of the bucket.
        filtered: The bucket after filtering.
        ledger: Holds the judge's answers.

    Returns:
        The bucket after judging, held in memory. A record without a final answer of the judge is
        pending again.
    """
    route = job.guard.route(judge.teacher.id)
    record_judge = RecordJudge(job.judging(), judge, route)
    judged = FilteredBucket(
        rejected=[*filtered.rejected],
        pair_candidates=[*filtered.pair_candidates],
        counts=filtered.counts,
    )
    asked = list(judge_requests(job, judge, bucket, filtered.records))
    answered = read_all_replies(ledger, {route.id: route}, (request for _, request in asked))
    for (record, _), (request, replies) in zip(asked, answered, strict=True):
        row = record_judge.judge_record(record, request, replies)
        judged.counts += _count(job, replies, pending=row is None)
        judged.add(row)
    return judged


def _count(job: Job, replies: Replies, *, pending: bool) -> RequestCounts:
    """Counts one judgement. The request for the record itself was counted by `MakeRecords`."""
    if pending:
        return RequestCounts(pending=1)
    if not any(paid.run_id == job.run_id for paid in replies.paid):
        return RequestCounts(judgements=replies.spend)
    return RequestCounts(
        prompt_tokens=replies.usage.prompt_tokens or 0,
        completion_tokens=replies.usage.completion_tokens or 0,
        judged=int(isinstance(replies.completion, Completion)),
        judging=replies.spend,
        judgements=replies.spend,
    )


@dataclass
class JudgeBucket(beam.PTransform[PCollection[int], PCollection[int]]):
    """Applies the judge's answers to the records of each bucket.

    Input, bounded: buckets whose judge has been asked. Output: the same buckets; their rows are
    written to the work folder. A retry writes the same files.

    Attributes:
        job: The execution.
        judge: The run's judge.
    """

    job: Job
    judge: Judge

    def __post_init__(self) -> None:
        super().__init__()

    def expand(self, buckets: PCollection[int]) -> PCollection[int]:
        """Wires the transform."""
        judged: PCollection[int] = (
            buckets
            | "Judge" >> beam.ParDo(_JudgeBucketFn(self.job, self.judge))
            # Breaks fusion: a retry of a later step does not judge again.
            | "KeepJudged" >> beam.Reshuffle()
        )
        return judged


class _JudgeBucketFn(beam.DoFn):
    def __init__(self, job: Job, judge: Judge) -> None:
        self._job = job
        self._judge = judge
        self._judged = Metrics.counter("stillroom", "judged_buckets")

    def process(self, bucket: int) -> Iterator[int]:
        with report_errors(self._job.work):
            filtered = read_filtered(self._job, FILTERED, bucket)
            ledger = open_ledger(self._job.run.ledger).reader()
            judged = judge_bucket(self._job, self._judge, bucket, filtered, ledger)
            write_filtered(self._job, JUDGED, bucket, judged)
            note_progress(self._job, bucket, judged)
        self._judged.inc()
        yield bucket
