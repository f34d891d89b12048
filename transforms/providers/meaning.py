"""Decides what the end of an attempt means: the one place that judges status, headers and body.

It drives the retries (`retry.py`), what is final in the ledger, when a route stops, and the exit
code. It depends on what is stored alone, so an old ledger is judged by today's rows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from schemas.codes import MalformedReason, Outcome
from schemas.responses import Response
from transforms.dialects.error_codes import CLARIFYING_PHRASES, CODES, PHRASES, Meaning, Row

# An object that holds the list in which each of the APIs returns an answer. Quotes within a text
# are escaped, so no text is mistaken for it.
_HOLDS_ANSWER = re.compile(rb'"(?:choices|content|candidates)"\s*:\s*\[\s*\{')
_TRANSIENT_STATUS = frozenset({408, 409, 425, 429})
_TRANSIENT_OUTCOMES = frozenset(
    {
        Outcome.TIMEOUT,
        Outcome.CONNECT_TIMEOUT,
        Outcome.CONNECTION_FAILED,
        Outcome.CONNECTION_CLOSED,
        Outcome.BAD_HTTP,
        Outcome.KEY_NOT_RENEWED,
        Outcome.OTHER_ANSWER,
        Outcome.LOST,
    }
)
# The outcomes of responses with status 2xx that hold no answer.
NO_ANSWER = frozenset(
    {
        MalformedReason.EMPTY_BODY,
        MalformedReason.ERROR_OBJECT,
        MalformedReason.HTML,
        MalformedReason.NOT_JSON,
        MalformedReason.NO_CANDIDATES,
        MalformedReason.NO_CHOICES,
        MalformedReason.NO_CONTENT,
        MalformedReason.WRONG_TYPE,
    }
)
NO_ANSWER_DETAIL = "status 2xx without an answer"
_PAYMENT_REQUIRED = 402
_MOST_ERROR_BYTES = 2**18  # an error is short; what is longer is judged by its status
_MOST_WORDS = 120
# `error_code`: Databricks; `error_type`: TGI.
_CODE_NAMES = ("code", "error_code", "error_type", "type", "status")
_CODE = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9_.:-]{1,64}\Z")
_NAMES_KEY = re.compile(r"api[ _-]?key", re.IGNORECASE)
# What may be a key or an id: never shown.
_SECRET = re.compile(r"[A-Za-z0-9+/_*-]{20,}")


@dataclass(frozen=True, slots=True)
class ReplyReading:
    """What an attempt means.

    Attributes:
        meaning: The class.
        code: The server's own code, "" without one.
        words: The first words of the server's message, in one line. They may quote the prompt.
        status: The HTTP status; for an error within a response with status 2xx, the error's own.
    """

    meaning: Meaning
    code: str = ""
    words: str = ""
    status: int | None = None

    @property
    def may_pass(self) -> bool:
        """Whether sending the request again in this run may help."""
        return self.meaning in (Meaning.TRANSIENT, Meaning.NOT_AN_ANSWER)


@dataclass(frozen=True, slots=True)
class _Error:
    codes: tuple[str, ...] = ()
    message: str = ""
    status: int | None = None


_ANSWER = ReplyReading(Meaning.ANSWER)


def read_meaning(
    outcome: str, status: int | None, headers: Mapping[str, str], body: bytes
) -> ReplyReading:
    """Returns what the end of an attempt means.

    Args:
        outcome: Its outcome.
        status: HTTP status; None without a response.
        headers: Headers of the response, names in lower case.
        body: The body as received.
    """
    if outcome == Outcome.ANSWER and lacks_answer(body) is None:
        return _ANSWER
    if outcome == Outcome.ANSWER or outcome in NO_ANSWER:
        error = _read_error(body)
        return _judge(error, error.status or 200, headers)
    if outcome in _TRANSIENT_OUTCOMES:
        return ReplyReading(Meaning.TRANSIENT)
    if status is None or not outcome.startswith("http_"):
        return ReplyReading(Meaning.REQUEST)
    return _judge(_read_error(body), status, headers)


def read_code(code: str) -> ReplyReading:
    """Returns what a server's code means that comes without an HTTP response, as for a batch."""
    row = CODES.get(code.lower())
    return ReplyReading(row.meaning if row else Meaning.REQUEST, code)


def refuses_prompt(response: Response) -> bool:
    """Returns whether the server refused the prompt itself, so that it would refuse it again."""
    came = response.outcome, response.status, response.headers, response.body
    return read_meaning(*came).meaning is Meaning.PROMPT


def lacks_answer(body: bytes) -> MalformedReason | None:
    """Returns why a body of a response with status 2xx holds no answer; None where it holds one.

    An answer that is cut off or otherwise unreadable is one: it may be paid for, and asking again
    would pay for another. A body of the usual form is not parsed for this.

    Args:
        body: As received.
    """
    if body[:1] == b"{" and _HOLDS_ANSWER.search(body) and b'"error"' not in body:
        return None
    text = body.decode("utf-8-sig", "replace").strip()
    if not text:
        return MalformedReason.EMPTY_BODY
    if text.startswith("<"):
        return MalformedReason.HTML
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None if text[0] in "{[" else MalformedReason.NOT_JSON
    return _lacks_answer(value)


def _lacks_answer(value: object) -> MalformedReason | None:
    if isinstance(value, list) and value and isinstance(value[0], dict):
        value = value[0]  # Gemini's OpenAI form returns an error in a list
    if not isinstance(value, dict):
        return MalformedReason.WRONG_TYPE
    choice = _first(value.get("choices"))
    failed = choice.get("error") or choice.get("finish_reason") == "error"
    if value.get("error") or failed:
        return MalformedReason.ERROR_OBJECT
    blocked = _object(value.get("promptFeedback")).get("blockReason")
    listed = any(_holds_object(value.get(name)) for name in ("choices", "candidates"))
    return None if listed or value.get("content") is not None or blocked else _missing(value)


def _missing(value: Mapping[str, Any]) -> MalformedReason:
    """Returns what an object lacks, by the API that it seems to be of."""
    if value.get("object") == "error":
        return MalformedReason.ERROR_OBJECT
    if not {"candidates", "promptFeedback", "usageMetadata", "modelVersion"}.isdisjoint(value):
        return MalformedReason.NO_CANDIDATES
    return (
        MalformedReason.NO_CONTENT if value.get("type") == "message" else MalformedReason.NO_CHOICES
    )


def _judge(error: _Error, status: int, headers: Mapping[str, str]) -> ReplyReading:
    """Returns the meaning of an error: by its codes, then by its message, then by its status."""
    message = error.message.lower()
    named = next((code for code in error.codes if _by_code(code, status)), "")
    row = (
        _by_phrase(CLARIFYING_PHRASES, message, status)
        or _by_code(named, status)
        or _by_phrase(PHRASES, message, status)
    )
    meaning = row.meaning if row else _by_status(status, error, headers)
    code = named or next((code for code in error.codes if _CODE.match(code)), "")
    return ReplyReading(meaning, code, _shorten(error.message), status)


def _by_code(code: str, status: int) -> Row | None:
    row = CODES.get(code.lower())
    return row if row and row.fits(status) else None


def _by_phrase(rows: Iterable[Row], message: str, status: int) -> Row | None:
    return next((row for row in rows if row.fits(status) and row.text in message), None)


def _by_status(status: int, error: _Error, headers: Mapping[str, str]) -> Meaning:
    if status in (401, 403) and _NAMES_KEY.search(error.message):
        return Meaning.ACCOUNT
    if status == _PAYMENT_REQUIRED:
        # OpenRouter names a wait where requests in flight hold the rest of the money:
        # https://openrouter.ai/docs/api/reference/errors-and-debugging
        return Meaning.TRANSIENT if "retry-after" in headers else Meaning.MONEY
    if status in _TRANSIENT_STATUS or 500 <= status < 600:
        return Meaning.TRANSIENT
    return Meaning.NOT_AN_ANSWER if 200 <= status < 300 else Meaning.REQUEST


def read_error_body(body: bytes) -> Mapping[str, Any]:
    """Returns the error object of a body, whatever the server; {} where there is none."""
    if len(body) > _MOST_ERROR_BYTES:
        return {}
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    value = value[0] if isinstance(value, list) and value else value
    data = _object(value)
    if "base_resp" in data and "error" not in data:
        return _read_base_resp(_object(data["base_resp"]))
    choice = _first(data.get("choices"))
    found = data.get("error") or choice.get("error") or _first(data.get("errors")) or data
    if isinstance(found, str):  # xAI: {"code": …, "error": "…"}; TGI: {"error": "…", "error_type"}
        return {**data, "message": found}
    if isinstance(data.get("detail"), str):  # FastAPI: llama-cpp-python's refusal of a key
        return {**data, "message": data["detail"]}
    return _object(found)


def _read_base_resp(base: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns MiniMax's status as an error whose message ends with its number, as its other forms.

    https://platform.minimax.io/docs/api-reference/errorcode.md
    """
    return {"message": f"{base.get('status_msg')} ({base.get('status_code')})"}


def _read_error(body: bytes) -> _Error:
    error = read_error_body(body)
    number = error.get("code")
    message = error.get("message")
    return _Error(
        tuple(_codes(error)),
        message if isinstance(message, str) else "",
        number if isinstance(number, int) and 300 <= number < 600 else None,
    )


def _codes(error: Mapping[str, Any]) -> Iterator[str]:
    """Yields the codes of an error, the most specific first."""
    inner = _object(error.get("innererror"))  # Azure
    metadata = _object(error.get("metadata"))
    reasons = [detail.get("reason") for detail in read_details(error)]
    named = [error.get(name) for name in _CODE_NAMES]
    if "flagged_input" in metadata:
        # Moderation at OpenRouter: https://openrouter.ai/docs/api/reference/errors-and-debugging
        yield "content_filter"
    yield from (code for code in (*reasons, inner.get("code"), *named) if isinstance(code, str))


def read_details(error: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Returns the details of one of Google's errors (https://google.aip.dev/193)."""
    details = error.get("details")
    return [_object(each) for each in details] if isinstance(details, list) else []


def _shorten(message: str) -> str:
    """Returns a message's first words without control characters, and without what may be a key."""
    line = " ".join("".join(each if each.isprintable() else " " for each in message[:1000]).split())
    line = _SECRET.sub("…", line)
    return line if len(line) <= _MOST_WORDS else f"{line[: _MOST_WORDS - 1]}…"


def _holds_object(value: object) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _first(value: object) -> Mapping[str, Any]:
    return _object(value[0]) if isinstance(value, list) and value else {}


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
