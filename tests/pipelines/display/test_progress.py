"""The display of a run's progress: what it reads from the stages' files."""

from __future__ import annotations

import io
import itertools
import time
from collections import Counter
from pathlib import Path

from rich.console import Console

from pipelines.display.progress import Display, read_figures
from schemas.progress import StageFigures
from transforms.work import PROGRESS, write_progress


def test_the_figures_of_all_parts_are_added_up(tmp_path: Path) -> None:
    write_progress(tmp_path, "slice-0", StageFigures(asked=2, usd=0.5))
    write_progress(tmp_path, "slice-1", StageFigures(asked=3, failed=1))
    rejected = Counter({"refusal": 1})
    write_progress(tmp_path, "bucket-0", StageFigures(accepted=4, rejected=rejected))
    assert read_figures(tmp_path / PROGRESS) == StageFigures(
        asked=5, failed=1, accepted=4, rejected=rejected, usd=0.5
    )


def test_no_file_yet_means_no_figures(tmp_path: Path) -> None:
    assert read_figures(tmp_path / PROGRESS) == StageFigures()


def test_a_file_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    write_progress(tmp_path, "slice-0", StageFigures(asked=2))
    (tmp_path / PROGRESS / "slice-1.json").write_text('{"asked": 3')
    assert read_figures(tmp_path / PROGRESS) == StageFigures(asked=2)


def test_an_unknown_figure_does_not_end_the_display(tmp_path: Path) -> None:
    (tmp_path / PROGRESS).mkdir()
    (tmp_path / PROGRESS / "slice-0.json").write_text('{"asked": 3, "of_a_later_version": 1}')
    minutes = itertools.count()  # each look is a minute after the last one, so it prints a line
    console = Console(file=io.StringIO(), width=200)
    with Display(tmp_path / PROGRESS, 9, console, clock=lambda: 60.0 * next(minutes)):
        give_up = time.monotonic() + 30
        while not written(console) and time.monotonic() < give_up:
            time.sleep(0.05)
    assert "asked 3 of 9" in written(console)


def written(console: Console) -> str:
    """Returns what a console has printed so far."""
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()
