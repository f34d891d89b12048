"""Asks once more for an answer that does not keep to the JSON Schema that was asked for.

The follow-up shows the teacher its answer and what is wrong with it. It is a request like any
other, with an id, a reservation and a place in the ledger of its own, and it is never followed by
another one.
"""

from __future__ import annotations

from dataclasses import replace

from schemas.prompts import Message
from schemas.requests import Request, repair_id
from schemas.responses import Completion
from transforms.filters.json_schema import SchemaViolation, schema_asked_for, violation
from transforms.ledger import ReaderLike
from transforms.providers.apis import Api
from transforms.providers.tokens import TOKENS_PER_MESSAGE, Tokens, estimated_tokens, most_tokens

_MOST_CHARACTERS = 400  # of what is wrong: it may quote the answer, however long that is
_REQUEST = (
    "Your answer does not keep to the JSON Schema that was asked for: {wrong}\n"
    "Answer again with the corrected JSON alone."
)
_MOST_ADDED_TOKENS = 2 * TOKENS_PER_MESSAGE + _MOST_CHARACTERS + len(_REQUEST)
# A refusal is no mistake, what was cut would be cut again, and who calls a tool has not answered.
_FINAL = ("length", "content_filter", "tool_calls")


def may_need_repair(request: Request) -> bool:
    """Tells whether an answer to a request can lead to a follow-up."""
    return request.repair and bool(schema_asked_for(request.parameters))


def repair_request(request: Request, completion: Completion) -> Request | None:
    """Returns the follow-up to an answer, or None where there is nothing to be mended.

    Its id is that of the question and the answer to be mended, not of our wording. Its leading
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
    """Returns how an answer violates the schema that was asked for; None where it does not."""
    schema = schema_asked_for(request.parameters)
    return violation(completion.text, schema) if schema else None


def open_repair(ledger: ReaderLike, api: Api, request: Request) -> Request | None:
    """Returns the follow-up to a request's answer in the ledger, where that is yet to be asked.

    Args:
        ledger: Holds the answer.
        api: Reads it.
        request: What was answered.
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


def repair_tokens(request: Request) -> Tokens:
    """Returns how many tokens a follow-up to a request takes at most, by our own count."""
    asked, limit = estimated_tokens(request), most_tokens(request).completion
    return Tokens(asked.prompt + limit + _MOST_ADDED_TOKENS, limit)


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_CHARACTERS else f"{text[: _MOST_CHARACTERS - 1]}…"
