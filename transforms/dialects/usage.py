"""How servers count tokens, and how each count is read: see `providers/usage_reading.py`."""

from __future__ import annotations

from typing import NamedTuple

from transforms.dialects.source import Source


class UsageForm(NamedTuple):
    """A way to count tokens.

    Attributes:
        counts: What a server counts, and in which field.
        read: How we read it.
        source: Where the server's documentation says so.
    """

    counts: str
    read: str
    source: Source


_OPENAI = Source("OpenAI", "https://platform.openai.com/docs/guides/reasoning")
_XAI = Source("xAI", "https://docs.x.ai/docs/key-information/consumption-and-rate-limits")
_GEMINI = Source("Gemini", "https://ai.google.dev/api/generate-content#UsageMetadata")
_DEEPSEEK = Source("DeepSeek", "https://api-docs.deepseek.com/api/create-chat-completion")
_ANTHROPIC = Source(
    "Anthropic", "https://platform.claude.com/docs/en/build-with-claude/prompt-caching"
)

USAGE = (
    UsageForm("reasoning within `completion_tokens`", "as it stands", _OPENAI),
    UsageForm(
        "reasoning beside `completion_tokens`, and in `total_tokens`",
        "the total less the prompt is the completion",
        _XAI,
    ),
    UsageForm(
        "`thoughtsTokenCount` beside `candidatesTokenCount`", "both are the completion", _GEMINI
    ),
    UsageForm("`prompt_cache_hit_tokens` within `prompt_tokens`", "tokens of a cache", _DEEPSEEK),
    UsageForm(
        "`cache_read_input_tokens` and `cache_creation_input_tokens` beside `input_tokens`",
        "all three are the prompt",
        _ANTHROPIC,
    ),
)
