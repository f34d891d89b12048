"""The error codes of each API, and what each means for the request: one row per code.

A code is what a server puts into `code`, `type`, `status` or `reason` of its error object, compared
without regard to case. A phrase is a part of a server's message, for errors that have no code of
their own. To support a dialect, add rows; no other code names a server. What no row names is judged
by its status alone. `docs/dialects.md` is made from this table.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from transforms.dialects.source import Source


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
    source: Source
    statuses: tuple[int, ...] = ()

    def fits(self, status: int) -> bool:
        """Returns whether it is looked for with a status."""
        return not self.statuses or status in self.statuses


_OPENAI = Source("OpenAI", "https://platform.openai.com/docs/guides/error-codes")
_OPENAI_QUOTA = Source(  # the four codes of an account without money, all with status 429
    "OpenAI",
    "https://learn.microsoft.com/en-us/microsoft-cloud/dev/dev-proxy/concepts/"
    "openai-insufficient-quota",
)
_OPENAI_RELAYED = Source("OpenAI", "https://github.com/HeyPuter/puter/issues/1977")
_AZURE = Source(
    "Azure", "https://learn.microsoft.com/en-us/azure/ai-services/openai/concepts/content-filter"
)
_XAI_MONEY = Source("xAI", "https://github.com/continuedev/continue/issues/10373")
_XAI_NEW_TEAM = Source("xAI", "https://github.com/continuedev/continue/issues/12670")
_XAI_FILTER = Source("xAI", "https://github.com/UKGovernmentBEIS/inspect_ai/pull/2267")
_DEEPSEEK = Source("DeepSeek", "https://api-docs.deepseek.com/quick_start/error_codes")
_DEEPSEEK_FILTER = Source(
    "DeepSeek", "https://github.com/deepseek-ai/awesome-deepseek-integration/issues/13"
)
_WANDB = Source("W&B Inference", "https://docs.wandb.ai/support/inference_rate_limit_429_error")
_GROQ = Source("Groq", "https://console.groq.com/docs/errors")
_MOONSHOT = Source("Moonshot", "https://platform.kimi.ai/docs/api/errors")
_MOONSHOT_MONEY = Source("Moonshot", "https://github.com/anomalyco/opencode/issues/24462")
_DASHSCOPE = Source("DashScope", "https://help.aliyun.com/en/model-studio/error-code")
_DASHSCOPE_FILTER = Source("DashScope", "https://github.com/camel-ai/owl/issues/432")
_DASHSCOPE_QUOTA = Source("DashScope", "https://help.aliyun.com/en/model-studio/error-code-start")
_ZAI = Source("Z.ai", "https://docs.bigmodel.cn/cn/api/api-code")
_MINIMAX = Source("MiniMax", "https://github.com/modelscope/modelscope/issues/1691")
_MINIMAX_LONG = Source("MiniMax", "https://github.com/MiniMax-AI/MiniMax-M2/issues/119")
_FIREWORKS = Source("Fireworks", "https://github.com/amd/gaia/issues/3766")
_CLOUDFLARE = Source("Cloudflare", "https://developers.cloudflare.com/workers-ai/platform/errors/")
_BEDROCK = Source("Bedrock", "https://github.com/aws-samples/assessment-generator/issues/2")
_ZENMUX = Source("ZenMux", "https://docs.zenmux.ai/guide/advanced/error-codes.html")

# Servers that people run themselves. What LiteLLM and llama.cpp send is also tested on the real
# ones, in tests/servers.
_LITELLM = Source("LiteLLM", "https://github.com/BerriAI/litellm/blob/main/litellm/proxy/_types.py")
_LITELLM_ERRORS = Source("LiteLLM", "https://docs.litellm.ai/docs/exception_mapping")
_LLAMA_CPP = Source(
    "llama.cpp", "https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md"
)
_LLAMA_CPP_PYTHON = Source(
    "llama-cpp-python",
    "https://github.com/abetlen/llama-cpp-python/blob/main/llama_cpp/server/errors.py",
)
_VLLM = Source("vLLM", "https://github.com/vllm-project/vllm/issues/20409")
_VLLM_PROMPT = Source("vLLM", "https://github.com/Gabesarch/grounded-rl/issues/16")
_SGLANG = Source("SGLang", "https://github.com/QwenLM/Qwen3/issues/1321")
_TGI = Source("TGI", "https://github.com/huggingface/chat-ui/issues/340")
_LM_STUDIO = Source("LM Studio", "https://github.com/lmstudio-ai/lmstudio-bug-tracker/issues/237")
_LM_STUDIO_KEEP = Source("LM Studio", "https://github.com/Gitlawb/openclaude/issues/353")

_ANTHROPIC = Source("Anthropic", "https://platform.claude.com/docs/en/api/errors")
_ANTHROPIC_TYPES = Source("Anthropic", "https://platform.claude.com/docs/en/api/$shared")
_ANTHROPIC_CREDIT = Source(
    "Anthropic", "https://github.com/anthropics/claude-quickstarts/issues/229"
)

_GEMINI_KEY = Source("Gemini", "https://github.com/google-gemini/gemini-cli/issues/25198")
_GEMINI_LEAKED = Source("Gemini", "https://github.com/continuedev/continue/issues/10513")
_GEMINI_SERVICE = Source("Gemini", "https://github.com/tashfeenahmed/freellmapi/pull/285")
_GEMINI_PREPAID = Source(
    "Gemini",
    "https://discuss.ai.google.dev/t/"
    "api-update-depleted-prepay-credits-now-return-http-402-instead-of-429/183654",
)

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
    Row("capacity_exceeded", Meaning.TRANSIENT, _GROQ),
    Row("incorrect_api_key_error", Meaning.ACCOUNT, _MOONSHOT),
    Row("invalid_authentication_error", Meaning.ACCOUNT, _MOONSHOT),
    Row("invalidapikey", Meaning.ACCOUNT, _DASHSCOPE_QUOTA),
    Row("arrearage", Meaning.MONEY, _DASHSCOPE),
    Row("data_inspection_failed", Meaning.PROMPT, _DASHSCOPE_FILTER),
    Row("datainspectionfailed", Meaning.PROMPT, _DASHSCOPE_FILTER),
    Row("1110", Meaning.ACCOUNT, _ZAI),  # not active
    Row("1111", Meaning.ACCOUNT, _ZAI),  # does not exist
    Row("1112", Meaning.ACCOUNT, _ZAI),  # locked
    Row("1121", Meaning.ACCOUNT, _ZAI),  # locked for a violation
    Row("1113", Meaning.MONEY, _ZAI),
    Row("1309", Meaning.MONEY, _ZAI),  # the plan has expired
    Row("1261", Meaning.PROMPT, _ZAI),  # too long
    Row("1301", Meaning.PROMPT, _ZAI),  # its content
    Row("insufficient_balance_error", Meaning.MONEY, _MINIMAX),
    Row("safety_check_failed", Meaning.PROMPT, _ZENMUX),
    Row("exceed_context_size_error", Meaning.PROMPT, _LLAMA_CPP),
    Row("budget_exceeded", Meaning.MONEY, _LITELLM),
    # Without a database, only the master key is known.
    Row("no_db_connection", Meaning.ACCOUNT, _LITELLM),
    Row("token_not_found_in_db", Meaning.ACCOUNT, _LITELLM),
    Row("expired_key", Meaning.ACCOUNT, _LITELLM),
    Row("auth_error", Meaning.ACCOUNT, _LITELLM, (401,)),  # with 429 it is a rate limit
)
OPENAI_CHAT_PHRASES = (
    # Gateways pass on the message, and not the code. Gemini's message about a limit of a minute
    # begins with the same words, and goes on with another address.
    Row(
        "check your plan and billing details. for more information on this error, read the docs: "
        "https://platform.openai.com",
        Meaning.MONEY,
        _OPENAI_RELAYED,
        (400, 403, 429),
    ),
    Row("azure openai's content management policy", Meaning.PROMPT, _AZURE, (400,)),
    Row("content violates usage guidelines", Meaning.PROMPT, _XAI_FILTER, (400, 403)),
    Row("content exists risk", Meaning.PROMPT, _DEEPSEEK_FILTER, (400,)),
    Row("used all available credits", Meaning.MONEY, _XAI_MONEY, (403, 429)),
    Row("doesn't have any credits", Meaning.MONEY, _XAI_NEW_TEAM, (403,)),
    Row("insufficient balance", Meaning.MONEY, _DEEPSEEK, (400, 402, 403, 429)),
    Row("insufficient balance (1008)", Meaning.MONEY, _MINIMAX, (200, 429, 500)),
    Row("context window exceeds limit (2013)", Meaning.PROMPT, _MINIMAX_LONG, (200, 400)),
    Row("suspended due to insufficient balance", Meaning.MONEY, _MOONSHOT_MONEY, (403, 429)),
    Row("input token length too long", Meaning.PROMPT, _MOONSHOT, (400,)),
    Row("exceeded model token limit", Meaning.PROMPT, _MOONSHOT, (400,)),
    Row("reaching the monthly spending limit", Meaning.MONEY, _FIREWORKS, (412,)),
    Row("used up your daily free allocation", Meaning.MONEY, _CLOUDFLARE, (429,)),
    Row("input is too long for requested model", Meaning.PROMPT, _BEDROCK, (400,)),
    Row("exceeded your current quota, please check your plan", Meaning.MONEY, _WANDB, (403,)),
    Row("litellm.contextwindowexceedederror", Meaning.PROMPT, _LITELLM_ERRORS, (400,)),
    Row("litellm.contentpolicyviolationerror", Meaning.PROMPT, _LITELLM_ERRORS, (400,)),
    Row("exceeds the available context size", Meaning.PROMPT, _LLAMA_CPP, (400,)),
    # A parameter that is wrong for each request alike.
    Row("validation error", Meaning.REQUEST, _LLAMA_CPP_PYTHON, (500,)),
    Row("maximum context length is", Meaning.PROMPT, _VLLM, (400,)),
    Row("is longer than the maximum model length", Meaning.PROMPT, _VLLM_PROMPT, (400,)),
    Row("is longer than the model's context length", Meaning.PROMPT, _SGLANG, (400,)),
    Row("`inputs` tokens + `max_new_tokens` must be", Meaning.PROMPT, _TGI, (400, 403, 422)),
    Row("trying to keep the first", Meaning.PROMPT, _LM_STUDIO, (200, 400)),
    Row("initial prompt is greater than the context", Meaning.PROMPT, _LM_STUDIO_KEEP, (200, 400)),
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
GEMINI_PHRASES = (
    Row("api key was reported as leaked", Meaning.ACCOUNT, _GEMINI_LEAKED, (403,)),
    Row("prepayment credits are depleted", Meaning.MONEY, _GEMINI_PREPAID, (402, 429)),
)

# Looked for before the codes: with the code `insufficient_quota`, but a limit of a minute.
CLARIFYING_PHRASES = (
    Row("allocated quota exceeded, please increase", Meaning.TRANSIENT, _DASHSCOPE_QUOTA, (429,)),
)

CODES = {row.text: row for row in (*OPENAI_CHAT_CODES, *ANTHROPIC_CODES, *GEMINI_CODES)}
PHRASES = (*OPENAI_CHAT_PHRASES, *ANTHROPIC_PHRASES, *GEMINI_PHRASES)
