"""The page about Python is true: its code runs in order, as the cells of a notebook."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from tests.pipelines.project import make_project, questions
from tests.teacher import Teacher

FREE = {"price": {"input_usd_per_million": 0, "output_usd_per_million": 0}}
PAGE = Path(__file__).parents[2] / "docs/python.md"


async def run_cells(cells: list[str]) -> None:
    """Runs cells in one namespace while an event loop runs, as a notebook does."""
    names: dict[str, object] = {"__name__": "__main__"}
    for cell in cells:
        exec(compile(cell, str(PAGE), "exec"), names)  # noqa: S102 - our own page


def test_the_cells_of_the_page_run_in_a_notebook(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    cells = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert len(cells) == 6
    with Teacher() as teacher:
        make_project(tmp_path, teacher.endpoint, questions(4), route=FREE, corpus="corpora/demo")
        asyncio.run(run_cells(cells))
        assert teacher.count == 4
    printed = capsys.readouterr().out
    assert "test/echo permit" in printed
    assert "4 requests, at most 0.0 dollars" in printed
    assert "4 ['record_id', 'prompt_id', 'messages']" in printed
    assert "missing.yaml" in printed
