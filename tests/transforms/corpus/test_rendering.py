"""Values in the card and the report are escaped and cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError
from markdown_it import MarkdownIt

from schemas.visible import visible
from transforms.corpus.rendering import cell, code, most_common, render, shorten

HOSTILE = (
    "a | b\n| c | d |\n\n# heading",
    "<script>alert(1)</script> <img src=x onerror=y>",
    "[click](javascript:alert(1)) ![pixel](https://e.example/p.png) <https://e.example>",
    "`code` ~~gone~~ **bold** _it_ $x^2$ &lt;b&gt; &copy;",
    "end \\",
    "\u202ereversed \x1b[31m",
)


def test_a_value_cannot_break_a_markdown_table() -> None:
    assert cell("a | b\n| <script> `x` [y](z)") == (r"a \| b \| &lt;script&gt; \`x\` \[y\](z)")


@pytest.mark.parametrize("text", HOSTILE)
def test_a_value_is_plain_text_in_a_table(text: str) -> None:
    assert_plain(text)


@given(st.text(st.characters(codec="utf-8") | st.sampled_from("`|[]()!<>&*_~$\\\\\n\r#-:/")))
def test_any_value_is_plain_text_in_a_table(text: str) -> None:
    assert_plain(text)


def assert_plain(text: str) -> None:
    """Holds what Markdown makes of a value to the value itself, on one line."""
    table = f"| a | b |\n|---|---|\n| {cell(text)} | end |\n"
    tokens = MarkdownIt().enable(["table", "strikethrough"]).parse(table)
    cells = [token for token in tokens if token.type == "inline"][2:]
    assert [token.type for token in tokens].count("tr_open") == 2
    assert {part.type for one in cells for part in one.children or []} <= {"text", "text_special"}
    first, last = ("".join(part.content for part in one.children or []) for one in cells)
    assert first.strip() == visible(text.replace("\n", " ").replace("\r", " ")).strip()
    assert last == "end"


@given(st.text(st.characters(codec="utf-8") | st.sampled_from("` \n"), min_size=1))
def test_code_is_one_span_whatever_backticks_it_has(text: str) -> None:
    (inline,) = [t for t in MarkdownIt().parse(f"x {code(text)} y") if t.type == "inline"]
    before, span, after = inline.children or []
    assert (before.content, span.type, after.content) == ("x ", "code_inline", " y")
    shown = visible(text.replace("\n", " ").replace("\r", " "))
    assert span.content.strip() == shown.strip()


def test_equal_counts_are_sorted_by_name() -> None:
    assert most_common({"b": 1, "a": 1, "c": 2}) == [("c", 2), ("a", 1), ("b", 1)]


def test_a_text_of_the_longest_length_is_not_cut() -> None:
    assert shorten("x" * 1_500) == "x" * 1_500
    assert shorten("x" * 1_501) == "x" * 1_500 + "…"


def test_a_template_without_one_of_its_variables_is_refused() -> None:
    with pytest.raises(UndefinedError):
        render("report.html.j2")
