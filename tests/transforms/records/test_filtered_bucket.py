"""The rows of a bucket between two stages, and which stages a run has."""

from __future__ import annotations

import json
from dataclasses import fields
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from schemas.codes import RowKind
from schemas.inputs.quality import BestOf
from schemas.inputs.run import Judge, TeacherChoice
from tests.corpus_builder import make_record, make_rejected
from tests.transforms.records.run_builder import make_job
from transforms.limits.budget import Spend
from transforms.records.filtered_bucket import (
    CHOSEN,
    FILTERED,
    JUDGED,
    FilteredBucket,
    PairCandidate,
    RequestCounts,
    bucket_stages,
    last_stage,
    note_progress,
    previous_stage,
    read_filtered,
    write_filtered,
)
from transforms.work import PROGRESS

JUDGE = {"judge": Judge(teacher=TeacherChoice(id="a/judge"), criteria="Is it right?")}
BEST = {"best_of": BestOf(by="length")}


@pytest.mark.parametrize(
    ("run", "stages"),
    [
        ({}, [FILTERED]),
        (JUDGE, [FILTERED, JUDGED]),
        (BEST, [FILTERED, CHOSEN]),
        (JUDGE | BEST, [FILTERED, JUDGED, CHOSEN]),
    ],
)
def test_a_run_has_the_stages_that_its_run_file_asks_for(
    tmp_path: Path, run: dict[str, Any], stages: list[str]
) -> None:
    run_file = make_job(tmp_path, **run).run
    assert bucket_stages(run_file) == stages
    assert last_stage(run_file) == stages[-1]
    assert all(previous_stage(run_file, to) == of for of, to in pairwise(stages))


def test_every_row_is_added_to_its_list_and_a_pending_request_to_none() -> None:
    bucket = FilteredBucket()
    candidate = PairCandidate(make_rejected(3), make_record(3))
    for row in (make_record(1), make_rejected(2), candidate, None):
        bucket.add(row)
    assert bucket.records == [make_record(1)]
    assert bucket.rejected == [make_rejected(2), make_rejected(3)]
    assert bucket.pair_candidates == [make_record(3)]


def test_counts_add_up_field_by_field() -> None:
    numbers = range(1, len(fields(RequestCounts)) + 1)
    each: dict[str, Any] = {
        field.name: number if field.type == "int" else Spend(number, number, number)
        for field, number in zip(fields(RequestCounts), numbers, strict=True)
    }
    twice: dict[str, Any] = {name: value + value for name, value in each.items()}
    assert RequestCounts(**each) + RequestCounts(**each) == RequestCounts(**twice)


def test_each_stage_reads_the_rows_of_the_stage_before(tmp_path: Path) -> None:
    job = make_job(tmp_path)
    first = FilteredBucket(records=[make_record(1)], counts=RequestCounts(requests=1))
    second = FilteredBucket(rejected=[make_rejected(1)])
    write_filtered(job, FILTERED, 0, first)
    write_filtered(job, CHOSEN, 0, second)
    write_filtered(job, CHOSEN, 0, second)  # as a retry does
    assert read_filtered(job, FILTERED, 0) == first
    assert read_filtered(job, CHOSEN, 0) == second


def test_progress_counts_accepted_and_rejected_answers_but_no_failures(tmp_path: Path) -> None:
    job = make_job(tmp_path)
    rejected = [make_rejected(2), make_rejected(3), make_rejected(4, kind=RowKind.FAILED)]
    note_progress(job, 7, FilteredBucket(records=[make_record(1)], rejected=rejected))
    figures = json.loads((job.work / PROGRESS / "bucket-7.json").read_text())
    assert (figures["accepted"], figures["rejected"]) == (1, {"repetition": 2})
