"""Sketching takes the records of the last stage before deduplication."""

from __future__ import annotations

from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.testing.util import assert_that, equal_to

from schemas.inputs.quality import BestOf
from tests.corpus_builder import make_record
from tests.transforms.records.run_builder import make_job
from transforms.dedupe.blocks import SketchBlock
from transforms.records.filtered_bucket import CHOSEN, FILTERED, FilteredBucket, write_filtered
from transforms.records.sketch_buckets import SketchBuckets


@pytest.mark.parametrize(("best_of", "records"), [(None, 3), (BestOf(by="length"), 2)])
def test_the_records_of_the_last_stage_are_sketched(
    tmp_path: Path, best_of: BestOf | None, records: int
) -> None:
    job = make_job(tmp_path, best_of=best_of)
    for stage, count in ((FILTERED, 3), (CHOSEN, 2)):
        rows = [make_record(number) for number in range(count)]
        write_filtered(job, stage, 0, FilteredBucket(records=rows))
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        blocks = pipeline | beam.Create([0]) | SketchBuckets(job)
        assert_that(blocks, equal_to([SketchBlock(bucket=0, records=records)]))
