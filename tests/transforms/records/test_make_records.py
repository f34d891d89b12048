"""Making the records of a bucket: the answers in a ledger become rows and counts."""

from __future__ import annotations

from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.testing.util import assert_that, equal_to

from tests.transforms.records.run_builder import ask, fail, fill_ledger, make_job, respond
from transforms.job import Job
from transforms.ledger import Ledger
from transforms.limits.budget import Spend
from transforms.prompts.staging import write_requests
from transforms.records.filtered_bucket import FILTERED, RequestCounts, read_filtered
from transforms.records.make_records import MakeRecords, make_records
from transforms.work import REQUESTS

GOOD, EMPTY, FAILED, EARLIER, UNASKED = (
    ask(f"{word}?") for word in ("good", "empty", "failed", "earlier", "unasked")
)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """A job with five staged requests: two answered in this run, one before, one failed."""
    job = make_job(tmp_path)
    write_requests(job.work / REQUESTS, 0, (GOOD, EMPTY, FAILED, EARLIER, UNASKED))
    fill_ledger(
        job,
        (GOOD, respond(GOOD)),
        (EMPTY, respond(EMPTY, "", body=respond(EMPTY, " ").body)),
        (FAILED, fail(FAILED, "http_400", status=400)),
        (EARLIER, respond(EARLIER, run_id="run-0")),
    )
    return job


def test_every_request_of_a_bucket_ends_in_one_place(job: Job) -> None:
    ledger = Ledger(Path(job.run.ledger)).reader()
    filtered = make_records(job, 0, None, ledger)
    assert [row.record_id for row in filtered.records] == [GOOD.request_id, EARLIER.request_id]
    assert [(row.record_id, row.reason) for row in filtered.rejected] == [
        (EMPTY.request_id, "empty"),
        (FAILED.request_id, "http_400"),
    ]
    assert filtered.counts == RequestCounts(
        requests=5,
        pending=1,
        asked=2,
        from_ledger=1,
        spent=Spend(2 * 50_000_000, 2, 60),
        prompt_tokens=20,
        completion_tokens=40,
    )


def test_the_transform_writes_the_rows_that_the_function_makes(job: Job) -> None:
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        made = pipeline | beam.Create([0]) | MakeRecords(job)
        assert_that(made, equal_to([0]))
    expected = make_records(job, 0, None, Ledger(Path(job.run.ledger)).reader())
    assert read_filtered(job, FILTERED, 0) == expected
