"""Writes the settings of the built-in rules into docs/rules.md: `make schemas`.

Names, types and defaults are those of the rules' dataclasses; meanings are their docstrings'.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, get_type_hints

from schemas.canonical import canonical_json
from transforms.filters.load_rules import built_in_rules

PAGE = Path(__file__).parents[2] / "docs" / "rules.md"

_PLACE = re.compile(r"(<!-- made by [^\n]*: begin -->\n).*?(<!-- end -->)", re.DOTALL)
_MEANING = re.compile(r"^    (\w+): (.*(?:\n     .*)*)", re.MULTILINE)
_TYPES = {
    int: "whole number",
    float: "number",
    str: "text",
    int | None: "whole number",
    tuple[str, ...]: "list of texts",
    dict[str, Any] | None: "mapping",
}


def page(text: str) -> str:
    """Returns the page with the table of settings in its place.

    Args:
        text: The page as it is.
    """
    head = ["| rule | setting | type | default | meaning |", "|---|---|---|---|---|"]
    table = "\n".join([*head, *_rows()])
    return _PLACE.sub(lambda found: f"{found[1]}\n{table}\n\n{found[2]}", text)


def _rows() -> Iterator[str]:
    for name, rule in sorted(built_in_rules().items()):
        kind = type(rule.settings)
        types, meanings = get_type_hints(kind), _meanings(kind)
        for field in fields(kind):
            value = getattr(rule.settings, field.name)
            default = "" if value in (None, "", ()) else f"`{canonical_json(value)}`"
            cells = (f"`{name}`", f"`{field.name}`", _TYPES[types[field.name]], default)
            yield f"| {' | '.join((*cells, meanings[field.name].replace('|', chr(92) + '|')))} |"


def _meanings(kind: type) -> dict[str, str]:
    """Returns what each attribute means, by the docstring of its class."""
    _, _, listed = inspect.getdoc(kind).partition("Attributes:\n")  # type: ignore[union-attr]
    return {name: " ".join(text.split()) for name, text in _MEANING.findall(listed)}


def main() -> None:
    """Writes the page."""
    PAGE.write_text(page(PAGE.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
