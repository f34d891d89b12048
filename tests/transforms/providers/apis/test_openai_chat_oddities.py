"""What real servers send beside the API `openai-chat` spoils an answer only where it is needed."""

from __future__ import annotations

from typing import Any

import pytest

from tests.transforms.providers.apis.openai_bodies import API, body, completed


def test_null_content_at_the_token_limit_is_a_cut_answer() -> None:
    found = completed(body({"content": None}, "length"))
    assert (found.text, found.finish_reason) == ("", "length")


@pytest.mark.parametrize("arguments", ["", "  ", None, {}])
def test_a_call_without_arguments_has_an_empty_object(arguments: Any) -> None:
    call = {"id": "c-1", "function": {"name": "now", "arguments": arguments}}
    found = completed(body({"content": None, "tool_calls": [call]}, "tool_calls"))
    assert [each.arguments for each in found.tool_calls] == ["{}"]


@pytest.mark.parametrize(
    "spoilt",
    [
        body(timings={"ms": float("nan"), "n": float("-inf")}),
        body(usage=float("nan")),
        body().replace(b'"id"', b'"x": 1e999, "id"'),
        body().replace(b'"id"', b'"x": 1, "x": 2, "id"'),
        body().replace(b'"index"', b'"index": 1, "index"'),
        body().replace(b'"content"', b'"content": "Hi.", "content"'),  # twice the same
        body().replace(b'"usage"', b'"usage": {"prompt_tokens": 7}, "usage"'),
    ],
)
def test_what_is_not_needed_spoils_no_answer(spoilt: bytes) -> None:
    found = completed(spoilt)
    assert found.text == "Hi."
    assert API.usage(spoilt) == found.usage


def test_a_log_probability_that_is_no_number_spoils_the_log_probabilities_alone() -> None:
    tokens = [{"token": "Hi.", "logprob": float("nan"), "top_logprobs": []}]
    choice = {"message": {"content": "Hi."}, "finish_reason": "stop"}
    found = completed(body(choices=[choice | {"logprobs": {"content": tokens}}]))
    assert (found.text, found.logprobs) == ("Hi.", None)
