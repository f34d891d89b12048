"""Control tokens of chat templates are found, unless the answer is about them."""

from __future__ import annotations

import pytest

from transforms.filters.leaked_tokens import find_leaked_tokens
from transforms.filters.rules import Candidate, NoSettings


@pytest.mark.parametrize(
    ("text", "leaked"),
    [
        ("4<|im_end|>", True),
        ("<|im_start|>assistant\n4", True),
        ("4<|eot_id|>", True),
        ("<|start_header_id|>user<|end_header_id|>", True),
        ("4<|endoftext|>", True),
        ("<|END_OF_TURN_TOKEN|>", True),
        ("[INST] And now? [/INST]", True),
        ("<<SYS>>Be kind.<</SYS>>", True),
        ("4<end_of_turn>", True),
        ("<start_of_turn>model", True),
        ("4</s>", True),
        ("<s> 4", True),
        ("4<｜end▁of▁sentence｜>", True),
        ('[TOOL_CALLS] [{"name": "add"}]', True),
        ("ChatML ends a turn with `<|im_end|>`.", False),
        ("```\n<|im_start|>user\n```", False),
        ("The price was <s>5</s> 4 euros.", False),
        ("parser = try a <|> b", False),
        ("The state <|x|> and |y> are fine.", False),
        ("a[i] < b[j] | c", False),
        ("Array[INSTANCE] holds it.", False),
        ("", False),
    ],
)
def test_a_leaked_token_is_found_outside_code(text: str, leaked: bool) -> None:
    assert any(find_leaked_tokens(Candidate((), text), NoSettings())) is leaked


def test_a_token_leaked_into_the_reasoning_is_found_and_pointed_at() -> None:
    (found,) = find_leaked_tokens(Candidate((), "4", reasoning="Hm<|im_end|>"), NoSettings())
    assert found.span == ("reasoning", 2, 12)
