"""JudgeBucket: the Beam transform that applies the judge's answers to a bucket's records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import apache_beam as beam
from apache_beam.metrics.metric import Metrics
from apache_beam.pvalue import PCollection

from schemas.codes import RowKind
from schemas.inputs.run import Judge
from schemas.progress import StageFigures
from schemas.responses import Completion
from transforms.job import Job
from transforms.judging.judge import Bench
from transforms.judging.stage_judgements import judge_requests
from transforms.ledger import ReaderLike, open_ledger
from transforms.records.filtered_bucket import (
    FILTERED,
    JUDGED,
    FilteredBucket,
    Tally,
    read_filtered,
    write_filtered,
)
from transforms.records.replies import Replies, read_all_replies
from transforms.work import report_errors, write_progress


def judge_bucket(job: Job, judge: Judge, bucket: int) -> None:
    """Judges the records of a bucket. Doing it again writes the same file.

    Args:
        job: The execution. Its work folder gets what became of the bucket.
        judge: Its judge.
        bucket: Which bucket.
    """
    sifted = read_filtered(job, FILTERED, bucket)
    judged = judge_records(job, judge, bucket, sifted, open_ledger(job.run.ledger).reader())
    write_filtered(job, JUDGED, bucket, judged)
    rejected = Counter(row.reason for row in judged.rejected if row.kind is RowKind.REJECTED)
    figures = StageFigures(accepted=len(judged.records), rejected=rejected)
    write_progress(job.work, f"bucket-{bucket}", figures)


def judge_records(
    job: Job, judge: Judge, bucket: int, sifted: FilteredBucket, ledger: ReaderLike
) -> FilteredBucket:
    """Judges the records of a bucket.

    Args:
        job: The execution.
        judge: Its judge.
        bucket: Which bucket.
        sifted: What became of it before.
        ledger: Holds the judge's answers.

    Returns:
        What became of each request now, held in memory: a record without a final answer of the
        judge is pending again.
    """
    route = job.guard.route(judge.teacher.id)
    bench = Bench(job.judging(), judge, route)
    judged = FilteredBucket(rejected=[*sifted.rejected], aside=[*sifted.aside], tally=sifted.tally)
    asked = list(judge_requests(job, judge, bucket, sifted.records))
    answered = read_all_replies(ledger, {route.id: route}, (request for _, request in asked))
    for (record, _), (request, replies) in zip(asked, answered, strict=True):
        row = bench.judge_record(record, request, replies)
        judged.tally += _count(job, replies, pending=row is None)
        judged.add(row)
    return judged


def _count(job: Job, replies: Replies, *, pending: bool) -> Tally:
    """Counts one judgement; the request that it is about was counted before."""
    if pending:
        return Tally(pending=1)
    if not any(paid.run_id == job.run_id for paid in replies.paid):
        return Tally(judgements=replies.spend)
    return Tally(
        prompt_tokens=replies.usage.prompt_tokens or 0,
        completion_tokens=replies.usage.completion_tokens or 0,
        judged=int(isinstance(replies.completion, Completion)),
        judging=replies.spend,
        judgements=replies.spend,
    )


@dataclass
class JudgeBucket(beam.PTransform[PCollection[int], PCollection[int]]):
    """Applies the judge's answers to the records of each bucket.

    Input, bounded: buckets whose records were judged, as far as they could be. Output: the same
    buckets; their rows stay in the work folder. A retry writes the same files again.

    Attributes:
        job: The execution.
        judge: Its judge.
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
            # Breaks fusion: what follows does not judge again when it is retried.
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
            judge_bucket(self._job, self._judge, bucket)
        self._judged.inc()
        yield bucket
