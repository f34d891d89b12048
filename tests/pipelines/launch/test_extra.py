"""Runs whose teachers have `extra`: it is sent in every mode, asked for anew, and recorded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipelines.planning.plan_run import plan_run
from schemas.errors import InputError
from tests.batch_server import BatchServer
from tests.pipelines.judged import JUDGE, asks_to_judge, judging, make_judged
from tests.pipelines.project import ROUTE, make_project, questions
from tests.teacher import Call, Reply, Teacher, answer

EXTRA = {"top_k": 20, "chat_template_kwargs": {"enable_thinking": False}}
TEACHER: dict[str, Any] = {"id": ROUTE, "parameters": {"max_tokens": 50}, "extra": EXTRA}
SCHEMA = {"type": "object", "required": ["n"]}
FORMAT = {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}


def test_extra_is_sent_recorded_and_asks_anew(tmp_path: Path) -> None:
    with Teacher() as teacher:
        project = make_project(tmp_path, teacher.endpoint, questions(3))
        project.run()
        assert all(EXTRA.keys().isdisjoint(call.body) for call in teacher.calls)
        project.change(teachers=[TEACHER])
        assert plan_run(project.path).in_ledger == 0
        result = project.run()
        calls = teacher.calls[3:]
        assert all({**call.body, **EXTRA} == call.body for call in calls)
        assert (len(calls), result.asked, result.accepted) == (3, 3, 3)
        assert project.run().from_ledger == 3
    for row in project.rows(result):
        kept = json.loads(row["provenance"]["request"]["parameters"])
        assert kept == {"max_tokens": 50, "extra": EXTRA}


def test_a_judge_and_a_follow_up_are_asked_with_extra(tmp_path: Path) -> None:
    mended = {**TEACHER, "parameters": {"max_tokens": 50, "response_format": FORMAT}}
    rates = {"teacher": {"id": JUDGE, "extra": {"min_p": 0.1}}}
    script = judging()

    def reply(call: Call) -> Reply:
        first = len(call.body["messages"]) == 1
        return script(call) if asks_to_judge(call) else answer("{}" if first else '{"n": 1}')

    with Teacher(reply) as teacher:
        project = make_judged(tmp_path, teacher.endpoint, 2, judge=rates, teachers=[mended])
        assert project.run().judged == 2
        rated = [call.body for call in teacher.calls if asks_to_judge(call)]
        asked = [call.body for call in teacher.calls if not asks_to_judge(call)]
    assert (len(asked), len(rated)) == (4, 2)
    assert all(body["top_k"] == 20 for body in asked)
    assert all(body["min_p"] == 0.1 for body in rated)


@pytest.mark.parametrize("api", ["openai-chat", "anthropic-messages"])
def test_batches_hold_extra(tmp_path: Path, api: str) -> None:
    with BatchServer() as server:
        project = make_project(
            tmp_path,
            server.endpoint(api),
            questions(2),
            route={"api": api},
            teachers=[{**TEACHER, "mode": "batch", "extra": {"top_k": 20}}],
        )
        assert project.run().accepted == 2
        (job,) = server.jobs
    assert [body["top_k"] for body in job.requests.values()] == [20, 20]


def test_extra_that_may_not_be_sent_is_refused_with_its_line(tmp_path: Path) -> None:
    with Teacher() as teacher:
        project = make_project(tmp_path, teacher.endpoint, questions(1))
        project.change(teachers=[{**TEACHER, "extra": {"stream": True}}])
        with pytest.raises(InputError, match=r"run\.yaml:\d+: extra\.stream: .*\n.*read whole"):
            project.run()
        project.change(teachers=[{**TEACHER, "extra": [1]}])
        with pytest.raises(InputError, match=r"extra: wrong type \(found .*expected a mapping"):
            project.run()
        assert teacher.count == 0
