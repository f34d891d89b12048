"""Token counts that contradict themselves are read the dearer way; impossible ones are bounded."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codes import UsageDoubt
from schemas.responses import Completion, Usage
from transforms.providers.apis import find_api
from transforms.providers.tokens import Tokens
from transforms.providers.usage_reading import bounded_usage, dearer_usage

COUNTS = st.none() | st.integers(0, 10**9)


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        # xAI: prompt 10,120 + completion 1,499 + reasoning 2,809 = total 14,428
        ((10120, 1499, 14428, 2809), (10120, 4308, None)),
        ((10, 5, 15, 3), (10, 5, None)),  # OpenAI: reasoning is in the completion
        ((10, 5, None, 40), (10, 45, None)),  # more reasoning than completion: it is beside it
        ((10, 5, 55, None), (10, 45, "contradictory_usage")),  # Gemini's OpenAI form
        ((10, 5, 12, None), (10, 5, "contradictory_usage")),
        ((10, 5, None, None), (10, 5, None)),
        ((10, None, 15, None), (10, 5, None)),
        ((0, 0, 0, None), (None, None, "zero_usage")),
        ((10, 0, 10, None), (10, None, "zero_usage")),
        ((0, 5, 5, None), (None, 5, "zero_usage")),
        ((None, None, None, None), (None, None, None)),
    ],
)
def test_the_dearer_reading_of_reported_tokens_counts(
    usage: tuple[int | None, ...], expected: tuple[int | None, int | None, str | None]
) -> None:
    named = ("prompt_tokens", "completion_tokens", "total_tokens")
    reported = dict(zip(named, usage, strict=False)) | {
        "completion_tokens_details": {"reasoning_tokens": usage[3]}
    }
    body = json.dumps(
        {
            "choices": [{"message": {"content": "Hi."}, "finish_reason": "stop"}],
            "usage": reported,
        }
    ).encode()
    answer = find_api("openai-chat").parse(body)
    assert isinstance(answer, Completion)
    read = answer.usage
    assert (read.prompt_tokens, read.completion_tokens, read.doubt) == expected
    assert find_api("openai-chat").usage(body) == read


def test_an_empty_answer_may_have_no_tokens() -> None:
    read = dearer_usage(prompt=10, completion=0, total=10, silent=True)
    assert read == Usage(prompt_tokens=10, completion_tokens=0)


@pytest.mark.parametrize(
    ("api", "body"),
    [
        (
            "anthropic-messages",
            {
                "content": [{"type": "text", "text": "Hi."}],
                "stop_reason": "end_turn",
                "usage": {"input_tokens": 0, "output_tokens": 0},
            },
        ),
        (
            "gemini",
            {
                "candidates": [{"content": {"parts": [{"text": "Hi."}]}, "finishReason": "STOP"}],
                "usageMetadata": {"promptTokenCount": 0, "candidatesTokenCount": 0},
            },
        ),
    ],
)
def test_zero_usage_of_an_answer_is_unknown_in_every_api(api: str, body: Any) -> None:
    usage = find_api(api).usage(json.dumps(body).encode())
    assert (usage.prompt_tokens, usage.completion_tokens) == (None, None)
    assert usage.doubt is UsageDoubt.ZERO


def test_more_tokens_than_a_request_allows_are_not_believed() -> None:
    read = bounded_usage(
        Usage(prompt_tokens=10, completion_tokens=10**9, reasoning_tokens=10**9), Tokens(90, 200)
    )
    assert read == Usage(
        prompt_tokens=10,
        completion_tokens=200,
        reasoning_tokens=200,
        doubt=UsageDoubt.IMPLAUSIBLE,
    )
    possible = Usage(prompt_tokens=90, completion_tokens=200)
    assert bounded_usage(possible, Tokens(90, 200)) is possible


@pytest.mark.parametrize(
    ("completion", "total", "reasoning", "read"),
    [
        (150, 10 + 150 + 900, 900, (1050, None)),  # xAI
        (150, 10 + 150 + 900, None, (1050, "contradictory_usage")),  # Gemini's OpenAI form
        (1050, 1060, 900, (1050, None)),  # reasoning in the completion, beyond the limit
        (1050, 1060, 100, (200, "implausible_usage")),  # 950 tokens that are no reasoning
        (1050, 1060, None, (200, "implausible_usage")),
        (5, 10 + 5 + 10**9, 10**9, (200, "implausible_usage")),
        (5, 10**9, None, (200, "implausible_usage")),
    ],
)
def test_reasoning_beyond_a_requests_limit_is_believed_up_to_a_bound(
    completion: int, total: int, reasoning: int | None, read: tuple[int, str | None]
) -> None:
    usage = dearer_usage(prompt=10, completion=completion, total=total, reasoning=reasoning)
    found = bounded_usage(usage, Tokens(90, 200))
    assert (found.completion_tokens, found.doubt) == read
    assert bounded_usage(found, Tokens(90, 200)).completion_tokens == found.completion_tokens


@given(prompt=COUNTS, completion=COUNTS, total=COUNTS, cached=COUNTS, reasoning=COUNTS)
def test_no_reading_is_cheaper_than_what_is_reported(
    prompt: int | None,
    completion: int | None,
    total: int | None,
    cached: int | None,
    reasoning: int | None,
) -> None:
    read = dearer_usage(
        prompt=prompt,
        completion=completion,
        total=total,
        cached=cached,
        reasoning=reasoning,
        silent=False,
    )
    if read.prompt_tokens is not None and read.completion_tokens is not None:
        assert read.prompt_tokens >= (prompt or 0)
        assert read.completion_tokens >= (completion or 0)
        assert read.prompt_tokens + read.completion_tokens >= (total or 0)
