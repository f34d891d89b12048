"""Blocks marked as Python parse, or are found."""

from __future__ import annotations

import warnings

import pytest

from transforms.filters.python_syntax import find_python_syntax
from transforms.filters.rules import Candidate, NoSettings


def _codes(text: str) -> list[str]:
    return [found.code for found in find_python_syntax(Candidate((), text), NoSettings())]


@pytest.mark.parametrize(
    ("body", "language", "sound"),
    [
        pytest.param("def f(x):\n    return x", "python", True, id="function"),
        pytest.param("def f(x)\n    return x", "python", False, id="no-colon"),
        pytest.param("x = (1,", "py", False, id="open-bracket"),
        pytest.param("  x = 1\n  y = 2", "python3", True, id="indented-as-a-whole"),
        pytest.param("def f(): ...", "{.python}", True, id="language-in-braces"),
        pytest.param("print 'x'", "Python title=old", False, id="python-2"),
        pytest.param(">>> 1 +\n3", "python", True, id="session-at-a-prompt"),
        pytest.param("!pip install x\n%matplotlib inline", "python", True, id="notebook-commands"),
        pytest.param("let x = ;", "javascript", True, id="another-language"),
        pytest.param("let x = ;", "", True, id="no-language"),
        pytest.param("x = 'a\x00b'", "python", False, id="null-character"),
        pytest.param("(" * 500 + ")" * 500, "python", False, id="too-deep"),
        pytest.param("", "python", True, id="empty"),
    ],
)
def test_python_that_does_not_parse_is_found(body: str, language: str, sound: bool) -> None:
    assert _codes(f"Look:\n```{language}\n{body}\n```\n") == ([] if sound else ["python_syntax"])


@pytest.mark.parametrize("mark", ["> ", ">", "> > ", " > "])
@pytest.mark.parametrize(
    ("body", "sound"), [("def f(x):\n    return x > 1", True), ("def f(x)\n    return x", False)]
)
def test_the_marks_of_a_quotation_are_no_part_of_the_code(
    mark: str, body: str, sound: bool
) -> None:
    lines = ["```python", *body.splitlines(), "```"]
    text = "Look:\n" + "\n".join(mark + line for line in lines)
    assert _codes(text) == ([] if sound else ["python_syntax"])


def test_each_broken_block_is_found() -> None:
    assert len(_codes("```py\nx =\n```\n```py\nx = 1\n```\n```py\ny =\n```")) == 2


def test_a_strange_escape_is_no_warning_of_ours() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert _codes('```python\nx = "\\d"\n```') == []
