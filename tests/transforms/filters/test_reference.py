"""The table of rules' settings in the documentation, and rules that need one of them."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from schemas.errors import InputError
from schemas.inputs.quality import FilterChoice
from transforms.filters.load_rules import built_in_rules
from transforms.filters.policy import compile_filters
from transforms.filters.reference import PAGE, page


def test_the_page_has_the_settings_that_the_rules_have() -> None:
    text = PAGE.read_text("utf-8")
    assert page(text) == text, "run `make schemas`"
    for name, rule in built_in_rules().items():
        for field in fields(rule.settings):
            assert f"| `{name}` | `{field.name}` | " in text


@pytest.mark.parametrize(
    ("rule", "settings", "expected"),
    [
        ("length", {}, "min_words, max_words, min_tokens, max_tokens"),
        ("length", {"max_words": None}, "min_words, max_words, min_tokens, max_tokens"),
        ("language", {}, r"allow: \[en, de\]"),
        ("language", {"min_score": 0.9}, r"allow: \[en, de\]"),
    ],
)
def test_a_rule_that_could_find_nothing_is_refused(
    rule: str, settings: dict[str, Any], expected: str
) -> None:
    choice = FilterChoice(rule=rule, **settings)
    with pytest.raises(InputError, match=rf"run.yaml:3.*finds nothing.*{expected}"):
        compile_filters((choice,), lambda _: "run.yaml:3")
