"""A project whose run has a judge, and scripts of a teacher that rates answers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.pipelines.project import ROUTE, Project, make_project, questions
from tests.teacher import Call, Reply, Script, answer, echo

JUDGE = "test/judge"
OPEN = ["spdx/apache-2.0"]
LLAMA = ["meta/llama-3.1-license", "meta/llama-3.1-use-policy"]
INSIDE = {
    "use": "train_generative",
    "student": {"distribution": "internal", "competes_with": []},
    "organisation": {"commercial": True, "monthly_active_users": 10},
    "corpus": {"distribution": "internal"},
}


def asks_to_judge(call: Call) -> bool:
    return str(call.body["messages"][0]["content"]).startswith("You rate answers")


def judging(score: str | Script = "5", *, slow: float = 0.0) -> Script:
    """Answers teachers' requests with an echo, and gives every answer a score."""

    def script(call: Call) -> Reply:
        if not asks_to_judge(call):
            return echo(call).after(slow)
        if callable(score):
            return score(call)
        return answer(f"It is so.\nScore: {score}", usage=(100, 10)).after(slow)

    return script


def by_number(call: Call) -> Reply:
    """Gives the answer to an even question a 4 and the one to an odd question a 2."""
    found = re.search(r"number (\d+)", call.prompt)
    assert found is not None
    return answer(f"Number {found[1]}.\n\nScore: {4 - 2 * (int(found[1]) % 2)}", usage=(100, 10))


def make_judged(
    folder: Path,
    endpoint: str,
    count: int = 10,
    *,
    route: Mapping[str, Any] | None = None,
    judge: Mapping[str, Any] | None = None,
    **fields: Any,
) -> Project:
    """Makes a project with a judge: changes to its route, to `judge`, to the run file."""
    chosen = {
        "teacher": {"id": JUDGE, "parameters": {"max_tokens": 40}},
        "criteria": "Is the answer right?",
        "minimum": 3,
        "action": "drop",
        **(judge or {}),
    }
    free = {"price": {"input_usd_per_million": 0, "output_usd_per_million": 0}}
    project = make_project(folder, endpoint, questions(count), route=free, judge=chosen, **fields)
    registry = yaml.safe_load((folder / "teachers.yaml").read_text())
    registry["routes"][JUDGE] = registry["routes"][ROUTE] | dict(route or {})
    (folder / "teachers.yaml").write_text(yaml.safe_dump(registry))
    return project
