"""What came back: the response as received, and the completion that is read out of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from schemas.codes import MalformedReason, Outcome
from schemas.logprobs import Logprobs

# Where `headers` name the job that a response came out of, if it was one of a batch.
BATCH_ID = "batch-id"

FinishReason = Literal["stop", "length", "content_filter", "tool_calls", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What one attempt at a request brought, as it came over the wire. This is what is paid for.

    Attributes:
        request_id: The request asked.
        attempt: Which attempt at it in this run, from 1.
        outcome: An `Outcome`, `http_NNN`, or `batch_…` with a provider's code.
        final: Whether the attempt ended the request in this run: an answer, a failure that a retry
            cannot mend, or the last retry. An answer is never asked again; a failure that was final
            is asked again by another run, and one that was not was left pending.
        status: HTTP status, or None where no response came.
        headers: The few headers that are kept, names in lower case: never a key. Of a batch's
            result, `BATCH_ID` with the provider's id of the job.
        body: The body, byte for byte; of a batch's result, that of the one response in it.
        sent_at: When the attempt began, milliseconds since 1970 UTC.
        received_at: When it ended, milliseconds since 1970 UTC.
        run_id: The run that asked.
        route: Id of the route asked.
        host: Host name asked.
        decision_id: The guard's decision under which it was asked.
        input_usd_per_million: The route's price then, for tokens of the prompt.
        output_usd_per_million: The same for tokens of the completion.
        detail: What went wrong, for a person; "" for an answer. No part of any text or key.
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
    input_usd_per_million: float
    output_usd_per_million: float
    detail: str = ""

    @property
    def answered(self) -> bool:
        """Whether the teacher answered, be the answer of use or not."""
        return self.outcome == Outcome.ANSWER


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens as the provider counted them; None where it did not say.

    Attributes:
        prompt_tokens: All of the prompt's, cached or not.
        completion_tokens: All that the model wrote, its reasoning included.
        cached_tokens: Those of the prompt that the provider had in its cache.
        reasoning_tokens: Those of the completion that were thought and not said.
    """

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A call of a tool that an answer asks for.

    Attributes:
        id: The server's id of the call, or "".
        name: Name of the tool.
        arguments: Its arguments: JSON, if the model wrote any.
    """

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """An answer, read out of a response.

    Attributes:
        text: The answer itself.
        reasoning: What the model thought before it, kept apart; "" where there is none.
        finish_reason: Why it ended, in one vocabulary for all APIs.
        usage: Tokens, as the provider counted them.
        response_model: The model that the server says it used.
        response_id: The server's id of the response, or "".
        system_fingerprint: The server's fingerprint of its set-up, or "".
        refusal: A refusal that the API reports as such, apart from the text; "" for none.
        tool_calls: The calls of tools that it asks for.
        logprobs: Log probabilities of its tokens; None where the server told none that could be
            read, asked or not.
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


@dataclass(frozen=True, slots=True)
class Malformed:
    """A response that holds no answer that could be read.

    Attributes:
        reason: Reason code.
        detail: What was found and expected, for a person; no text of the answer.
    """

    reason: MalformedReason
    detail: str
