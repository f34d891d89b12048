"""StageBucket: the Beam transform that turns a bucket's responses into records and rejections."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import apache_beam as beam
from apache_beam.metrics.metric import Metrics
from apache_beam.pvalue import PCollection

from schemas.codes import RowKind
from schemas.progress import StageFigures
from transforms.filters.decontaminate import EvaluationIndex
from transforms.job import Job
from transforms.ledger import ReaderLike, open_ledger
from transforms.limits.budget import Spend
from transforms.prompts.evaluation import evaluation_index
from transforms.prompts.staging import read_requests
from transforms.records.filter_bucket import BucketFilter
from transforms.records.filtered_bucket import FILTERED, FilteredBucket, Tally, write_filtered
from transforms.records.replies import Replies, read_all_replies
from transforms.work import REQUESTS, report_errors, write_progress


def stage_bucket(job: Job, bucket: int, evaluation: EvaluationIndex | None) -> None:
    """Sifts the responses to a bucket's requests. Doing it again writes the same file.

    Args:
        job: The execution. Its work folder gets what became of the bucket.
        bucket: Which bucket.
        evaluation: Evaluation sets to keep out, or None.
    """
    sifted = sift_bucket(job, bucket, evaluation, open_ledger(job.run.ledger).reader())
    write_filtered(job, FILTERED, bucket, sifted)
    rejected = Counter(row.reason for row in sifted.rejected if row.kind is RowKind.REJECTED)
    figures = StageFigures(accepted=len(sifted.records), rejected=rejected)
    write_progress(job.work, f"bucket-{bucket}", figures)


def sift_bucket(
    job: Job, bucket: int, evaluation: EvaluationIndex | None, ledger: ReaderLike
) -> FilteredBucket:
    """Sifts the responses to a bucket's requests.

    Args:
        job: The execution.
        bucket: Which bucket.
        evaluation: Evaluation sets to keep out, or None.
        ledger: Holds the responses.

    Returns:
        What became of each request, held in memory.
    """
    routes = job.routes()
    sifter, sifted = BucketFilter(job, routes, evaluation), FilteredBucket()
    requests = read_requests(job.work / REQUESTS, bucket)
    for request, replies in read_all_replies(ledger, routes, requests):
        row = sifter.sift(request, replies)
        sifted.tally += _count(job, replies, pending=row is None)
        sifted.add(row)
    return sifted


def _count(job: Job, replies: Replies, *, pending: bool) -> Tally:
    """Counts one request. The ledger knows who asked, so that no retried bundle counts twice."""
    paid = [each for each in replies.paid if each.run_id == job.run_id]
    asked = bool(replies.paid) and replies.paid[0].run_id == job.run_id
    return Tally(
        requests=1,
        pending=int(pending),
        asked=int(asked),
        from_ledger=int(bool(replies.paid) and not asked),
        spent=sum((each.spend for each in paid), Spend()),
        uncertain=replies.uncertain,
        prompt_tokens=sum(each.usage.prompt_tokens or 0 for each in paid),
        completion_tokens=sum(each.usage.completion_tokens or 0 for each in paid),
    )


@dataclass
class MakeRecords(beam.PTransform[PCollection[int], PCollection[int]]):
    """Sifts the responses of each bucket.

    Input, bounded: buckets of staged requests. Output: the same buckets; their rows stay in the
    work folder. A retry writes the same files again.

    Attributes:
        job: The execution.
    """

    job: Job

    def __post_init__(self) -> None:
        super().__init__()

    def expand(self, buckets: PCollection[int]) -> PCollection[int]:
        """Wires the transform."""
        staged: PCollection[int] = (
            buckets
            | "Sift" >> beam.ParDo(_StageBucketFn(self.job))
            # Breaks fusion: what follows does not sift again when it is retried.
            | "KeepSifted" >> beam.Reshuffle()
        )
        return staged


class _StageBucketFn(beam.DoFn):
    def __init__(self, job: Job) -> None:
        self._job = job
        self._sifted = Metrics.counter("stillroom", "sifted_buckets")

    def setup(self) -> None:
        with report_errors(self._job.work):
            self._evaluation = evaluation_index(self._job.run)

    def process(self, bucket: int) -> Iterator[int]:
        with report_errors(self._job.work):
            stage_bucket(self._job, bucket, self._evaluation)
        self._sifted.inc()
        yield bucket
