"""PairSamples: the Beam transform that finds pairs of a better and a worse answer to a prompt."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import apache_beam as beam
import numpy as np
from apache_beam.pvalue import PCollection

from schemas.buckets import bucket_of
from schemas.inputs.quality import Preferences
from schemas.records import Record
from transforms.choosing.choose import Pair, choose_pairs
from transforms.choosing.rejected_sides import RejectedSide, write_sides
from transforms.choosing.samples import (
    SAMPLE,
    Sample,
    by_prompt,
    lowest_is_best,
    make_sample,
    split_samples,
)
from transforms.dedupe.blocks import VerdictBlock
from transforms.dedupe.row_files import RowFiles, RowSlice
from transforms.dedupe.rows import Rows, pack, split
from transforms.job import Job
from transforms.records.filtered_bucket import FilteredBucket, last_stage, read_filtered
from transforms.work import PAIRS, REJECTED_SIDES, read_staged, report_errors, write_staged

# Ids and scores of the two sides of a pair.
PAIR = np.dtype(
    [("chosen", "V32"), ("rejected", "V32"), ("chosen_score", "<f8"), ("rejected_score", "<f8")]
)

_Placed = tuple[int, RowSlice]
_Grouped = tuple[int, Iterable[RowSlice]]
_Joined = tuple[int, dict[str, Iterable[RowSlice]]]


@dataclass(eq=False)
class PairSamples(beam.PTransform[PCollection[tuple[int, VerdictBlock]], PCollection[int]]):
    """Pairs the best record of each prompt with worse answers to it.

        SplitSamples ─partition→ ChoosePairs ─bucket of the rejected side→ WriteSides

    It runs after deduplication, so the chosen side of every pair is a record of the corpus. The
    rejected side is another record of the corpus, or one of `FilteredBucket.pair_candidates`; a
    duplicate is neither.

    Input, bounded: the verdicts of each bucket. Output: each bucket whose rejected sides are
    written, for the buckets of the chosen sides to read. Only packed ids and scores are shuffled.
    The choice depends on the samples alone: a retry writes the same files.

    Attributes:
        job: The execution.
        preferences: How to compare the samples.
    """

    job: Job
    preferences: Preferences

    def __post_init__(self) -> None:
        super().__init__()

    def expand(self, verdicts: PCollection[tuple[int, VerdictBlock]]) -> PCollection[int]:
        """Wires the transform."""
        pairs: PCollection[_Placed] = (
            verdicts
            | "SplitSamples" >> beam.FlatMap(_split_samples, self.job, self.preferences)
            | "GroupSamples" >> beam.GroupByKey()  # partition, places of samples
            | "ChoosePairs" >> beam.FlatMap(_choose_pairs, self.job, self.preferences)
        )
        taken: PCollection[int] = (
            {"buckets": verdicts | "Buckets" >> beam.Map(_bucket), "pairs": pairs}
            | "GroupPairs"
            >> beam.CoGroupByKey()  # bucket, places of the pairs whose rejected side it holds
            | "WriteSides" >> beam.Map(_write_sides, self.job)
        )
        return taken


def _split_samples(
    element: tuple[int, VerdictBlock], job: Job, preferences: Preferences
) -> Iterator[_Placed]:
    bucket, verdicts = element
    with report_errors(job.work):
        # `_write_sides` needs the clusters of the verdicts again.
        write_staged(job.work / PAIRS / "verdicts" / f"{bucket:04d}.pickle", verdicts)
        filtered = read_filtered(job, last_stage(job.run), bucket)
        samples = _samples_of(filtered, verdicts, preferences.by)
        yield from _samples(job).write(bucket, split_samples(samples))


def _samples_of(filtered: FilteredBucket, verdicts: VerdictBlock, by: str) -> Iterator[Sample]:
    """Yields the samples that may be paired: without tool calls, as a pair holds texts alone."""
    for record in filtered.records:
        if record.record_id not in verdicts.removed and not record.tool_calls:
            yield make_sample(record, by)
    for record in filtered.pair_candidates:
        if not record.tool_calls:
            yield make_sample(record, by, accepted=False)


def _choose_pairs(element: _Grouped, job: Job, preferences: Preferences) -> Iterator[_Placed]:
    partition, pieces = element
    with report_errors(job.work):
        found = [
            pair
            for samples in by_prompt(_samples(job).read(pieces))
            for pair in choose_pairs(
                samples,
                preferences.gap,
                lowest=lowest_is_best(preferences),
                every=preferences.pairs == "all",
            )
        ]
        buckets = [bucket_of(pair.rejected.id.hex(), job.bits) for pair in found]
        yield from _pairs(job).write(partition, split(_packed(found), np.array(buckets, np.int64)))


def _packed(pairs: list[Pair]) -> Rows:
    return pack(
        PAIR,
        chosen=np.array([pair.chosen.id for pair in pairs], "V32"),
        rejected=np.array([pair.rejected.id for pair in pairs], "V32"),
        chosen_score=np.array([pair.chosen.score for pair in pairs], "<f8"),
        rejected_score=np.array([pair.rejected.score for pair in pairs], "<f8"),
    )


def _write_sides(element: _Joined, job: Job) -> int:
    """Writes the rejected sides of a bucket, by the bucket of their chosen sides."""
    bucket, joined = element
    with report_errors(job.work):
        records = _records(job, bucket)
        parts: dict[int, list[RejectedSide]] = defaultdict(list)
        for chosen, rejected, better, worse in _pairs(job).read(joined["pairs"]).tolist():
            side = RejectedSide(
                chosen_id=chosen.hex(),
                chosen_score=better,
                rejected_score=worse,
                record=records[rejected.hex()],
            )
            parts[bucket_of(side.chosen_id, job.bits)].append(side)
        write_sides(job.work / REJECTED_SIDES, bucket, parts, 1 << job.bits)
    return bucket


def _records(job: Job, bucket: int) -> dict[str, Record]:
    """Returns the records of a bucket by id, with their clusters."""
    filtered = read_filtered(job, last_stage(job.run), bucket)
    verdicts: VerdictBlock = read_staged(job.work / PAIRS / "verdicts" / f"{bucket:04d}.pickle")
    records = {
        record.record_id: record for record in (*filtered.records, *filtered.pair_candidates)
    }
    for name, cluster in verdicts.clusters.items():
        provenance = replace(records[name].provenance, dedupe=cluster)
        records[name] = replace(records[name], provenance=provenance)
    return records


def _bucket(element: tuple[int, VerdictBlock]) -> tuple[int, None]:
    return element[0], None


def _samples(job: Job) -> RowFiles:
    return RowFiles(job.work / PAIRS / "samples", SAMPLE)


def _pairs(job: Job) -> RowFiles:
    return RowFiles(job.work / PAIRS / "pairs", PAIR)
