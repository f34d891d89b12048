"""StageRequests: the Beam transform that reads prompts and stages their requests by bucket."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import apache_beam as beam
from apache_beam.pvalue import PBegin, PCollection

from schemas.progress import StageFigures
from schemas.records import Rejected
from transforms.job import Job
from transforms.prompts.assign import assign_teachers
from transforms.prompts.evaluation import evaluation_index, holds_item
from transforms.prompts.read import read_prompts
from transforms.prompts.staging import RequestStage
from transforms.work import REQUESTS, UNREAD, report_errors, write_progress, write_staged


def stage_requests(job: Job) -> list[int]:
    """Stages the requests of a run and returns the buckets that hold one.

    Those of prompts that hold an evaluation item are withheld: they are not asked. A repetition
    writes the same files.

    Args:
        job: The execution. Its work folder gets one file of requests for each bucket, and the
            rejected records.
    """
    unread: list[Rejected] = []
    figures = StageFigures()
    routes = job.routes()
    evaluation = evaluation_index(job.run)
    with RequestStage(job.work / REQUESTS, job.bits) as stage:
        for prompt in read_prompts(job.run.prompts, job.run.base):
            if isinstance(prompt, Rejected):
                unread.append(prompt)
                continue
            requests = list(assign_teachers(prompt, job.run, routes, job.extent))
            withheld = bool(requests) and holds_item(evaluation, prompt.messages)
            figures += StageFigures(withheld=len(requests) * withheld)
            for request in requests:
                stage.add(request, withheld=withheld)
        buckets = stage.buckets()
    write_staged(job.work / UNREAD, unread)
    write_progress(job.work, REQUESTS, figures)
    return buckets


@dataclass
class StageRequests(beam.PTransform[PBegin, PCollection[int]]):
    """Stages the requests of a run on disk and emits the buckets that hold them (bounded).

    One worker reads all prompts in order, as `limit` and the removal of duplicates require. Reading
    is a thousand times faster than any teacher. A retry writes the same files again.

    Attributes:
        job: The execution.
    """

    job: Job

    def __post_init__(self) -> None:
        super().__init__()

    def expand(self, begin: PBegin) -> PCollection[int]:
        """Wires the transform."""
        buckets: PCollection[int] = (
            begin
            | "Start" >> beam.Create([self.job.run_id])
            | "Stage" >> beam.ParDo(_StageRequestsFn(self.job))
            # Breaks fusion: later steps may be retried without reading the prompts again.
            | "Spread" >> beam.Reshuffle()
        )
        return buckets


class _StageRequestsFn(beam.DoFn):
    def __init__(self, job: Job) -> None:
        self._job = job

    def process(self, run_id: str) -> Iterator[int]:
        with report_errors(self._job.work):
            yield from stage_requests(self._job)
