"""The response as received, and the completion parsed from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from schemas.codes import MalformedReason, Outcome, UsageDoubt
from schemas.logprobs import Logprobs

# Name in `Response.headers` for the id of the batch job that a response comes from.
BATCH_ID = "batch-id"

FinishReason = Literal["stop", "length", "content_filter", "tool_calls", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """The result of one attempt at a request, as received.

    Attributes:
        request_id: The request asked.
        attempt: Number of the attempt in this run, from 1.
        outcome: An `Outcome`, `http_NNN`, or `batch_…` with a provider's code.
        final: Whether the run sends the request no more: after an answer, a failure that a retry
            cannot repair, or the last retry. Another run sends it again unless it was answered.
        status: HTTP status; None without a response.
        headers: The headers that are kept, never a key; names in lower case. For a result of a
            batch, `BATCH_ID` with the provider's id of the job.
        body: The body, byte for byte; for a result of a batch, the body in it.
        sent_at: When the attempt began, milliseconds since 1970 UTC.
        received_at: When it ended, milliseconds since 1970 UTC.
        run_id: The run that sent the request.
        route: Id of the route.
        host: Name of its host.
        decision_id: The guard's decision that permitted it.
        input_usd_per_million: The route's price at that time, for tokens of the prompt; None if
            it was unknown, which version 0.1 stored as 0.
        output_usd_per_million: The same for tokens of the completion.
        detail: What went wrong, for a person; "" for an answer. It quotes no text and no key.
    """

    request_id: str
    attempt: int
    outcome: str
    final: bool
    status: int | None
    headers: dict[str, str]
    body: bytes
    sent_at: int
    received_at: int
    run_id: str
    route: str
    host: str
    decision_id: str
    input_usd_per_million: float | None
    output_usd_per_million: float | None
    detail: str = ""

    @property
    def answered(self) -> bool:
        """Whether the teacher answered; the answer may still be unusable."""
        return self.outcome == Outcome.ANSWER


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens as the provider counted them; None if it does not report them.

    Attributes:
        prompt_tokens: Tokens of the prompt, cached or not.
        completion_tokens: Tokens that the model wrote, with its reasoning.
        cached_tokens: Tokens of the prompt that were in the provider's cache.
        reasoning_tokens: Tokens of the completion that are reasoning.
        doubt: Why a count is not as the provider reports it; None if it is.
        beside: Tokens of the completion that the provider counts beside its own count of it.
    """

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    doubt: UsageDoubt | None = None
    beside: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A tool call in an answer.

    Attributes:
        id: The server's id of the call, or "".
        name: Name of the tool.
        arguments: Its arguments as the model wrote them; JSON, unless the model made a mistake.
    """

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """An answer, parsed from a response.

    Attributes:
        text: The text of the answer.
        reasoning: The model's reasoning, or "".
        finish_reason: Why it ended, in one vocabulary for all APIs.
        usage: Tokens, as the provider counted them.
        response_model: The model that the server reports.
        response_id: The server's id of the response, or "".
        system_fingerprint: The server's fingerprint of its configuration, or "".
        refusal: A refusal that the API reports outside the text, or "".
        tool_calls: Its tool calls.
        logprobs: Log probabilities of its tokens; None if the response has none that can be read.
        finish_word: The server's own word for why it ended, or ""; not compared.
    """

    text: str
    reasoning: str
    finish_reason: FinishReason
    usage: Usage
    response_model: str
    response_id: str
    system_fingerprint: str
    refusal: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    logprobs: Logprobs | None = None
    finish_word: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Malformed:
    """Why no completion can be parsed from a response.

    Attributes:
        reason: Reason code.
        detail: What was found and expected, for a person. It quotes nothing of the answer.
    """

    reason: MalformedReason
    detail: str
