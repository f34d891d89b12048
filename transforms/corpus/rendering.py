"""Renders the templates of card and report. What others wrote is made harmless on the way."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

_LONGEST_TEXT = 1_500  # characters of a sample that are shown

# What would end a cell of a Markdown table, or start something other than text in it.
_MARKDOWN = str.maketrans(
    {"\\": r"\\", "|": r"\|", "<": "&lt;", ">": "&gt;", "`": r"\`", "[": r"\[", "]": r"\]"}
    | {"*": r"\*", "_": r"\_", "\n": " ", "\r": " "}
)


def render(template: str, **values: Any) -> str:
    """Renders a template of this package.

    Args:
        template: Its name; one that ends in `.html.j2` escapes all values.
        values: What it shows.

    Returns:
        The text.
    """
    return _environment().get_template(template).render(values)


def most_common(counts: Mapping[Any, int]) -> list[tuple[Any, int]]:
    """Returns counts from the highest down, equal ones in the order of their names."""
    return sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))


def cell(value: object) -> str:
    """Makes a text safe for one cell of a Markdown table."""
    return str(value).translate(_MARKDOWN)


def shown(text: str) -> str:
    """Cuts a long text."""
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
    environment.filters |= {"most_common": most_common, "cell": cell, "shown": shown}
    return environment
