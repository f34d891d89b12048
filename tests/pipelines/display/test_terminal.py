r"""No text from outside reaches a terminal as a command: it is written out, as `\x1b`."""

from __future__ import annotations

import io
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.markup import escape
from rich.table import Table

from pipelines.display.console import console, print_error, print_json
from pipelines.display.corpus import print_explanation
from pipelines.display.terminal import VisibleConsole
from schemas.errors import StillroomError
from schemas.visible import visible, visible_json
from transforms.auditing.explain import Explanation, Section

HOSTILE = {
    "colour": ("\x1b[31mred", r"\x1b[31mred"),
    "window title": ("\x1b]0;owned\x07", r"\x1b]0;owned\x07"),
    "link": ("\x1b]8;;https://e.example\x1b\\x", "\\x1b]8;;https://e.example\\x1b\\x"),
    "clipboard": ("\x9d52;c;eA==\x9c", r"\x9d52;c;eA==\x9c"),
    "overwritten line": ("good\rbad", r"good\rbad"),
    "erased": ("a\x08\x7f", r"a\x08\x7f"),
    "reversed": ("a\u202eb\u2066c\u2069", r"a\u202eb\u2066c\u2069"),
    "hidden": ("a\u200b\ufeff\U000e0041", r"a\u200b\ufeff\U000e0041"),
    "half a pair": ("\ud800", r"\ud800"),
    "markup": ("[bold]x[/bold] [link=e]y[/link] :fire:", "[bold]x[/bold] [link=e]y[/link] :fire:"),
}
OWN_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
DANGEROUS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
TEXTS = st.text(st.characters(codec=None) | st.sampled_from("\x1b[]\\\r\n\t\u202e\x9b"))


def terminal() -> VisibleConsole:
    return VisibleConsole(
        file=io.StringIO(), force_terminal=True, highlight=False, emoji=False, width=10_000
    )


def shown(out: VisibleConsole) -> str:
    assert isinstance(out.file, io.StringIO)
    return OWN_COLOURS.sub("", out.file.getvalue())


def story(text: str) -> Explanation:
    section = Section(f"S{text}", facts=((text, text),), texts=((text, text),))
    return Explanation(
        record_id=text, outcome=text, version=text, file="f", sections=(section,), record={}
    )


@pytest.mark.parametrize(("text", "written"), HOSTILE.values(), ids=HOSTILE)
def test_an_explanation_writes_out_what_a_terminal_would_obey(text: str, written: str) -> None:
    out = terminal()
    print_explanation(story(text), out)
    assert shown(out).count(written) == 8
    assert DANGEROUS.search(shown(out)) is None


@given(TEXTS)
def test_no_text_reaches_a_terminal_as_a_command(text: str) -> None:
    out, table = terminal(), Table(escape(text))
    table.add_row(escape(text))
    print_explanation(story(text), out)
    out.print(table)
    out.print(text, markup=False)
    assert DANGEROUS.search(shown(out)) is None


@given(TEXTS)
def test_json_with_escapes_is_the_same_value(text: str) -> None:
    written = visible_json(json.dumps(text, ensure_ascii=False))
    assert json.loads(written) == text
    assert DANGEROUS.search(written) is None


@pytest.mark.parametrize("text", ["a\tb\nc", "naïve ✓ 中", "خانه\u200cها", "👩\u200d🔬", ""])
def test_an_honest_text_stays_as_it_is(text: str) -> None:
    assert visible(text) == text


def test_errors_json_and_consoles_of_commands_write_out(capsys: pytest.CaptureFixture[str]) -> None:
    print_error(StillroomError("no such route: \x1b[2J\u202e"))
    print_json({"a": "\x1b\x9b\U000e0041"})
    console().print("\x1b[2J")
    printed = capsys.readouterr()
    assert printed.err == "stillroom: no such route: \\x1b[2J\\u202e\n"
    assert printed.out == '{"a": "\\u001b\\u009b\\udb40\\udc41"}\n\\x1b[2J\n'
