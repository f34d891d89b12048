"""The error codes of each API, and what each means for the request: one row per code.

A code is what a server puts into `code`, `type`, `status` or `reason` of its error object, compared
without regard to case. A phrase is a part of a server's message, for errors that have no code of
their own. To support a dialect, add rows; no other code names a server. What no row names is judged
by its status alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Meaning(StrEnum):
    """What the end of an attempt means for the request, the route and the ledger."""

    ANSWER = "answer"  # final
    TRANSIENT = "transient"  # may pass: sent again in this run
    NOT_AN_ANSWER = "not_an_answer"  # status 2xx without an answer: sent again like the above
    PROMPT = "prompt"  # the server refuses this prompt: final
    REQUEST = "request"  # refused for another reason: sent again by a later run only
    ACCOUNT = "account"  # the key or the account is refused: the account's routes stop
    MONEY = "money"  # the account's money is used up: the route stops


@dataclass(frozen=True, slots=True)
class Row:
    """What one code or phrase means.

    Attributes:
        text: The code, or the part of a message; in lower case.
        meaning: What it means.
        source: Where the server's documentation, or a report, says so.
        statuses: The statuses with which it is looked for; () for all.
    """

    text: str
    meaning: Meaning
    source: str
    statuses: tuple[int, ...] = ()


_OPENAI = "https://platform.openai.com/docs/guides/error-codes"
_OPENAI_QUOTA = (  # the four codes of an account without money, all with status 429
    "https://learn.microsoft.com/en-us/microsoft-cloud/dev/dev-proxy/concepts/"
    "openai-insufficient-quota"
)
_AZURE = "https://learn.microsoft.com/en-us/azure/ai-services/openai/concepts/content-filter"
_LLAMA_CPP = "https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md"
_VLLM = "https://github.com/vllm-project/vllm/issues/20409"
_XAI_MONEY = "https://github.com/continuedev/continue/issues/10373"
_XAI_NEW_TEAM = "https://github.com/continuedev/continue/issues/12670"
_XAI_FILTER = "https://github.com/UKGovernmentBEIS/inspect_ai/pull/2267"
_DEEPSEEK = "https://api-docs.deepseek.com/quick_start/error_codes"
_DEEPSEEK_FILTER = "https://github.com/deepseek-ai/awesome-deepseek-integration/issues/13"
_WANDB = "https://docs.wandb.ai/support/inference_rate_limit_429_error"

_ANTHROPIC = "https://platform.claude.com/docs/en/api/errors"
_ANTHROPIC_TYPES = "https://platform.claude.com/docs/en/api/$shared"
_ANTHROPIC_CREDIT = "https://github.com/anthropics/claude-quickstarts/issues/229"

_GEMINI_KEY = "https://github.com/google-gemini/gemini-cli/issues/25198"
_GEMINI_LEAKED = "https://github.com/continuedev/continue/issues/10513"
_GEMINI_SERVICE = "https://github.com/tashfeenahmed/freellmapi/pull/285"

# OpenAI, and the servers that speak its API.
OPENAI_CHAT_CODES = (
    Row("invalid_api_key", Meaning.ACCOUNT, _OPENAI),
    Row("account_deactivated", Meaning.ACCOUNT, _OPENAI),
    Row("insufficient_quota", Meaning.MONEY, _OPENAI_QUOTA),
    Row("credit_balance_exhausted", Meaning.MONEY, _OPENAI_QUOTA),
    Row("organization_spend_limit_exceeded", Meaning.MONEY, _OPENAI_QUOTA),
    Row("project_spend_limit_exceeded", Meaning.MONEY, _OPENAI_QUOTA),
    Row("organization_usage_limit_exceeded", Meaning.MONEY, _OPENAI_QUOTA),
    Row("billing_hard_limit_reached", Meaning.MONEY, _OPENAI),
    Row("billing_not_active", Meaning.MONEY, _OPENAI),
    Row("context_length_exceeded", Meaning.PROMPT, _OPENAI),
    Row("content_policy_violation", Meaning.PROMPT, _OPENAI),
    Row("content_filter", Meaning.PROMPT, _AZURE),
    Row("responsibleaipolicyviolation", Meaning.PROMPT, _AZURE),
    Row("exceed_context_size_error", Meaning.PROMPT, _LLAMA_CPP),
)
OPENAI_CHAT_PHRASES = (
    Row("maximum context length is", Meaning.PROMPT, _VLLM, (400,)),
    Row("content violates usage guidelines", Meaning.PROMPT, _XAI_FILTER, (400, 403)),
    Row("content exists risk", Meaning.PROMPT, _DEEPSEEK_FILTER, (400,)),
    Row("used all available credits", Meaning.MONEY, _XAI_MONEY, (403, 429)),
    Row("doesn't have any credits", Meaning.MONEY, _XAI_NEW_TEAM, (403,)),
    Row("insufficient balance", Meaning.MONEY, _DEEPSEEK, (400, 402, 403, 429)),
    Row("exceeded your current quota, please check your plan", Meaning.MONEY, _WANDB, (403,)),
)

ANTHROPIC_CODES = (
    Row("authentication_error", Meaning.ACCOUNT, _ANTHROPIC),
    Row("permission_error", Meaning.ACCOUNT, _ANTHROPIC),
    Row("billing_error", Meaning.MONEY, _ANTHROPIC_TYPES),
    Row("request_too_large", Meaning.PROMPT, _ANTHROPIC),
)
ANTHROPIC_PHRASES = (
    Row("credit balance is too low", Meaning.MONEY, _ANTHROPIC_CREDIT, (400, 402, 403)),
    Row("prompt is too long", Meaning.PROMPT, _ANTHROPIC, (400, 413)),
)

# `reason` of google.rpc.ErrorInfo. A wrong key has status 400 there, not 401.
GEMINI_CODES = (
    Row("api_key_invalid", Meaning.ACCOUNT, _GEMINI_KEY),
    Row("service_disabled", Meaning.ACCOUNT, _GEMINI_SERVICE),
)
GEMINI_PHRASES = (Row("api key was reported as leaked", Meaning.ACCOUNT, _GEMINI_LEAKED, (403,)),)

CODES = {row.text: row for row in (*OPENAI_CHAT_CODES, *ANTHROPIC_CODES, *GEMINI_CODES)}
PHRASES = (*OPENAI_CHAT_PHRASES, *ANTHROPIC_PHRASES, *GEMINI_PHRASES)
