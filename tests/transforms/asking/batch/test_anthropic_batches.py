"""Anthropic's batch API: the states of a job, its results, and whose it may be."""

from __future__ import annotations

from tests.transforms.asking.batch.protocols import ANTHROPIC, ANTHROPIC_JOB, encoded


def test_an_anthropic_job_has_as_many_requests_as_it_counts() -> None:
    job = ANTHROPIC.read_job(encoded(ANTHROPIC_JOB))
    assert (job.ended, job.size, job.results) == (False, 4, ())
    assert job.created == 1_795_348_800_500
    ended = ANTHROPIC.read_job(
        encoded(
            ANTHROPIC_JOB
            | {"processing_status": "ended", "results_url": "https://elsewhere.example/r"}
        )
    )
    assert ended.results == ("/v1/messages/batches/msgbatch_1/results",)


def test_an_anthropic_job_may_match_if_it_has_as_many_requests() -> None:
    job = ANTHROPIC.read_job(encoded(ANTHROPIC_JOB))
    assert (ANTHROPIC.match(job, "i", "", 4), ANTHROPIC.match(job, "i", "", 5)) == ("maybe", "no")
