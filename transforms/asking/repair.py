"""Makes the follow-up to an answer that violates the JSON Schema of its request.

The follow-up shows the teacher its answer and the error in it. It is a request like any other, with
its own id, reservation and entry in the ledger. There is no follow-up to a follow-up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from schemas.prompts import Message
from schemas.requests import Request, repair_id
from schemas.responses import Completion
from transforms.filters.json_schema import SchemaViolation, schema_asked_for, violation
from transforms.ledger import ReaderLike, WriterLike
from transforms.providers.apis import Api
from transforms.providers.tokens import TOKENS_PER_MESSAGE, Tokens, estimated_tokens, most_tokens

_MOST_CHARACTERS = 400  # of the error, which may quote a long answer
_REQUEST = (
    "Your answer does not keep to the JSON Schema that was asked for: {wrong}\n"
    "Answer again with the corrected JSON alone."
)
_MOST_ADDED_TOKENS = 2 * TOKENS_PER_MESSAGE + _MOST_CHARACTERS + len(_REQUEST)
# A filtered answer is no mistake, a cut one would be cut again, and a tool call is no answer.
_FINAL = ("length", "content_filter", "tool_calls")


def may_need_repair(request: Request) -> bool:
    """Returns whether an answer to a request can have a follow-up."""
    return request.repair and bool(schema_asked_for(request.parameters))


def repair_request(request: Request, completion: Completion) -> Request | None:
    """Returns the follow-up to an answer, or None where there is nothing to repair.

    Its id depends on the request and the answer, not on the wording of the follow-up. Its first
    digits are the request's own.

    Args:
        request: What was asked.
        completion: The answer to it.
    """
    if not may_need_repair(request) or completion.finish_reason in _FINAL or completion.refusal:
        return None
    wrong = mismatch(request, completion)
    if wrong is None or wrong.code == "unchecked" or not completion.text.strip():
        return None
    turns = (
        Message("assistant", completion.text),
        Message("user", _REQUEST.format(wrong=_cut(wrong.explanation))),
    )
    return replace(
        request,
        request_id=repair_id(request.request_id, completion.text),
        messages=(*request.messages, *turns),
        repair=False,
    )


def mismatch(request: Request, completion: Completion) -> SchemaViolation | None:
    """Returns how an answer violates its request's schema; None where it does not."""
    schema = schema_asked_for(request.parameters)
    return violation("the answer", completion.text, schema) if schema else None


def open_repair(ledger: ReaderLike, api: Api, request: Request) -> Request | None:
    """Returns the follow-up to an answer in the ledger; None where there is none left to ask.

    Args:
        ledger: Holds the answer.
        api: Reads the answer.
        request: The answered request.
    """
    if not may_need_repair(request):
        return None
    response = ledger.read(request.request_id)
    completion = api.parse(response.body) if response and response.answered else None
    if not isinstance(completion, Completion):
        return None
    following = repair_request(request, completion)
    known = ledger.outcome(following.request_id) if following else None
    return None if known and known.answered else following


class Repairs:
    """Finds follow-ups in a thread of its own: to check an answer may take a second.

    Args:
        ledger: Holds earlier answers.
        api: Reads answers.
    """

    def __init__(self, ledger: WriterLike, api: Api) -> None:
        self._ledger = ledger
        self._api = api
        self._thread = ThreadPoolExecutor(1, "repairs")

    async def to_new(self, request: Request, body: bytes) -> Request | None:
        """Returns the follow-up to an answer that has just come."""
        return await self._run(self._follow, request, body)

    async def to_known(self, request: Request) -> Request | None:
        """Returns the follow-up to an answer in the ledger, if it is still to be asked."""
        return await self._run(open_repair, self._ledger.snapshot, self._api, request)

    def close(self) -> None:
        """Ends the thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _follow(self, request: Request, body: bytes) -> Request | None:
        completion = self._api.parse(body)
        return repair_request(request, completion) if isinstance(completion, Completion) else None

    async def _run(self, find: Callable[..., Request | None], *given: Any) -> Request | None:
        return await asyncio.get_running_loop().run_in_executor(self._thread, find, *given)


def repair_tokens(request: Request) -> Tokens:
    """Returns the most tokens of a follow-up to a request, by our own count."""
    asked, limit = estimated_tokens(request), most_tokens(request).completion
    return Tokens(asked.prompt + limit + _MOST_ADDED_TOKENS, limit)


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_CHARACTERS else f"{text[: _MOST_CHARACTERS - 1]}…"
