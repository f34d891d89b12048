"""YAML 1.2 is read with lines, and a hostile file is refused at once."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from schemas.errors import InputError
from schemas.inputs.document import parse_yaml, read_yaml

LEVELS = 9


def multiplied() -> str:
    """A few lines that aliases make 6^9 values of."""
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 6)}]" for n in range(1, LEVELS)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("010", 10),
        ("-7", -7),
        ("0.5", 0.5),
        ("1e3", 1000.0),
        ("5.", 5.0),
        ("true", True),
        ("null", None),
        ("~", None),
        ("", None),
        ("on", "on"),
        ("no", "no"),
        ("True", "True"),
        ("2026-11-22", "2026-11-22"),
        ("0x10", "0x10"),
        ("12:30:45", "12:30:45"),
        (".inf", ".inf"),
        ("'5'", "5"),
        ("!!str 5", "5"),
        ("! 5", "5"),
        ("env:NAME", "env:NAME"),
    ],
)
def test_a_scalar_is_read_by_the_core_schema_in_lower_case(text: str, value: Any) -> None:
    read = parse_yaml(f"key: {text}", "a.yaml").data["key"]
    assert (read, type(read)) == (value, type(value))


def test_a_colon_within_a_plain_scalar_of_a_flow_mapping_is_text() -> None:
    document = parse_yaml("{key: env:NAME, at: https://a.example/v1, list: [a:b]}", "a.yaml")
    assert document.data == {"key": "env:NAME", "at": "https://a.example/v1", "list": ["a:b"]}


def test_every_part_has_its_line_and_an_unknown_part_that_of_what_is_around_it() -> None:
    document = parse_yaml("a: 1\nb:\n  - x\n  - c: 2\n    d: {e: 3}\n", "a.yaml")
    assert document.where(("a",)) == "a.yaml:1"
    assert document.where(("b", 1, "d", "e")) == "a.yaml:5"
    assert document.where(("b", 1, "d", "f")) == "a.yaml:5"
    assert document.where(("b", 7)) == "a.yaml:2"


def test_an_alias_is_the_value_of_its_anchor() -> None:
    document = parse_yaml("a: &x {b: [1]}\nc: *x\nd: [*x]", "a.yaml")
    assert document.data == {"a": {"b": [1]}, "c": {"b": [1]}, "d": [{"b": [1]}]}
    assert document.where(("c", "b")) == "a.yaml:2"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        pytest.param("a: 1\nb: 2\na: 3", 3, ["'a' is given twice", "line 1"], id="twice"),
        pytest.param("{a: 1, a: 3}", 1, ["second at column 8", "same line"], id="on-one-line"),
        pytest.param("a: 1\n---\nb: 2", 2, ["more than one document"], id="two-documents"),
        pytest.param("? [1]\n: 2", 1, ["a key must be a text"], id="key"),
        pytest.param("a: [1", 1, ["not valid YAML"], id="invalid"),
        pytest.param("a: &x [*x]", 1, ["names no value that is complete"], id="recursive"),
        pytest.param("a: &x {b: &y [*x, *y]}", 1, ["names no value"], id="mutually-recursive"),
        pytest.param(multiplied(), 5, ["aliases add more than 10000 values"], id="aliases"),
        pytest.param(f"a: {'7' * 5000}", 1, ["too large", "5000 characters"], id="integer"),
        pytest.param("a: 1e999", 1, ["too large"], id="infinite"),
        pytest.param("a: !!timestamp 9999-99-99", 1, ["tag", "timestamp"], id="timestamp"),
        pytest.param("a: !!python/object:os.system {}", 1, ["tag"], id="object"),
        pytest.param("a: !!binary x", 1, ["tag"], id="binary"),
        pytest.param("[" * 100_000, 1, ["more than 100"], id="flow-nesting"),
        pytest.param("- " * 100_000, 1, ["more than 100"], id="block-nesting"),
        pytest.param("{a: " * 100_000, 1, ["more than 100"], id="mapping-nesting"),
        pytest.param("a: \x00", 1, ["not valid YAML"], id="control-character"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused_within_a_second(
    text: str, line: int, words: list[str]
) -> None:
    start = time.process_time()
    with pytest.raises(InputError) as refused:
        parse_yaml(text, "a.yaml")
    assert time.process_time() - start < 1
    message = str(refused.value)
    assert message.startswith(f"a.yaml:{line}: ")
    assert all(word in message for word in words), message


@pytest.mark.parametrize(
    ("data", "words"),
    [(None, "no such file"), (b"a: \xff", "not UTF-8")],
    ids=["missing", "encoding"],
)
def test_a_file_that_cannot_be_read_is_an_input_error(
    tmp_path: Path, data: bytes | None, words: str
) -> None:
    path = tmp_path / "a.yaml"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(InputError, match=words):
        read_yaml(path)


@pytest.mark.parametrize("escape", [r"\0", r"\ud800", r"a\udfffb"])
def test_a_character_that_no_file_holds_is_refused_with_its_line(escape: str) -> None:
    with pytest.raises(InputError, match=r"a.yaml:2: a text has a character that no file holds"):
        parse_yaml(f'name: x\nsystem: "{escape}"\n', "a.yaml")
