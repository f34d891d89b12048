"""Cost is reported by how requests ended: once, and exact to the picodollar."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.money import known
from tests.pipelines.project import Project, make_project
from tests.teacher import Teacher, answer, by_prompt, close, in_turn

PRICE = {"input_usd_per_million": 1000, "output_usd_per_million": 2000}
SCRIPT = by_prompt(
    {
        "cut?": answer("And so", finish_reason="length", usage=(10, 50)),
        "null?": answer(None, usage=(10, 1)),
        "broken?": in_turn(close(), answer("After all.", usage=(10, 4))),
        "short?": answer("No.", usage=(10, 2)),
        "untold?": answer("Who knows what it used?", usage=None),
    }
)
FILTERS = [{"rule": "finish_reason"}, {"rule": "length", "min_tokens": 3}]


@pytest.fixture(scope="module")
def paid(tmp_path_factory: pytest.TempPathFactory) -> Project:
    with Teacher(SCRIPT) as teacher:
        asked = ["cut?", "null?", "broken?", "short?", "untold?"]
        route = {"price": PRICE, "timeouts": {"response_seconds": 20, "patience_seconds": 60}}
        folder = tmp_path_factory.mktemp("paid")
        project = make_project(folder, teacher.endpoint, asked, route=route, filters=FILTERS)
        project.run()
    return project


def test_the_spend_of_every_end_is_told(paid: Project) -> None:
    result = paid.run(asks=False)
    assert (result.accepted, sum(result.rejected.values()), result.failed) == (
        2,
        2,
        {"null_content": 1},
    )
    spend = result.spend
    assert spend.usd_accepted == 0.018
    assert spend.usd_truncated == 0.11
    assert spend.usd_rejected == 0.014
    assert spend.usd_failed == 0.012
    assert spend.usd == 0.154
    assert (spend.prompt_tokens, spend.completion_tokens) == (10, 4)
    assert (spend.rejected_prompt_tokens, spend.rejected_completion_tokens) == (30, 53)
    # One attempt broke off, and one answer does not tell: each may have taken 50 tokens and more.
    assert 2 * 0.1 < known(spend.usd_uncertain) < 2 * 0.3


def test_what_may_have_been_paid_for_nothing_is_in_the_report(paid: Project) -> None:
    result = paid.run(asks=False)
    assert result.folder is not None
    page = (Path(result.folder) / "report.html").read_text()
    assert f"{result.spend.usd_uncertain:,.4f}" in page
    assert "truncated" in page
