"""Anthropic's Message Batches API: the call that makes a job carries its requests.

Fields: https://platform.claude.com/docs/en/api/creating-message-batches. Only the ids in a job's
results show whose job it is, and they can be read once it has ended; before that, only the number
of its requests is known. The address that a job gives for its results is not used: they are read
from the route's own endpoint, so that the key cannot go elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NoReturn

from schemas.codes import MalformedReason
from transforms.asking.batch.protocols import BatchJob, BatchPage, BodyFormat, Match, read_id
from transforms.asking.batch.results import (
    BatchResult,
    http_result,
    member_bytes,
    read_line,
    unanswered_result,
)
from transforms.providers.apis import HttpCall
from transforms.providers.apis.anthropic_messages import PATH as MESSAGES
from transforms.providers.wire import (
    Unreadable,
    read_object,
    read_objects,
    read_token_count,
    sum_counts,
)

PATH = f"{MESSAGES}/batches"

_PAGE = 1000  # jobs in one page of the list, at most
_ENCODER = json.JSONEncoder(separators=(",", ":"))
# https://platform.claude.com/docs/en/api/errors
_STATUS = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}


class AnthropicBatches:
    """The batch protocol of `anthropic-messages`."""

    # Both: https://platform.claude.com/docs/en/build-with-claude/batch-processing
    most_requests = 100_000
    most_bytes = 256_000_000
    uploads = False

    def entry(self, request_id: str, call: HttpCall) -> bytes:
        """Returns one request's entry in the body."""
        return (
            b'{"custom_id":'
            + _ENCODER.encode(request_id).encode()
            + (b',"params":' + call.body + b"}")
        )

    def body_format(self, name: str) -> BodyFormat:
        """Returns how entries are joined: as a JSON array."""
        return BodyFormat(
            path=PATH,
            content_type="application/json",
            opening=b'{"requests":[',
            between=b",",
            closing=b"]}",
        )

    def read_upload(self, body: bytes) -> NoReturn:
        """This API has no uploads."""
        raise AssertionError("one call brings the requests and makes the job")

    def create(self, intent_id: str, upload: str) -> NoReturn:
        """This API has no uploads."""
        raise AssertionError("one call brings the requests and makes the job")

    def job_path(self, job_id: str) -> str:
        """Returns the path of a job."""
        return f"{PATH}/{job_id}"

    def list_path(self) -> str:
        """Returns the path that lists jobs."""
        return f"{PATH}?limit={_PAGE}"

    def read_job(self, body: bytes) -> BatchJob:
        """Returns a job from a response."""
        return _job(read_object(body))

    def read_page(self, body: bytes) -> BatchPage:
        """Returns a page of jobs from a response."""
        data = read_object(body)
        jobs = tuple(_job(each) for each in read_objects(data.get("data"), "data"))
        more = bool(data.get("has_more")) and jobs
        return BatchPage(jobs, f"{self.list_path()}&after_id={jobs[-1].id}" if more else "")

    def match(self, job: BatchJob, intent_id: str, upload: str, size: int) -> Match:
        """Returns whether a job may belong to an intent: it has the same number of requests."""
        return "maybe" if job.size == size else "no"

    def read_result(self, line: bytes) -> BatchResult:
        """Returns the result in one line of a result file."""
        data, text = read_line(line)
        found = data.get("result")
        result = found if isinstance(found, dict) else {}
        kind = result.get("type")
        if kind == "succeeded" and "message" in result:
            return http_result(data["custom_id"], 200, member_bytes(text, "result", "message"))
        if kind == "errored" and isinstance(result.get("error"), dict):
            body = member_bytes(text, "result", "error")
            return http_result(data["custom_id"], _status(result["error"]), body)
        # Anthropic writes "canceled", OpenAI "cancelled": one code for both.
        code = "cancelled" if kind == "canceled" else str(kind)
        return unanswered_result(data["custom_id"], code)


def _job(data: Mapping[str, Any]) -> BatchJob:
    status, name = data.get("processing_status"), read_id(data, "id")
    if not isinstance(status, str):
        raise Unreadable(MalformedReason.NO_STATUS, "a batch without a processing_status")
    ended = status == "ended"
    counts = data.get("request_counts")
    return BatchJob(
        id=name,
        ended=ended,
        created=_milliseconds(data.get("created_at")),
        size=sum_counts(*map(read_token_count, counts.values()))
        if isinstance(counts, dict)
        else None,
        results=(f"{PATH}/{name}/results",) if ended else (),
    )


def _milliseconds(value: object) -> int:
    try:
        return int(datetime.fromisoformat(str(value)).timestamp() * 1000)
    except ValueError:
        raise Unreadable(MalformedReason.NO_TIME, "created_at: no time") from None


def _status(error: Mapping[str, Any]) -> int:
    """Returns the HTTP status of an error; it may be inside another object."""
    inner = error.get("error")
    named = inner if isinstance(inner, dict) else error
    return _STATUS.get(str(named.get("type")), 500)


PROTOCOL = AnthropicBatches()
