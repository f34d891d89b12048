"""Why an answer ended: the words of each API, and what they mean in our vocabulary.

A word that is in no table means `unknown`, and is kept for the detail of the rejection.
"""

from __future__ import annotations

from collections.abc import Mapping

from schemas.responses import FinishReason

# OpenAI's API has five words: https://platform.openai.com/docs/api-reference/chat/object. Servers
# with the same API keep their own. Read without regard to case, as Cohere's are in capitals.
OPENAI_CHAT: Mapping[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "content_filter": "content_filter",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    # Together, https://docs.together.ai/reference/chat-completions-1
    "eos": "stop",
    # Text Generation Inference, docs/openapi.json in huggingface/text-generation-inference, and
    # watsonx.ai, https://ibm.github.io/watsonx-ai-node-sdk (StopReason)
    "eos_token": "stop",
    "stop_sequence": "stop",
    "token_limit": "length",
    # Mistral, https://docs.mistral.ai/api: the model's context is full. Its `error` is unknown.
    "model_length": "length",
    # Cohere, https://docs.cohere.com/reference/chat: its `ERROR` and `TIMEOUT` are unknown.
    "complete": "stop",
    "max_tokens": "length",
    "tool_call": "tool_calls",
    "error_toxic": "content_filter",
    # Anthropic's words, from gateways that pass them on; see ANTHROPIC_MESSAGES.
    "end_turn": "stop",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
    "model_context_window_exceeded": "length",
    # Gemini's words, from gateways that pass them on; see GEMINI.
    "safety": "content_filter",
    "recitation": "content_filter",
    "blocklist": "content_filter",
    "prohibited_content": "content_filter",
    "spii": "content_filter",
    # Bedrock, https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
    "content_filtered": "content_filter",
    "guardrail_intervened": "content_filter",
    # DeepSeek's `insufficient_system_resource` (https://api-docs.deepseek.com/api/create-chat-completion)
    # interrupts an answer on its side: unknown.
}

# https://platform.claude.com/docs/en/build-with-claude/handling-stop-reasons. Unknown:
# `pause_turn`, of tools that the server runs; we offer none.
ANTHROPIC_MESSAGES: Mapping[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}

# https://ai.google.dev/api/generate-content#FinishReason. The answer was withheld for its content;
# MODEL_ARMOR is Vertex AI's.
GEMINI_REFUSALS = frozenset({"SAFETY", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MODEL_ARMOR"})
# Unknown: FINISH_REASON_UNSPECIFIED, OTHER, LANGUAGE, MALFORMED_RESPONSE, and those of images.
GEMINI: Mapping[str, FinishReason] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "RECITATION": "content_filter",
    "MALFORMED_FUNCTION_CALL": "tool_calls",
    "UNEXPECTED_TOOL_CALL": "tool_calls",
    "TOO_MANY_TOOL_CALLS": "tool_calls",
    **dict.fromkeys(GEMINI_REFUSALS, "content_filter"),
}


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
