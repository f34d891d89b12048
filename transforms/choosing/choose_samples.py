"""ChooseSamples: the Beam transform that keeps the best samples of each prompt."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import apache_beam as beam
import numpy as np
from apache_beam.metrics.metric import Metrics
from apache_beam.pvalue import PCollection

from schemas.buckets import bucket_of
from schemas.inputs.quality import BestOf
from schemas.records import Record
from transforms.choosing.choose import choose_best
from transforms.choosing.samples import (
    SAMPLE,
    by_prompt,
    lowest_is_best,
    make_sample,
    score_of,
    split_samples,
)
from transforms.dedupe.row_files import RowFiles, RowSlice
from transforms.dedupe.rows import Rows, pack, split
from transforms.job import Job
from transforms.records.filtered_bucket import (
    CHOSEN,
    FilteredBucket,
    previous_stage,
    read_filtered,
    write_filtered,
)
from transforms.records.rows import make_not_best
from transforms.work import BEST_OF, report_errors

# Id of a sample to reject, and of the best sample of its prompt.
LOSS = np.dtype([("id", "V32"), ("best", "V32")])

_Placed = tuple[int, RowSlice]
_Grouped = tuple[int, Iterable[RowSlice]]
_Joined = tuple[int, dict[str, Iterable[RowSlice]]]


@dataclass(eq=False)
class ChooseSamples(beam.PTransform[PCollection[int], PCollection[int]]):
    """Keeps the best samples of each prompt, and rejects the others.

        SplitSamples ─partition→ ChooseBest ─bucket→ ApplyChoice

    Input, bounded: buckets after their previous stage. Output: the same buckets; their rows are
    written to the work folder. Only packed ids and scores are shuffled. The choice depends on the
    samples alone, so a retry, or another number of workers, writes the same files.

    Attributes:
        job: The execution.
        best_of: How to compare the samples.
    """

    job: Job
    best_of: BestOf

    def __post_init__(self) -> None:
        super().__init__()

    def expand(self, buckets: PCollection[int]) -> PCollection[int]:
        """Wires the transform."""
        lost: PCollection[_Placed] = (
            buckets
            | "SplitSamples" >> beam.FlatMap(_split_samples, self.job, self.best_of)
            | "GroupSamples" >> beam.GroupByKey()  # partition, places of samples
            | "ChooseBest" >> beam.FlatMap(_choose_best, self.job, self.best_of)
        )
        chosen: PCollection[int] = (
            {"buckets": buckets | "Buckets" >> beam.Map(_with_nothing), "lost": lost}
            | "GroupLost" >> beam.CoGroupByKey()  # bucket, places of its losses
            | "ApplyChoice" >> beam.ParDo(_ApplyChoiceFn(self.job, self.best_of))
            # Breaks fusion: a retry of a later step does not choose again.
            | "KeepChosen" >> beam.Reshuffle()
        )
        return chosen


class _ApplyChoiceFn(beam.DoFn):
    def __init__(self, job: Job, best_of: BestOf) -> None:
        self._job = job
        self._best_of = best_of
        self._lost = Metrics.counter("stillroom", "not_best")

    def process(self, element: _Joined) -> Iterator[int]:
        bucket, joined = element
        job = self._job
        with report_errors(job.work):
            lost = _losses(job).read(joined["lost"])
            filtered = read_filtered(job, previous_stage(job.run, CHOSEN), bucket)
            chosen = apply_choice(
                filtered, lost, self._best_of, pairs=job.run.preferences is not None
            )
            write_filtered(job, CHOSEN, bucket, chosen)
        self._lost.inc(len(lost))
        yield bucket


def apply_choice(
    filtered: FilteredBucket, lost: Rows, best_of: BestOf, *, pairs: bool
) -> FilteredBucket:
    """Returns a bucket with the samples that were not chosen moved to the rejected rows.

    Args:
        filtered: The bucket.
        lost: The samples to reject, rows of dtype `LOSS`.
        best_of: How the samples were compared.
        pairs: Whether the records of these samples are kept as candidates for pairs.
    """
    witnesses = {name.hex(): best.hex() for name, best in lost.tolist()}
    losers = [record for record in filtered.records if record.record_id in witnesses]
    rows = [
        make_not_best(record, witnesses[record.record_id], _detail(record, best_of.by))
        for record in losers
    ]
    return FilteredBucket(
        records=[record for record in filtered.records if record.record_id not in witnesses],
        rejected=[*filtered.rejected, *rows],
        pair_candidates=[*filtered.pair_candidates, *(losers if pairs else ())],
        counts=filtered.counts,
    )


def _detail(record: Record, by: str) -> str:
    score = score_of(record, by)
    return f"was not scored by {by}" if score is None else f"scores {score:g} by {by}"


def _split_samples(bucket: int, job: Job, best_of: BestOf) -> Iterator[_Placed]:
    with report_errors(job.work):
        records = read_filtered(job, previous_stage(job.run, CHOSEN), bucket).records
        samples = (make_sample(record, best_of.by) for record in records)
        yield from _samples(job).write(bucket, split_samples(samples))


def _choose_best(element: _Grouped, job: Job, best_of: BestOf) -> Iterator[_Placed]:
    partition, pieces = element
    ids, best = [], []
    with report_errors(job.work):
        for samples in by_prompt(_samples(job).read(pieces)):
            kept, lost = choose_best(samples, best_of.keep, lowest=lowest_is_best(best_of))
            ids += [sample.id for sample in lost]
            best += [kept[0].id] * len(lost)
        rows = pack(LOSS, id=np.array(ids, "V32"), best=np.array(best, "V32"))
        buckets = np.array([bucket_of(name.hex(), job.bits) for name in ids], np.int64)
        yield from _losses(job).write(partition, split(rows, buckets))


def _with_nothing(bucket: int) -> tuple[int, None]:
    return bucket, None


def _samples(job: Job) -> RowFiles:
    return RowFiles(job.work / BEST_OF / "samples", SAMPLE)


def _losses(job: Job) -> RowFiles:
    return RowFiles(job.work / BEST_OF / "lost", LOSS)
