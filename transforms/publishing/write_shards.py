"""WriteShards and Publish: the Beam transforms that turn staged buckets into a corpus."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import apache_beam as beam
from apache_beam.pvalue import AsList, PCollection

from schemas.stops import Stop
from transforms.corpus.shards import BucketShards
from transforms.dedupe.blocks import VerdictBlock
from transforms.job import Job
from transforms.publishing.outcome import publish_run, write_verdicts
from transforms.records.filtered_bucket import Tally
from transforms.work import OUTCOME, report_errors, write_staged

Written = tuple[BucketShards, Tally]


@dataclass
class WriteShards(beam.PTransform[PCollection[tuple[int, VerdictBlock]], PCollection[Written]]):
    """Writes the shards of each bucket. Bounded; a retry writes the same files again.

    Attributes:
        job: The execution.
        sides: The buckets whose worse sides of pairs are on disk; a bucket's pairs may have theirs
            in any other. None where the run makes no pairs.
    """

    job: Job
    sides: PCollection[int]

    def __post_init__(self) -> None:
        super().__init__()

    def expand(self, verdicts: PCollection[tuple[int, VerdictBlock]]) -> PCollection[Written]:
        """Wires the transform."""
        written: PCollection[Written] = (
            verdicts
            # The side input makes it wait for all of them.
            | "Write" >> beam.ParDo(_WriteFn(self.job), AsList(self.sides))
        )
        return written


@dataclass
class Publish(beam.PTransform[PCollection[Written], PCollection[str]]):
    """Publishes the corpus when all its shards are written. Bounded; a retry changes nothing.

    Attributes:
        job: The execution. Its work folder gets the outcome, for the launcher.
        stops: Why routes were stopped early.
    """

    job: Job
    stops: PCollection[Stop]

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
            yield write_verdicts(self._job, *element)


class _PublishFn(beam.DoFn):
    def __init__(self, job: Job) -> None:
        self._job = job

    def process(self, run_id: str, written: list[Written], stops: list[Stop]) -> Iterator[str]:
        with report_errors(self._job.work):
            outcome = publish_run(self._job, written, stops)
            write_staged(self._job.work / OUTCOME, outcome)
        yield outcome.manifest.version if outcome.manifest else ""
