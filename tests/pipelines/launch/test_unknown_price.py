"""What a run with a route of unknown price cost is unknown everywhere, and nowhere zero."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from pipelines.display.ledger import print_totals
from pipelines.display.plan import print_plan
from pipelines.display.result import print_result
from pipelines.planning.plan_run import plan_run
from pipelines.results import Result
from schemas.errors import InputError
from schemas.files import unstructure
from tests.pipelines.project import ROUTE, Project, make_project, questions
from tests.teacher import Teacher, answer, by_prompt
from transforms.auditing.explain import explain
from transforms.auditing.verify import verify
from transforms.ledger import open_ledger
from transforms.limits.totals import usage_totals

PRICE = {"input_usd_per_million": 1, "output_usd_per_million": 2}


@pytest.fixture(scope="module")
def unpriced(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Result]:
    asked = [*questions(2), "cut?"]
    script = by_prompt({"cut?": answer("And so", finish_reason="length")})
    with Teacher(script) as teacher:
        project = make_project(tmp_path_factory.mktemp("unpriced"), teacher.endpoint, asked)
        return project, project.run()


def printed(show: Callable[..., None], *values: object) -> str:
    out = io.StringIO()
    show(*values, Console(file=out, width=200))
    return out.getvalue()


def test_the_plan_names_the_route_whose_price_is_unknown(tmp_path: Path) -> None:
    project = make_project(tmp_path, "http://t/v1", questions(2))
    plan = plan_run(project.path)
    assert json.loads(json.dumps(plan.as_json()))["usd_max"] is None
    assert f"unknown: teachers.yaml has no price for {ROUTE}" in printed(print_plan, plan)


def test_the_result_and_its_report_say_unknown(unpriced: tuple[Project, Result]) -> None:
    project, result = unpriced
    spend = result.spend
    assert (result.usd, spend.usd, spend.usd_accepted, spend.usd_truncated) == (None,) * 4
    assert (spend.usd_failed, result.usd_judge, spend.usd_judge) == (0, 0, 0)
    shown = printed(print_result, result)
    assert "cost unknown" in shown
    assert "answers cost unknown: accepted unknown, truncated unknown" in shown
    assert "$0" not in shown
    assert result.folder is not None
    page = (Path(str(result.folder)) / "report.html").read_text()
    assert "<b>unknown</b><span>spent on answers</span>" in page
    assert "$0.00" not in page
    assert verify(project.corpus).ok


def test_shards_hold_no_zero_and_a_record_says_unknown(unpriced: tuple[Project, Result]) -> None:
    project, result = unpriced
    rows = project.rows(result)
    assert all(math.isnan(row["provenance"]["response"]["usd"]) for row in rows)
    assert all(math.isnan(row["usd"]) for row in project.rows(result, "rejected"))
    story = json.dumps(unstructure(explain(project.corpus, rows[0]["record_id"])))
    assert '["cost", "unknown"]' in story
    assert "NaN" not in story


def test_the_ledger_keeps_null_and_its_totals_say_unknown(unpriced: tuple[Project, Result]) -> None:
    project, _ = unpriced
    reader = open_ledger(str(project.folder / "ledger")).reader()
    prices = {(r.input_usd_per_million, r.output_usd_per_million) for r in reader.since(0)}
    assert prices == {(None, None)}
    totals = usage_totals(reader)
    [total] = totals.values()
    assert total.as_json()["usd"] is None
    assert total.as_json()["usd_uncertain"] == 0
    assert "unknown" in printed(print_totals, totals, total)


def test_the_bytes_of_a_corpus_built_again_are_the_same(unpriced: tuple[Project, Result]) -> None:
    project, result = unpriced
    assert project.shards(project.run(asks=False)) == project.shards(result)


def test_a_month_with_answers_of_unknown_cost_has_no_budget_until_their_price_is_known(
    tmp_path: Path,
) -> None:
    with Teacher() as teacher:
        project = make_project(tmp_path, teacher.endpoint, questions(2))
        project.run()
        registry = yaml.safe_load((tmp_path / "teachers.yaml").read_text())
        project.change(budget={"usd_per_month": 1.0}, teachers=[{"id": "test/other"}])
        registry["routes"] = {"test/other": registry["routes"][ROUTE] | {"price": PRICE}}
        (tmp_path / "teachers.yaml").write_text(yaml.safe_dump(registry))
        with pytest.raises(InputError, match="what this month's runs have cost is unknown"):
            project.run()
        assert teacher.count == 2
        registry["routes"][ROUTE] = registry["routes"]["test/other"]
        (tmp_path / "teachers.yaml").write_text(yaml.safe_dump(registry))
        assert (project.run().asked, teacher.count) == (2, 4)
