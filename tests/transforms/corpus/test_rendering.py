"""Values in the card and the report are escaped and cut."""

from __future__ import annotations

import pytest
from jinja2 import UndefinedError

from transforms.corpus.rendering import cell, most_common, render, shorten


def test_a_value_cannot_break_a_markdown_table() -> None:
    assert cell("a | b\n| <script> `x` [y](z)") == (r"a \| b \| &lt;script&gt; \`x\` \[y\](z)")


def test_equal_counts_are_sorted_by_name() -> None:
    assert most_common({"b": 1, "a": 1, "c": 2}) == [("c", 2), ("a", 1), ("b", 1)]


def test_a_text_of_the_longest_length_is_not_cut() -> None:
    assert shorten("x" * 1_500) == "x" * 1_500
    assert shorten("x" * 1_501) == "x" * 1_500 + "…"


def test_a_template_without_one_of_its_variables_is_refused() -> None:
    with pytest.raises(UndefinedError):
        render("report.html.j2")
