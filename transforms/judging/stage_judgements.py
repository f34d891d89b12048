"""StageJudgements: the Beam transform that writes the requests to the judge, by bucket."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import apache_beam as beam
from apache_beam.pvalue import PCollection

from schemas.inputs.run import Judge
from schemas.records import Record
from schemas.requests import Request
from transforms.job import Job
from transforms.judging.question import judge_request
from transforms.prompts.staging import read_requests, write_requests
from transforms.records.filtered_bucket import FILTERED, read_filtered
from transforms.work import report_errors


def stage_judgements(job: Job, judge: Judge, bucket: int) -> None:
    """Writes a request to the judge for each record of a bucket. A retry writes the same file.

    Args:
        job: The execution. The file in its work folder has the number of the records' bucket.
        judge: The run's judge.
        bucket: Number of the bucket.
    """
    records = read_filtered(job, FILTERED, bucket).records
    requests = (request for _, request in judge_requests(job, judge, bucket, records))
    write_requests(job.judging().staged, bucket, requests)


def judge_requests(
    job: Job, judge: Judge, bucket: int, records: Iterable[Record]
) -> Iterator[tuple[Record, Request]]:
    """Yields each record with the request to the judge about it.

    Args:
        job: The execution. Prompts are read from the requests staged for its teachers.
        judge: The run's judge.
        bucket: Number of the records' bucket.
        records: The records.
    """
    route = job.guard.route(judge.teacher.id)
    waiting = {record.record_id: record for record in records}
    for request in read_requests(job.staged, bucket):
        record = waiting.get(request.request_id)
        if record is not None:
            yield record, judge_request(record, request.prompt, judge, route)


@dataclass
class StageJudgements(beam.PTransform[PCollection[int], PCollection[int]]):
    """Writes the requests to the judge about the records of each bucket.

    Input, bounded: filtered buckets. Output: the same buckets. A retry writes the same files.

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
        staged: PCollection[int] = buckets | "Stage" >> beam.ParDo(
            _StageJudgementsFn(self.job, self.judge)
        )
        return staged


class _StageJudgementsFn(beam.DoFn):
    def __init__(self, job: Job, judge: Judge) -> None:
        self._job = job
        self._judge = judge

    def process(self, bucket: int) -> Iterator[int]:
        with report_errors(self._job.work):
            stage_judgements(self._job, self._judge, bucket)
        yield bucket
