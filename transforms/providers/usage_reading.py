"""Reads the token counts of an answer; where they contradict themselves, the dearer reading counts.

OpenAI counts reasoning in the completion. xAI and Gemini's OpenAI form count it beside: there the
total is more than prompt and completion together.
https://docs.x.ai/docs/key-information/consumption-and-rate-limits: reasoning tokens are counted
apart from `completion_tokens`, and in `total_tokens`.
"""

from __future__ import annotations

from dataclasses import replace

from schemas.codes import UsageDoubt
from schemas.responses import Usage
from transforms.providers.tokens import Tokens


def dearer_usage(
    *,
    prompt: int | None,
    completion: int | None,
    total: int | None = None,
    cached: int | None = None,
    reasoning: int | None = None,
    silent: bool = True,
) -> Usage:
    """Returns the usage that a server reports, by its dearer reading if it contradicts itself.

    A zero that cannot be true becomes None: a zero for the prompt, or for an answer that is not
    empty. Its cost is unknown, not nothing.

    Args:
        prompt: Tokens of the prompt.
        completion: Tokens of the completion.
        total: Tokens of both.
        cached: Tokens of the prompt that were in a cache.
        reasoning: Tokens of the completion that are reasoning.
        silent: Whether the answer is empty.
    """
    doubt = _contradiction(prompt, completion, total, reasoning)
    if (cached or 0) > (prompt or 0) > 0:
        prompt, doubt = (prompt or 0) + (cached or 0), UsageDoubt.CONTRADICTORY
    if completion is not None and (reasoning or 0) > completion:
        completion += reasoning or 0
    if prompt is not None and total is not None:
        completion = max(completion or 0, total - prompt)
    if prompt == 0 or (completion == 0 and not silent):
        doubt = UsageDoubt.ZERO
    return Usage(
        prompt_tokens=prompt or None,
        completion_tokens=None if completion == 0 and not silent else completion,
        cached_tokens=cached,
        reasoning_tokens=reasoning,
        doubt=doubt,
    )


def bounded_usage(usage: Usage, most: Tokens) -> Usage:
    """Returns usage within what a request can have used.

    Args:
        usage: As the server reports it.
        most: The most tokens that the request can use.
    """
    prompt, completion = usage.prompt_tokens, usage.completion_tokens
    if (prompt or 0) <= most.prompt and (completion or 0) <= most.completion:
        return usage
    return replace(
        usage,
        prompt_tokens=_at_most(prompt, most.prompt),
        completion_tokens=_at_most(completion, most.completion),
        cached_tokens=_at_most(usage.cached_tokens, most.prompt),
        reasoning_tokens=_at_most(usage.reasoning_tokens, most.completion),
        doubt=UsageDoubt.IMPLAUSIBLE,
    )


def _contradiction(
    prompt: int | None, completion: int | None, total: int | None, reasoning: int | None
) -> UsageDoubt | None:
    """Returns a doubt if the total is not the sum, with reasoning in the completion or beside."""
    if prompt is None or completion is None or total is None:
        return None
    sums = (prompt + completion, prompt + completion + (reasoning or 0))
    return None if total in sums else UsageDoubt.CONTRADICTORY


def _at_most(count: int | None, most: int) -> int | None:
    return None if count is None else min(count, most)
