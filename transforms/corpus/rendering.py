"""Renders the templates of card and report, and escapes the values in them."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from schemas.visible import visible

_LONGEST_TEXT = 1_500  # characters of a sample in the report

_BACKTICKS = re.compile("`+")
_LINES = str.maketrans("\n\r", "  ")
# Characters that would end a cell of a Markdown table, or start markup in it: CommonMark 0.31, its
# tables and strikethrough as GitHub has them, and formulas as the Hub does.
_MARKDOWN = str.maketrans(
    {mark: f"\\{mark}" for mark in "\\|`[]*_~$"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
)


def render(template: str, **values: Any) -> str:
    """Renders a template of this package.

    Args:
        template: Its name. A template that ends in `.html.j2` escapes all values as HTML.
        values: Its variables.

    Returns:
        The text.
    """
    return _environment().get_template(template).render(values)


def most_common(counts: Mapping[Any, int]) -> list[tuple[Any, int]]:
    """Returns counts in descending order, equal counts by name."""
    return sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))


def cell(value: object) -> str:
    """Returns a value as text that is safe in a cell of a Markdown table."""
    return visible(str(value).translate(_LINES)).translate(_MARKDOWN)


def code(value: object) -> str:
    """Returns a value as Markdown's code in a line, whatever backticks it has (CommonMark, 6.1)."""
    text = visible(str(value).translate(_LINES))
    marks = "`" * (1 + max(map(len, _BACKTICKS.findall(text)), default=0))
    return f"{marks} {text} {marks}" if "`" in text else f"{marks}{text}{marks}"


def shorten(text: str) -> str:
    """Returns the first 1,500 characters of a text, with `…` where more follow."""
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}…"


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("transforms.corpus"),
        autoescape=select_autoescape(["html.j2"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "most_common": most_common,
        "cell": cell,
        "code": code,
        "shorten": shorten,
    }
    return environment
