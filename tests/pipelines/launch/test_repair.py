"""A record of an answer that was mended: which one it is, what it cost, and what it came from."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from pipelines.planning.plan_run import plan_run
from tests.money import known
from tests.pipelines.project import ROUTE, Project, make_project, questions
from tests.teacher import Call, Reply, Teacher, answer

SCHEMA = {"type": "object", "required": ["n"], "properties": {"n": {"type": "string"}}}
FORMAT = {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}
PRICE = {"input_usd_per_million": 1000, "output_usd_per_million": 2000}


def mend(call: Call) -> Reply:
    """Answers half of the questions wrongly, and corrects them when asked again."""
    asked = call.body["messages"][0]["content"]
    if len(call.body["messages"]) == 1 and asked.endswith("ada?"):
        return answer('{"n": 1}', usage=(10, 5))
    return answer(json.dumps({"n": f"It is {asked}"}), usage=(100, 50))


def project(folder: Path, endpoint: str, **teacher: Any) -> Project:
    texts = [f"{text} {name}?" for text in questions(5) for name in ("ada", "bob")]
    return make_project(
        folder,
        endpoint,
        texts,
        route={"price": PRICE},
        teachers=[teaching(**teacher)],
        filters=[{"rule": "json_schema"}],
    )


def teaching(**changes: Any) -> dict[str, Any]:
    parameters = {"max_tokens": 60, "response_format": FORMAT}
    return {"id": ROUTE, "parameters": parameters} | changes


def test_a_mended_answer_is_the_record_and_tells_what_it_was(tmp_path: Path) -> None:
    with Teacher(mend) as teacher:
        here = project(tmp_path, teacher.endpoint)
        planned = plan_run(here.path)
        result = here.run()
        assert teacher.count == 15
    assert (result.requests, result.asked, result.accepted, result.pending) == (10, 10, 10, 0)
    assert planned.requests == 10
    assert result.usd == pytest.approx(10 * 0.2 + 5 * 0.02)
    assert known(result.usd) <= known(planned.usd_max)
    assert result.completion_tokens == 10 * 50 + 5 * 5
    first = hashlib.sha256(answer('{"n": 1}', usage=(10, 5)).body).hexdigest()
    for row in here.rows(result):
        response = row["provenance"]["response"]
        mended = row["messages"][0]["content"].endswith("ada?")
        assert len(row["messages"]) == 2
        assert row["provenance"]["request"]["id"] == row["record_id"]
        assert response["repair_of"] == (first if mended else "")
        assert response["prompt_tokens"] == (110 if mended else 100)
        assert response["usd"] == pytest.approx(0.22 if mended else 0.2)


def test_a_later_run_asks_the_follow_up_alone(tmp_path: Path) -> None:
    with Teacher(mend) as teacher:
        here = project(tmp_path, teacher.endpoint, repair=False)
        before = here.run()
        assert (before.accepted, before.rejected) == (5, {"schema_mismatch": 5})
        here.change(teachers=[teaching()])
        assert plan_run(here.path).in_ledger == 10
        assert known(plan_run(here.path).usd_max) > 0
        after = here.run()
        assert teacher.count == 15
        assert plan_run(here.path).usd_max == 0
    assert (after.asked, after.from_ledger, after.accepted) == (0, 10, 10)
    assert after.usd == pytest.approx(5 * 0.2)
    assert here.shards(after) == here.shards(here.run(asks=False))


def test_one_that_fails_again_is_judged_as_it_was_and_both_are_paid(tmp_path: Path) -> None:
    with Teacher(lambda _: answer('{"n": 1}')) as teacher:
        here = project(tmp_path, teacher.endpoint)
        result = here.run()
        assert teacher.count == 20
    assert (result.accepted, result.rejected, result.pending) == (0, {"schema_mismatch": 10}, 0)
    assert result.usd == pytest.approx(20 * 0.02)
