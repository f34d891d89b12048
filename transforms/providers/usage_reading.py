"""Reads the token counts of an answer; where they contradict themselves, the dearer reading counts.

OpenAI counts reasoning in the completion. xAI and Gemini's OpenAI form count it beside: there the
total is more than prompt and completion together.
https://docs.x.ai/docs/key-information/consumption-and-rate-limits: reasoning tokens are counted
apart from `completion_tokens`, and in `total_tokens`.

Whether a request's limit of tokens holds for reasoning too:

- OpenAI: yes. https://developers.openai.com/api/docs/guides/reasoning
- DeepSeek: yes, https://api-docs.deepseek.com/zh-cn/guides/reasoning_model; earlier the limit was
  that of the answer, with up to 32K tokens of reasoning beside it:
  https://share.apidog.com/apidoc/docs-site/747793/reasoning-model-deepseek-reasoner-835841m0
- Gemini: yes, as measured in https://github.com/vectorize-io/hindsight/issues/3365; but through a
  proxy, 105 tokens were counted under a limit of 64:
  https://github.com/dwgx/WindsurfAPI/blob/master/evidence/GeminiThinkCap.md
- OpenRouter: yes, reasoning takes a share of it:
  https://openrouter.ai/docs/use-cases/reasoning-tokens
- xAI: unknown. An answer that was cut at its limit had 1,187 tokens and 860 of reasoning beside
  them: https://github.com/evalstate/fast-agent/pull/276

So reasoning beyond the limit is rare, and paid for where it occurs.
"""

from __future__ import annotations

from dataclasses import replace

from schemas.codes import UsageDoubt
from schemas.responses import Usage
from transforms.providers.tokens import Tokens

# The longest reasoning that a provider has allowed beside the limit of tokens: DeepSeek, above.
MOST_REASONING_BEYOND = 2**15


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
    doubt, counted = _contradiction(prompt, completion, total, reasoning), completion or 0
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
        beside=(completion or 0) - counted,
    )


def bounded_usage(usage: Usage, most: Tokens) -> Usage:
    """Returns usage within what a request can have used.

    Reasoning may exceed the request's limit of tokens, by `MOST_REASONING_BEYOND` at most. A server
    that reports more is believed in nothing beyond the limit.

    Args:
        usage: As the server reports it.
        most: The most tokens that the request can use, by its limit.
    """
    prompt, completion = usage.prompt_tokens, usage.completion_tokens
    if (prompt or 0) <= most.prompt and (completion or 0) <= most.completion + _beyond(usage):
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


def _beyond(usage: Usage) -> int:
    """Returns how many tokens of reasoning may have exceeded the limit."""
    reasoning = max(usage.beside, usage.reasoning_tokens or 0)
    return reasoning if reasoning <= MOST_REASONING_BEYOND else 0


def _at_most(count: int | None, most: int) -> int | None:
    return None if count is None else min(count, most)
