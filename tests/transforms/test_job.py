"""What a run's settings come to."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.buckets import REQUESTS_PER_BUCKET
from schemas.inputs.run import PromptSource, RunFile, TeacherChoice
from schemas.purpose import Purpose
from transforms.job import bits_of


@pytest.mark.parametrize(
    ("parameters", "bits"),
    [
        ({}, 0),
        ({"logprobs": False, "max_tokens": 10**6}, 0),
        ({"logprobs": True, "max_tokens": 100}, 0),
        ({"logprobs": True, "max_tokens": 512}, 1),
        ({"logprobs": True, "top_logprobs": 20, "max_completion_tokens": 1024}, 6),
    ],
)
def test_buckets_hold_fewer_records_where_each_is_full_of_log_probabilities(
    parameters: dict[str, Any], bits: int
) -> None:
    teachers = (TeacherChoice(id="a/small"), TeacherChoice(id="a/b", parameters=parameters))
    run = RunFile(
        name="n",
        purpose=Purpose(use="select"),
        prompts=(PromptSource(files=("prompts.jsonl",)),),
        teachers=teachers,
        corpus="corpus",
        ledger="ledger",
    )
    assert bits_of(run, REQUESTS_PER_BUCKET) == bits
