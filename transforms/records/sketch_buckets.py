"""SketchBuckets: the Beam transform that writes the sketches that `Deduplicate` compares."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import apache_beam as beam
from apache_beam.pvalue import PCollection

from transforms.dedupe.blocks import SketchBlock
from transforms.dedupe.sketch import sketch_bucket
from transforms.job import Job
from transforms.records.filtered_bucket import last_stage, read_filtered
from transforms.work import DEDUPE, report_errors


@dataclass
class SketchBuckets(beam.PTransform[PCollection[int], PCollection[SketchBlock]]):
    """Sketches the records of each bucket.

    Input, bounded: buckets whose last stage before deduplication is done. Output: one
    `SketchBlock` per bucket; the sketches are written to the work folder. A retry writes the same
    files.

    Attributes:
        job: The execution.
    """

    job: Job

    def __post_init__(self) -> None:
        super().__init__()

    def expand(self, buckets: PCollection[int]) -> PCollection[SketchBlock]:
        """Wires the transform."""
        blocks: PCollection[SketchBlock] = (
            buckets
            | "Sketch" >> beam.ParDo(_SketchFn(self.job))
            # Breaks fusion: a retry of a later step does not sketch again.
            | "KeepSketches" >> beam.Reshuffle()
        )
        return blocks


class _SketchFn(beam.DoFn):
    def __init__(self, job: Job) -> None:
        self._job = job

    def process(self, bucket: int) -> Iterator[SketchBlock]:
        job = self._job
        with report_errors(job.work):
            records = read_filtered(job, last_stage(job.run), bucket).records
            yield sketch_bucket(bucket, records, job.run.dedupe.near, job.work / DEDUPE)
