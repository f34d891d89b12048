"""A budget in dollars needs the price of each route: an unknown price is not zero."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pipelines.planning.plan_run import plan_run
from schemas.errors import InputError
from tests.pipelines.project import ROUTE, Project, make_project, questions
from tests.teacher import Teacher

FREE = {"input_usd_per_million": 0, "output_usd_per_million": 0}
JUDGE = {"teacher": {"id": "openai-api/gpt"}, "criteria": "Is it right?", "scale": [1, 5]}


def refusal(project: Project) -> str:
    with pytest.raises(InputError) as refused:
        plan_run(project.path)
    assert refused.value.exit_code == 2
    return str(refused.value)


@pytest.mark.parametrize(
    ("price", "found"),
    [
        (None, "no price"),
        ({"input_usd_per_million": 1}, "only input_usd_per_million"),
        ({"output_usd_per_million": 0}, "only output_usd_per_million"),
    ],
)
@pytest.mark.parametrize("cap", ["usd", "usd_per_month"])
def test_a_budget_in_dollars_refuses_a_route_without_a_price(
    tmp_path: Path, price: Mapping[str, Any] | None, found: str, cap: str
) -> None:
    with Teacher() as teacher:
        route = {"price": price} if price else {}
        project = make_project(
            tmp_path, teacher.endpoint, questions(1), route=route, budget={cap: 5}
        )
        said = refusal(project)
        with pytest.raises(InputError, match="is unknown"):
            project.run()
        assert teacher.count == 0
    assert re.search(r"teachers\.yaml:\d+: the price of 'test/echo' is unknown", said)
    assert f"budget.{cap}" in said
    assert found in said
    assert "{input_usd_per_million: 0, output_usd_per_million: 0}" in said


def test_each_route_of_the_catalogue_is_named_with_the_line_that_asks_it(tmp_path: Path) -> None:
    teachers = [{"id": "openai-api/gpt"}, {"id": ROUTE}]
    project = make_project(
        tmp_path,
        "http://127.0.0.1:9/v1",
        questions(1),
        route={"price": FREE},
        teachers=teachers,
        budget={"usd": 5},
    )
    said = refusal(project)
    line = project.path.read_text().splitlines().index("- id: openai-api/gpt") + 1
    assert f"run.yaml:{line}: the price of 'openai-api/gpt' is unknown" in said
    assert "`our/gpt: {base: openai-api/gpt, price: {input_usd_per_million: …" in said
    assert ROUTE not in said


def test_a_judge_needs_a_price_too(tmp_path: Path) -> None:
    route = {"price": FREE}
    project = make_project(
        tmp_path, "http://127.0.0.1:9/v1", questions(1), route=route, judge=JUDGE, budget={"usd": 5}
    )
    assert "the price of 'openai-api/gpt' is unknown" in refusal(project)


def test_other_budgets_and_a_price_of_zero_need_nothing_more(tmp_path: Path) -> None:
    unknown = make_project(
        tmp_path / "a", "http://t/v1", questions(1), budget={"requests": 5, "tokens": 9}
    )
    plan = plan_run(unknown.path)
    assert (plan.usd_max, plan.unpriced) == (None, (ROUTE,))
    free = make_project(
        tmp_path / "b", "http://t/v1", questions(1), route={"price": FREE}, budget={"usd": 0}
    )
    plan = plan_run(free.path)
    assert (plan.usd_max, plan.unpriced) == (0, ())


def test_the_embedded_teacher_is_known_to_cost_nothing(tmp_path: Path) -> None:
    project = make_project(
        tmp_path,
        "http://t/v1",
        questions(1),
        teachers=[{"id": "embedded/smollm2-135m-instruct"}],
        budget={"usd": 0, "usd_per_month": 0},
    )
    assert plan_run(project.path).usd_max == 0


def test_a_build_sends_nothing_and_needs_no_price(tmp_path: Path) -> None:
    with Teacher() as teacher:
        project = make_project(tmp_path, teacher.endpoint, questions(3))
        version = project.run().version
        project.change(budget={"usd": 5})
        assert project.run(asks=False).version is not None is not version
