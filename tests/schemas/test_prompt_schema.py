from __future__ import annotations

from typing import Any

import pytest

from schemas.files import problem_with

USER = {"role": "user", "content": "Why is the sky blue?"}


def test_a_conversation_is_a_prompt() -> None:
    system = {"role": "system", "content": "Be brief."}
    assistant = {"role": "assistant", "content": "Hello."}
    assert problem_with([system, USER, assistant, USER], "prompt") == ""


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("Why?", id="a text"),
        pytest.param([], id="no turn"),
        pytest.param([{"role": "system", "content": "Be brief."}], id="nothing of the user"),
        pytest.param([{"role": "tool", "content": "4"}], id="an unknown role"),
        pytest.param([{"role": "user", "content": ""}], id="an empty text"),
        pytest.param([{"role": "user"}], id="no text"),
        pytest.param([{"role": "user", "content": [{"type": "text"}]}], id="parts"),
        pytest.param([USER | {"name": "Ada"}], id="an unknown field"),
    ],
)
def test_anything_else_is_none(value: Any) -> None:
    assert problem_with(value, "prompt")
