"""Why an answer ended: the words of each API, and what they mean in our vocabulary.

A word that is in no table means `unknown`, and is kept for the detail of the rejection.
`docs/dialects.md` is made from these tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from schemas.responses import FinishReason
from transforms.dialects.source import Source


class Word(NamedTuple):
    """A server's word for why an answer ended.

    Attributes:
        text: The word.
        means: What it means in our vocabulary.
        source: Where the server's documentation says so.
    """

    text: str
    means: FinishReason
    source: Source


_OPENAI = Source("OpenAI", "https://platform.openai.com/docs/api-reference/chat/object")
_TOGETHER = Source("Together", "https://docs.together.ai/reference/chat-completions-1")
_TGI = Source(
    "TGI",
    "https://github.com/huggingface/text-generation-inference/blob/main/docs/openapi.json",
)
_WATSONX = Source(
    "watsonx.ai",
    "https://ibm.github.io/watsonx-ai-node-sdk/enums/"
    "1_7_x.WatsonXAI.TextChatResultChoice.Constants.FinishReason.html",
)
_MISTRAL = Source("Mistral", "https://docs.mistral.ai/api")
_COHERE = Source("Cohere", "https://docs.cohere.com/reference/chat")
_DEEPSEEK = Source("DeepSeek", "https://api-docs.deepseek.com/api/create-chat-completion")
_OPENROUTER = Source(
    "OpenRouter", "https://openrouter.ai/announcements/standardized-finish-reasons"
)
_ANTHROPIC = Source(
    "Anthropic", "https://platform.claude.com/docs/en/build-with-claude/handling-stop-reasons"
)
_GEMINI = Source("Gemini", "https://ai.google.dev/api/generate-content#FinishReason")
_VERTEX = Source(
    "Vertex AI",
    "https://cloud.google.com/vertex-ai/generative-ai/docs/reference/rest/v1/"
    "GenerateContentResponse#FinishReason",
)
_BEDROCK = Source(
    "Bedrock",
    "https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html",
)

ANTHROPIC_WORDS = (
    Word("end_turn", "stop", _ANTHROPIC),
    Word("stop_sequence", "stop", _ANTHROPIC),
    Word("max_tokens", "length", _ANTHROPIC),
    Word("model_context_window_exceeded", "length", _ANTHROPIC),
    Word("tool_use", "tool_calls", _ANTHROPIC),
    Word("refusal", "content_filter", _ANTHROPIC),
    Word("pause_turn", "unknown", _ANTHROPIC),  # of tools that the server runs; we offer none
)
GEMINI_WORDS = (
    Word("STOP", "stop", _GEMINI),
    Word("MAX_TOKENS", "length", _GEMINI),
    Word("SAFETY", "content_filter", _GEMINI),
    Word("BLOCKLIST", "content_filter", _GEMINI),
    Word("PROHIBITED_CONTENT", "content_filter", _GEMINI),
    Word("SPII", "content_filter", _GEMINI),
    Word("MODEL_ARMOR", "content_filter", _VERTEX),
    Word("RECITATION", "content_filter", _GEMINI),
    Word("MALFORMED_FUNCTION_CALL", "tool_calls", _GEMINI),
    Word("UNEXPECTED_TOOL_CALL", "tool_calls", _GEMINI),
    Word("TOO_MANY_TOOL_CALLS", "tool_calls", _GEMINI),
    Word("FINISH_REASON_UNSPECIFIED", "unknown", _GEMINI),
    Word("OTHER", "unknown", _GEMINI),
    Word("LANGUAGE", "unknown", _GEMINI),
    Word("MALFORMED_RESPONSE", "unknown", _GEMINI),
)
# OpenAI's API has five words; servers with the same API keep their own, and gateways pass on those
# of Anthropic and Gemini. Read without regard to case, as Cohere's are in capitals.
OPENAI_CHAT_WORDS = (
    Word("stop", "stop", _OPENAI),
    Word("length", "length", _OPENAI),
    Word("content_filter", "content_filter", _OPENAI),
    Word("tool_calls", "tool_calls", _OPENAI),
    Word("function_call", "tool_calls", _OPENAI),
    Word("eos", "stop", _TOGETHER),
    Word("eos_token", "stop", _TGI),
    Word("token_limit", "length", _WATSONX),
    Word("time_limit", "unknown", _WATSONX),
    Word("cancelled", "unknown", _WATSONX),
    Word("model_length", "length", _MISTRAL),  # the model's context is full
    Word("complete", "stop", _COHERE),
    Word("tool_call", "tool_calls", _COHERE),
    Word("error_toxic", "content_filter", _COHERE),
    Word("timeout", "unknown", _COHERE),
    Word("error", "unknown", _OPENROUTER),  # no answer: asked again
    Word("insufficient_system_resource", "unknown", _DEEPSEEK),  # interrupted on its side
    Word("content_filtered", "content_filter", _BEDROCK),
    Word("guardrail_intervened", "content_filter", _BEDROCK),
    *ANTHROPIC_WORDS,
    *(
        Word(word.text.lower(), word.means, word.source)
        for word in GEMINI_WORDS
        if word.text in ("SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII")
    ),
)

ANTHROPIC_MESSAGES: Mapping[str, FinishReason] = {w.text: w.means for w in ANTHROPIC_WORDS}
GEMINI: Mapping[str, FinishReason] = {w.text: w.means for w in GEMINI_WORDS}
OPENAI_CHAT: Mapping[str, FinishReason] = {w.text: w.means for w in OPENAI_CHAT_WORDS}
# The answer was withheld for its content.
GEMINI_REFUSALS = frozenset({"SAFETY", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MODEL_ARMOR"})


def read_finish(
    value: object, table: Mapping[str, FinishReason], *, any_case: bool = False
) -> FinishReason:
    """Returns why an answer ended.

    Args:
        value: The value in the body.
        table: The words of the API.
        any_case: Whether to ignore case; the words of the table are in lower case.
    """
    if not isinstance(value, str):
        return "unknown"
    return table.get(value.lower() if any_case else value, "unknown")
