"""A request: one prompt to one teacher, with its settings and its sample index."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from schemas.canonical import canonical_json, digest
from schemas.prompts import Message, Prompt

# Reserved for an answer whose length nobody limited. Only an API that insists on a limit is sent
# it; elsewhere an answer may be longer, so a budget holds to the last cent only where `max_tokens`
# or `max_completion_tokens` is set.
DEFAULT_COMPLETION_TOKENS = 4096

# Raise it when the identity below changes, and teach `transforms.ledger.migrate` the step:
# ledgers of an older scheme are refused until they are migrated.
SCHEME = 2
_REPAIR_SCHEME = 1  # raise it when a follow-up is to be another one: it is then asked anew
# As many digits as name a bucket at most: so a follow-up is of its request's bucket and slice.
_SHARED_DIGITS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One prompt to one teacher.

    Attributes:
        request_id: The question's identity, see `make_request`.
        prompt: The prompt asked.
        teacher: Id of the route.
        model: The model's name, as the teacher's API knows it.
        revision: Revision of the weights, or "" where the provider names none.
        messages: What is sent: the run's system prompt, if any, before the prompt's messages.
        parameters: Sampling parameters as canonical JSON, with the seed of this very sample.
        sample_index: Which of the samples of this prompt, from 0.
        repair: Whether an answer that violates its JSON Schema is asked for once more; no part of
            the identity.
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
    """Makes the request that asks a teacher for one sample of an answer to a prompt.

    Endpoint, key and price are no part of its identity: the same question to the same model is
    the same question, wherever it is asked. A seed, where given, moves on by one a sample:
    a teacher that honours it would otherwise give every sample the same answer.

    Args:
        prompt: What to ask.
        teacher: Id of the route.
        model: The model's name at the teacher.
        revision: Revision of the weights, or "".
        system: The run's system prompt, or "".
        parameters: Sampling parameters as the run file has them.
        sample_index: Which sample, from 0.
        repair: Whether an answer that violates its JSON Schema is asked for once more.

    Returns:
        The request with its id.
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
    """Returns what a request's id is the digest of.

    Args:
        teacher: Id of the route.
        model: The model's name at the teacher.
        revision: Revision of the weights, or "".
        messages: Role and content of each message sent.
        settings: Sampling parameters, with the seed of this very sample.
        sample_index: Which sample, from 0.
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

    It is that of the request and the answer, not of our wording, and begins with the request's
    own digits.

    Args:
        request_id: The request that was answered.
        answer: Its answer.
    """
    content = {"scheme": _REPAIR_SCHEME, "repairs": request_id, "answer": answer}
    return request_id[:_SHARED_DIGITS] + digest(content)[_SHARED_DIGITS:]


def completion_limit(parameters: str) -> int:
    """Returns how many tokens a completion may have.

    Args:
        parameters: A request's parameters as canonical JSON.

    Returns:
        Its `max_tokens` or `max_completion_tokens`, else `DEFAULT_COMPLETION_TOKENS`.
    """
    settings = request_settings(parameters)
    limits = (settings.get(name) for name in ("max_tokens", "max_completion_tokens"))
    return min((int(limit) for limit in limits if limit), default=DEFAULT_COMPLETION_TOKENS)


@functools.lru_cache(maxsize=256)
def request_settings(parameters: str) -> dict[str, Any]:
    """Returns a request's parameters; many requests have the same."""
    settings: dict[str, Any] = json.loads(parameters)
    return settings
