"""A request: one prompt to one teacher, with its settings and its sample index."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from schemas.canonical import canonical_json, digest
from schemas.prompts import Message, Prompt

# Limit for an answer without `max_tokens` or `max_completion_tokens`. It is reserved in the budget,
# but sent only to an API that requires a limit. So an answer may be longer and cost more.
DEFAULT_COMPLETION_TOKENS = 4096

# Raise it when the identity below changes, and add the step to `transforms.ledger.migrate`:
# ledgers of an older scheme are refused until they are migrated.
SCHEME = 2
_REPAIR_SCHEME = 1  # raise it to ask all follow-ups again
EXTRA = "extra"  # what a teacher's `extra` is called among the parameters of a request
# At most so many digits give the bucket and slice: a follow-up is in those of its request.
_SHARED_DIGITS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One prompt to one teacher.

    Attributes:
        request_id: Digest of what is asked; see `identity`.
        prompt: The prompt asked.
        teacher: Id of the route.
        model: The model's name, as the teacher's API knows it.
        revision: Revision of the weights, or "" if the provider names none.
        messages: The messages sent: the run's system prompt, if any, then the prompt's messages.
        parameters: Sampling parameters as canonical JSON, with the seed of this sample, and with
            what is sent beside them under `EXTRA`.
        sample_index: Number of the sample of this prompt, from 0.
        repair: Whether an answer that violates its JSON Schema gets a follow-up; not part of the
            id.
    """

    request_id: str
    prompt: Prompt
    teacher: str
    model: str
    revision: str
    messages: tuple[Message, ...]
    parameters: str
    sample_index: int
    repair: bool = False


def make_request(
    prompt: Prompt,
    *,
    teacher: str,
    model: str,
    revision: str,
    system: str,
    parameters: Mapping[str, Any],
    sample_index: int,
    repair: bool = False,
) -> Request:
    """Returns the request for one sample of an answer to a prompt.

    Endpoint, key and price are not part of its id: the same question to the same model has the
    same id at every endpoint. A seed is raised by one for each sample, since a teacher would give
    the same answer to the same seed.

    Args:
        prompt: The prompt.
        teacher: Id of the route.
        model: The model's name at the teacher.
        revision: Revision of the weights, or "".
        system: The run's system prompt, or "".
        parameters: Sampling parameters as the run file has them: `TeacherChoice.settings`.
        sample_index: Number of the sample, from 0.
        repair: Whether an answer that violates its JSON Schema gets a follow-up.
    """
    messages = (Message("system", system), *prompt.messages) if system else prompt.messages
    settings = dict(parameters)
    if "seed" in settings:
        settings["seed"] += sample_index
    question = identity(
        teacher=teacher,
        model=model,
        revision=revision,
        messages=[{"role": turn.role, "content": turn.content} for turn in messages],
        settings=settings,
        sample_index=sample_index,
    )
    return Request(
        request_id=digest(question),
        prompt=prompt,
        teacher=teacher,
        model=model,
        revision=revision,
        messages=messages,
        parameters=canonical_json(settings),
        sample_index=sample_index,
        repair=repair,
    )


def identity(
    *,
    teacher: str,
    model: str,
    revision: str,
    messages: Sequence[Mapping[str, str]],
    settings: Mapping[str, Any],
    sample_index: int,
    scheme: int = SCHEME,
) -> dict[str, Any]:
    """Returns the value whose digest is a request's id.

    Args:
        teacher: Id of the route.
        model: The model's name at the teacher.
        revision: Revision of the weights, or "".
        messages: Role and content of each message sent.
        settings: Sampling parameters, with the seed of this sample.
        sample_index: Number of the sample, from 0.
        scheme: Number of the scheme.
    """
    return {
        "scheme": scheme,
        "teacher": teacher,
        "model": model,
        "revision": revision,
        "messages": messages,
        "tools": settings.get("tools"),
        "response_format": settings.get("response_format"),
        "parameters": settings,
        "sample_index": sample_index,
    }


def repair_id(request_id: str, answer: str) -> str:
    """Returns the id of the follow-up that asks to correct an answer.

    It depends on the request and the answer, not on the wording of the follow-up. Its first digits
    are the request's.

    Args:
        request_id: Id of the answered request.
        answer: Text of its answer.
    """
    content = {"scheme": _REPAIR_SCHEME, "repairs": request_id, "answer": answer}
    return request_id[:_SHARED_DIGITS] + digest(content)[_SHARED_DIGITS:]


def completion_limit(parameters: str) -> int:
    """Returns the most tokens that a completion may have.

    Args:
        parameters: A request's parameters as canonical JSON.

    Returns:
        Its `max_tokens` or `max_completion_tokens`, else `DEFAULT_COMPLETION_TOKENS`.
    """
    return min(_limits(parameters), default=DEFAULT_COMPLETION_TOKENS)


def limits_completion(parameters: str) -> bool:
    """Returns whether a request's parameters, as canonical JSON, limit the completion."""
    return bool(_limits(parameters))


@functools.lru_cache(maxsize=256)
def _limits(parameters: str) -> tuple[int, ...]:
    settings = request_settings(parameters)
    limits = (settings.get(name) for name in ("max_tokens", "max_completion_tokens"))
    return tuple(int(limit) for limit in limits if limit)


@functools.lru_cache(maxsize=256)
def request_settings(parameters: str) -> dict[str, Any]:
    """Returns a request's parameters as a dictionary. Cached, as many requests share them."""
    settings: dict[str, Any] = json.loads(parameters)
    return settings
