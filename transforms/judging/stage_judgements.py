"""StageJudgements: the Beam transform that stages what the judge is to be asked, by bucket."""

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
    """Stages a request to the judge for each record of a bucket.

    Args:
        job: The execution; its work folder gets the requests, in a file with the number of the
            records' bucket. Doing it again writes the same file.
        judge: The run's judge.
        bucket: Which bucket.
    """
    records = read_filtered(job, FILTERED, bucket).records
    requests = (request for _, request in judge_requests(job, judge, bucket, records))
    write_requests(job.judging().staged, bucket, requests)


def judge_requests(
    job: Job, judge: Judge, bucket: int, records: Iterable[Record]
) -> Iterator[tuple[Record, Request]]:
    """Yields records with what the judge is asked about them.

    Args:
        job: The execution; its prompts are read from the requests that were staged for teachers.
        judge: The run's judge.
        bucket: The bucket of the records.
        records: The records.

    Yields:
        One pair a record.
    """
    route = job.guard.route(judge.teacher.id)
    waiting = {record.record_id: record for record in records}
    for request in read_requests(job.staged, bucket):
        record = waiting.get(request.request_id)
        if record is not None:
            yield record, judge_request(record, request.prompt, judge, route)


@dataclass
class StageJudgements(beam.PTransform[PCollection[int], PCollection[int]]):
    """Stages on disk what the judge is to be asked about the records of each bucket.

    Input, bounded: sifted buckets. Output: the same buckets. A retry writes the same files again.

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
