"""What a plan knows of requests that were asked before."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.planning.plan_run import plan_run
from tests.gcs_server import GcsServer
from tests.pipelines.project import make_project, questions
from tests.teacher import Teacher, by_prompt, error, failure


@pytest.mark.parametrize("ledger", ["ledger", "gs://bucket/ledger"])
def test_prompts_that_the_server_refused_are_counted_apart_and_not_asked(
    tmp_path: Path, ledger: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts = questions(6)
    filtered = error(400, {"code": "content_filter", "message": "no"})
    script = by_prompt({prompts[0]: filtered, prompts[1]: filtered, prompts[2]: failure(400)})
    with GcsServer() as bucket, Teacher(script) as teacher:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", bucket.endpoint)
        project = make_project(tmp_path, teacher.endpoint, prompts, ledger=ledger)
        project.run()
        plan = plan_run(project.path)
    assert (plan.requests, plan.in_ledger, plan.refused, plan.to_ask) == (6, 3, 2, 1)
