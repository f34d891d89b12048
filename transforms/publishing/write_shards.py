"""WriteShards and Publish: the Beam transforms that make a corpus of the filtered buckets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import apache_beam as beam
from apache_beam.pvalue import AsList, PCollection

from schemas.stops import RouteErrors, Stop
from transforms.corpus.shards import BucketShards
from transforms.dedupe.blocks import VerdictBlock
from transforms.job import Job
from transforms.publishing.outcome import publish_run, write_shards
from transforms.records.filtered_bucket import RequestCounts
from transforms.work import OUTCOME, report_errors, write_staged

Written = tuple[BucketShards, RequestCounts]


@dataclass
class WriteShards(beam.PTransform[PCollection[tuple[int, VerdictBlock]], PCollection[Written]]):
    """Writes the shards of each bucket. Bounded; a retry writes the same files.

    Attributes:
        job: The execution.
        sides: The buckets whose rejected sides of pairs are written; empty if the run makes no
            pairs. Any of them may hold a side of a bucket's pairs.
    """

    job: Job
    sides: PCollection[int]

    def __post_init__(self) -> None:
        super().__init__()

    def expand(self, verdicts: PCollection[tuple[int, VerdictBlock]]) -> PCollection[Written]:
        """Wires the transform."""
        written: PCollection[Written] = (
            verdicts
            # The side input makes each bucket wait for the rejected sides of all buckets.
            | "Write" >> beam.ParDo(_WriteFn(self.job), AsList(self.sides))
        )
        return written


@dataclass
class Publish(beam.PTransform[PCollection[Written], PCollection[str]]):
    """Publishes the corpus after all shards are written. Bounded; a retry changes nothing.

    Attributes:
        job: The execution. The outcome is written to its work folder, for the launcher.
        stops: Routes that were stopped early, and the errors of routes.
    """

    job: Job
    stops: PCollection[Stop | RouteErrors]

    def __post_init__(self) -> None:
        super().__init__()

    def expand(self, written: PCollection[Written]) -> PCollection[str]:
        """Wires the transform."""
        version: PCollection[str] = (
            written.pipeline
            | "Once" >> beam.Create([self.job.run_id])
            | "Publish" >> beam.ParDo(_PublishFn(self.job), AsList(written), AsList(self.stops))
        )
        return version


class _WriteFn(beam.DoFn):
    def __init__(self, job: Job) -> None:
        self._job = job

    def process(self, element: tuple[int, VerdictBlock], sides: list[int]) -> Iterator[Written]:
        del sides
        with report_errors(self._job.work):
            yield write_shards(self._job, *element)


class _PublishFn(beam.DoFn):
    def __init__(self, job: Job) -> None:
        self._job = job

    def process(
        self, run_id: str, written: list[Written], stops: list[Stop | RouteErrors]
    ) -> Iterator[str]:
        with report_errors(self._job.work):
            outcome = publish_run(self._job, written, stops)
            write_staged(self._job.work / OUTCOME, outcome)
        yield outcome.manifest.version if outcome.manifest else ""
