"""Mistakes in YAML: each with the line where it is, or begins, and in words of our own."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import InputError
from schemas.inputs.document import parse_yaml

JARGON = ("<unicode string>", "<block end>", "<stream end>", "token", "simple key", "flow ")


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: 1\nb: [1\nc: 2\nd: 3\n", 2, "a list that begins here is not closed"),
        ("a: {b: 1\nc: 2\n", 1, "a mapping that begins here is not closed"),
        ('a: 1\nb: "x\nc: 2\n', 2, "a quoted text that begins here is not closed"),
        ("a: 1\nb: see: this\n", 2, "a text with ': ' in it needs quotes"),
        ("a: [\n", 2, "a value is missing, or a list or mapping is not closed"),
        ("a:\n\tb: 1\n", 2, "a tab; indent with spaces"),
        ("a: 1\nb: @home\n", 2, "a text that begins with '@' needs quotes"),
        ("a:\n  - b\n c: 1\n", 3, "indented otherwise than those before it"),
        ("a: 1\nb\nc: 2\n", 2, "a line without ': ' after its key"),
        ('a: "\\q"\n', 1, "'q' after a backslash in double quotes"),
        ("a: 1\nb: \x01\n", 2, "a control character (found U+0001)"),
    ],
)
def test_a_mistake_is_named_with_its_line(text: str, line: int, words: str) -> None:
    with pytest.raises(InputError) as refused:
        parse_yaml(text, "a.yaml")
    assert str(refused.value).startswith(f"a.yaml:{line}: the file is not valid YAML: ")
    assert words in str(refused.value)


@settings(max_examples=500)
@given(st.text(st.sampled_from("ab:[]{}'\"-\n \t#&*!|>%@,?\x01"), max_size=30))
def test_no_mistake_is_named_in_the_words_of_the_parser(text: str) -> None:
    said = ""
    try:
        parse_yaml(text, "a.yaml")
    except InputError as error:
        said = str(error)
    assert not any(word in said for word in JARGON), said
