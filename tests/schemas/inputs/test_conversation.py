from __future__ import annotations

from typing import Any

import pytest

from schemas.errors import InputError
from schemas.inputs.check import check_value
from schemas.inputs.conversation import Conversation

USER = {"role": "user", "content": "Why is the sky blue?"}


def test_a_conversation_is_a_prompt() -> None:
    system = {"role": "system", "content": "Be brief."}
    assistant = {"role": "assistant", "content": "Hello."}
    conversation = check_value([system, USER, assistant, USER], Conversation, "chat")
    assert [turn.role for turn in conversation.root] == ["system", "user", "assistant", "user"]


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
    with pytest.raises(InputError, match=r"^chat"):
        check_value(value, Conversation, "chat")
