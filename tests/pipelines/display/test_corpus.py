"""Explanations and tables for people are whole, in a terminal and in a file."""

from __future__ import annotations

import pytest

from pipelines.display.console import console
from pipelines.display.corpus import print_explanation
from transforms.auditing.explain import Explanation, Section


def test_long_texts_are_printed_whole_where_nobody_watches(
    capsys: pytest.CaptureFixture[str],
) -> None:
    long = "word " * 100 + "end"
    section = Section("Answer", texts=(("assistant", f"{long}\nnext"),))
    story = Explanation(
        record_id="r", outcome="accepted", version="v", file="f", sections=(section,), record={}
    )
    print_explanation(story, console())
    assert f"    {long}\n    next\n" in capsys.readouterr().out
