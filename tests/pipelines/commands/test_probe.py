"""`stillroom plan --probe`: what it prints, what it sends, and the exit codes that it ends with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from pipelines.cli import app
from tests.pipelines.project import ROUTE, Project, make_project, questions
from tests.teacher import MODEL, Teacher, always, error, raw

LISTED = raw(json.dumps({"data": [{"id": MODEL}]}).encode())
NO = raw(json.dumps({"data": [{"id": "test-model-2"}]}).encode())
REFUSED = error(401, {"message": "Incorrect API key provided"})


def probe(project: Project, *flags: str) -> Result:
    return CliRunner().invoke(app, ["plan", str(project.path), "--probe", *flags])


@pytest.mark.parametrize(
    ("reply", "code", "words"),
    [
        (LISTED, 0, f"{MODEL} is listed"),
        (NO, 0, f"{MODEL} is not listed; near: test-model-2"),
        (REFUSED, 1, "refuses the key"),
    ],
)
def test_the_plan_says_what_a_route_answers(
    tmp_path: Path, reply: object, code: int, words: str
) -> None:
    with Teacher(always(reply)) as teacher:  # type: ignore[arg-type]
        project = make_project(tmp_path, teacher.endpoint, questions(2))
        done = probe(project)
        assert [call.path for call in teacher.calls] == ["/v1/models"]
    assert done.exit_code == code
    assert words in " ".join(done.output.split())
    assert "2 to ask" in done.output


def test_a_route_that_the_terms_refuse_is_not_asked(tmp_path: Path) -> None:
    with Teacher(always(LISTED)) as teacher:
        route = {"terms": ["meta/llama-2-license"]}
        project = make_project(tmp_path, teacher.endpoint, route=route, unapproved="allow")
        done = probe(project, "--json")
        assert teacher.count == 0
    assert done.exit_code == 3
    [found] = json.loads(done.stdout)["probes"]
    assert (found["route"], found["state"], found["url"]) == (ROUTE, "denied", "")


def test_a_route_without_open_requests_is_not_asked(tmp_path: Path) -> None:
    with Teacher() as teacher:
        evaluation = [{"files": "prompts.jsonl", "text": "q"}]
        project = make_project(tmp_path, teacher.endpoint, questions(2), decontaminate=evaluation)
        done = probe(project)
        assert teacher.count == 0
    assert (done.exit_code, "none was asked" in done.output) == (0, True)
