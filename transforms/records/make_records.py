"""MakeRecords: the Beam transform that makes records of the answers in the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import apache_beam as beam
from apache_beam.metrics.metric import Metrics
from apache_beam.pvalue import PCollection

from transforms.filters.decontaminate import EvaluationIndex
from transforms.job import Job
from transforms.ledger import ReaderLike, open_ledger
from transforms.limits.budget import Spend
from transforms.prompts.evaluation import evaluation_index
from transforms.prompts.staging import read_requests
from transforms.records.filter_answer import AnswerFilter
from transforms.records.filtered_bucket import (
    FILTERED,
    FilteredBucket,
    RequestCounts,
    note_progress,
    write_filtered,
)
from transforms.records.replies import Replies, read_all_replies
from transforms.work import REQUESTS, report_errors


def make_records(
    job: Job, bucket: int, evaluation: EvaluationIndex | None, ledger: ReaderLike
) -> FilteredBucket:
    """Parses and filters the answers to a bucket's requests, and asks the guard about each.

    Args:
        job: The execution, with the staged requests in its work folder.
        bucket: Number of the bucket.
        evaluation: Evaluation sets to keep out, or None.
        ledger: Holds the responses.

    Returns:
        Records, rejected rows and counts, held in memory.
    """
    routes = job.routes()
    answer_filter, filtered = AnswerFilter(job, routes, evaluation), FilteredBucket()
    requests = read_requests(job.work / REQUESTS, bucket)
    for request, replies in read_all_replies(ledger, routes, requests):
        row = answer_filter.filter(request, replies)
        filtered.counts += _count(job, replies, pending=row is None)
        filtered.add(row)
    return filtered


def _count(job: Job, replies: Replies, *, pending: bool) -> RequestCounts:
    """Counts one request, by the run that the ledger names: a retry counts the same."""
    paid = [each for each in replies.paid if each.run_id == job.run_id]
    asked = bool(replies.paid) and replies.paid[0].run_id == job.run_id
    return RequestCounts(
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
    """Makes the records and rejected rows of each bucket; see `make_records`.

    Input, bounded: buckets of staged requests. Output: the same buckets; their rows are written
    to the work folder. A retry writes the same files.

    Attributes:
        job: The execution.
    """

    job: Job

    def __post_init__(self) -> None:
        super().__init__()

    def expand(self, buckets: PCollection[int]) -> PCollection[int]:
        """Wires the transform."""
        filtered: PCollection[int] = (
            buckets
            | "Filter" >> beam.ParDo(_MakeRecordsFn(self.job))
            # Breaks fusion: a retry of a later step does not filter again.
            | "KeepFiltered" >> beam.Reshuffle()
        )
        return filtered


class _MakeRecordsFn(beam.DoFn):
    def __init__(self, job: Job) -> None:
        self._job = job
        self._filtered = Metrics.counter("stillroom", "filtered_buckets")

    def setup(self) -> None:
        with report_errors(self._job.work):
            self._evaluation = evaluation_index(self._job.run)

    def process(self, bucket: int) -> Iterator[int]:
        with report_errors(self._job.work):
            ledger = open_ledger(self._job.run.ledger).reader()
            filtered = make_records(self._job, bucket, self._evaluation, ledger)
            write_filtered(self._job, FILTERED, bucket, filtered)
            note_progress(self._job, bucket, filtered)
        self._filtered.inc()
        yield bucket
