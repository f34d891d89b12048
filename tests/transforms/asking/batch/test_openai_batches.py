"""OpenAI's batch API: the states of a job, its results, and whose it is."""

from __future__ import annotations

import pytest

from tests.transforms.asking.batch.protocols import OPENAI, OPENAI_JOB, encoded
from transforms.providers.wire import Unreadable


@pytest.mark.parametrize("status", ["validating", "in_progress", "finalizing", "cancelling"])
def test_an_openai_job_runs_until_its_status_is_an_end(status: str) -> None:
    assert not OPENAI.read_job(encoded(OPENAI_JOB | {"status": status})).ended


@pytest.mark.parametrize("status", ["completed", "expired", "cancelled"])
def test_an_ended_openai_job_has_the_results_of_both_files(status: str) -> None:
    files = {"output_file_id": "file-a", "error_file_id": "file-b"}
    job = OPENAI.read_job(encoded(OPENAI_JOB | {"status": status} | files))
    assert (job.ended, job.failed) == (True, "")
    assert job.results == ("/files/file-a/content", "/files/file-b/content")


def test_a_file_elsewhere_is_refused() -> None:
    job = OPENAI_JOB | {"status": "completed", "output_file_id": "//elsewhere.example"}
    with pytest.raises(Unreadable):
        OPENAI.read_job(encoded(job))


def test_an_openai_job_matches_by_its_metadata_or_by_its_file() -> None:
    marked = OPENAI_JOB | {"metadata": {"stillroom-intent": "intent-1"}}
    job = OPENAI.read_job(encoded(marked | {"input_file_id": "file-1"}))
    assert OPENAI.match(job, "intent-1", "", 5) == "yes"
    assert OPENAI.match(job, "intent-2", "file-1", 5) == "yes"
    assert OPENAI.match(job, "intent-2", "file-2", 5) == "no"
    assert OPENAI.match(job, "intent-2", "", 5) == "no"
