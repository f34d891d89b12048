"""Renders the templates of card and report, and escapes the values in them."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

_LONGEST_TEXT = 1_500  # characters of a sample in the report

# Characters that would end a cell of a Markdown table, or start markup in it.
_MARKDOWN = str.maketrans(
    {"\\": r"\\", "|": r"\|", "<": "&lt;", ">": "&gt;", "`": r"\`", "[": r"\[", "]": r"\]"}
    | {"*": r"\*", "_": r"\_", "\n": " ", "\r": " "}
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
    return str(value).translate(_MARKDOWN)


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
    environment.filters |= {"most_common": most_common, "cell": cell, "shorten": shorten}
    return environment
