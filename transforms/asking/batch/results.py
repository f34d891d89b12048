"""One line of a job's results: its request, its outcome, and the bytes of its answer."""

from __future__ import annotations

import json
import re
from dataclasses import KW_ONLY, dataclass
from typing import Any

from schemas.codes import MalformedReason, Outcome
from transforms.dialects.error_codes import Meaning
from transforms.providers.http_client import Exchange
from transforms.providers.meaning import ReplyReading, read_code
from transforms.providers.retry import judge
from transforms.providers.wire import Unreadable, read_object
from transforms.transport.bodies import cut_refused

_decode_at = json.JSONDecoder().raw_decode
_BLANK = re.compile(r"[ \t\r\n]*")
_CODE = re.compile(r"[a-z0-9_]{1,48}")
# Not done because time ran out or the job was cancelled: asking again may help.
# OpenAI's three codes: https://platform.openai.com/docs/api-reference/batch/request-output
_TRANSIENT = frozenset(
    {
        Outcome.BATCH_CANCELLED,
        Outcome.BATCH_EXPIRED,
        Outcome.BATCH_LOST,
        Outcome.BATCH_MISSING,
        Outcome.BATCH_REQUEST_TIMEOUT,
        Outcome.BATCH_TOKEN_LIMIT_EXCEEDED,  # too many tokens were queued at the provider
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchResult:
    """The result of one request of a job.

    Attributes:
        request_id: The request.
        outcome: As in a `Response`: `answer`, `http_NNN`, or `batch_…` with the provider's code.
        status: HTTP status of the answer in it; None where there is none.
        body: The body of that answer, byte for byte.
        detail: What went wrong, for a person; "" for an answer.
        reading: What it means, as for a live response.
    """

    request_id: str
    outcome: str
    _: KW_ONLY
    status: int | None = None
    body: bytes = b""
    detail: str = ""
    reading: ReplyReading

    @property
    def final(self) -> bool:
        """Whether the run asks the request no more; one without money is left to a later run."""
        return not self.reading.may_pass and self.reading.meaning is not Meaning.MONEY


def http_result(request_id: str, status: int, body: bytes) -> BatchResult:
    """Returns the result of a request that got an HTTP response."""
    good = 200 <= status < 300
    outcome = Outcome.ANSWER if good else f"http_{status}"
    detail = "" if good else f"HTTP {status} in a batch"
    exchange, reading = judge(Exchange(outcome, status=status, body=body, detail=detail))
    return BatchResult(
        request_id=request_id,
        outcome=exchange.outcome,
        status=status,
        body=body if exchange.answered else cut_refused(body),
        detail=exchange.detail,
        reading=reading,
    )


def unanswered_result(request_id: str, code: str) -> BatchResult:
    """Returns the result of a request that got no HTTP response.

    Args:
        request_id: The request.
        code: The provider's reason.
    """
    named = code.removeprefix("batch_")
    named = named if _CODE.fullmatch(named) else "error"
    outcome = f"batch_{named}"
    detail = f"the batch left it undone: {named}"
    passes = ReplyReading(Meaning.TRANSIENT, named)
    reading = passes if outcome in _TRANSIENT else read_code(named)
    return BatchResult(request_id=request_id, outcome=outcome, detail=detail, reading=reading)


def read_line(line: bytes) -> tuple[dict[str, Any], str]:
    """Returns a line of results as an object and as text.

    Args:
        line: As received.

    Raises:
        Unreadable: The line is no object, or has no `custom_id`.
    """
    data = read_object(line)
    if not isinstance(data.get("custom_id"), str):
        raise Unreadable(MalformedReason.NO_ID, "a result without a custom_id")
    return data, line.decode("utf-8-sig")


def member_bytes(text: str, *path: str) -> bytes:
    """Returns the bytes of a value inside a JSON object, unchanged.

    Args:
        text: The object; valid JSON.
        path: Names of members, outermost first; each exists.
    """
    for name in path:
        text = _member(text, name)
    return text.encode()


def _member(text: str, name: str) -> str:
    at = _after_blank(text, text.index("{") + 1)
    while True:
        key, at = _decode_at(text, at)
        start = _after_blank(text, _after_blank(text, at) + 1)  # beyond the colon
        _, end = _decode_at(text, start)
        if key == name:
            return text[start:end]
        at = _after_blank(text, _after_blank(text, end) + 1)  # beyond the comma


def _after_blank(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    return found.end() if found else at
