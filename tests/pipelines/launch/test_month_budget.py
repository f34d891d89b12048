"""A month's budget holds over all runs with one ledger."""

from __future__ import annotations

from pathlib import Path

from tests.pipelines.project import make_project
from tests.teacher import Teacher, always, answer

# An answer of 10 and 5 tokens costs 0.02 dollars.
PRICE = {"input_usd_per_million": 0, "output_usd_per_million": 4000}


def test_what_one_run_spent_is_missing_from_the_month_of_the_next(tmp_path: Path) -> None:
    with Teacher(always(answer())) as teacher:
        project = make_project(
            tmp_path, teacher.endpoint, route={"price": PRICE}, budget={"usd": 0.3}
        )
        first = project.run()
        spent = 0.02 * teacher.count
        assert (first.stopped, spent <= 0.3) == ("budget", True)
        project.change(budget={"usd_per_month": 0.5})
        second = project.run()
        assert (second.stopped, second.exit_code) == ("budget", 4)
        assert spent < 0.02 * teacher.count <= 0.5
        asked = teacher.count
        assert (project.run().stopped, teacher.count) == ("budget", asked)
