"""OpenAI's Batch API: a file of requests is uploaded, then a second call makes a job from it.

Fields: https://platform.openai.com/docs/api-reference/batch. A job keeps its metadata, which hold
the intent's id, so a job is found again by this id or by its input file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

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
from transforms.providers.wire import Unreadable, read_label, read_object, read_objects

ENDPOINT = "/v1/chat/completions"  # the API's path inside a batch, on any server
METADATA_KEY = "stillroom-intent"

_PAGE = 100  # jobs in one page of the list, at most
_ENDED = frozenset({"cancelled", "completed", "expired", "failed"})
_FILES = ("output_file_id", "error_file_id")
_ENCODER = json.JSONEncoder(separators=(",", ":"))


class OpenAiBatches:
    """The batch protocol of `openai-chat`."""

    most_requests = 50_000  # both: https://platform.openai.com/docs/guides/batch
    most_bytes = 200_000_000
    uploads = True

    def entry(self, request_id: str, call: HttpCall) -> bytes:
        """Returns one request's entry in the body."""
        head = {"custom_id": request_id, "method": "POST", "url": ENDPOINT}
        return _ENCODER.encode(head)[:-1].encode() + b',"body":' + call.body + b"}"

    def body_format(self, name: str) -> BodyFormat:
        """Returns how entries are joined: as a file in a multipart form (RFC 7578)."""
        border = f"stillroom-{name}"
        opening = (
            f"--{border}\r\n"
            'Content-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
            f"--{border}\r\n"
            f'Content-Disposition: form-data; name="file"; filename="{name}.jsonl"\r\n'
            "Content-Type: application/jsonl\r\n\r\n"
        )
        return BodyFormat(
            path="/files",
            content_type=f"multipart/form-data; boundary={border}",
            opening=opening.encode(),
            between=b"\n",
            closing=f"\n\r\n--{border}--\r\n".encode(),
        )

    def read_upload(self, body: bytes) -> str:
        """Returns the id of an uploaded file."""
        return read_id(read_object(body), "id")

    def create(self, intent_id: str, upload: str) -> HttpCall:
        """Returns the call that makes a job from an uploaded file."""
        wanted = {
            "input_file_id": upload,
            "endpoint": ENDPOINT,
            "completion_window": "24h",
            "metadata": {METADATA_KEY: intent_id},
        }
        return HttpCall("/batches", _ENCODER.encode(wanted).encode())

    def job_path(self, job_id: str) -> str:
        """Returns the path of a job."""
        return f"/batches/{job_id}"

    def list_path(self) -> str:
        """Returns the path that lists jobs."""
        return f"/batches?limit={_PAGE}"

    def read_job(self, body: bytes) -> BatchJob:
        """Returns a job from a response."""
        return _job(read_object(body))

    def read_page(self, body: bytes) -> BatchPage:
        """Returns a page of jobs from a response."""
        data = read_object(body)
        jobs = tuple(_job(each) for each in read_objects(data.get("data"), "data"))
        more = bool(data.get("has_more")) and jobs
        return BatchPage(jobs, f"{self.list_path()}&after={jobs[-1].id}" if more else "")

    def match(self, job: BatchJob, intent_id: str, upload: str, size: int) -> Match:
        """Returns whether a job belongs to an intent."""
        return "yes" if job.intent_id == intent_id or (upload and job.input == upload) else "no"

    def read_result(self, line: bytes) -> BatchResult:
        """Returns the result in one line of an output or error file."""
        data, text = read_line(line)
        response = data.get("response")
        if isinstance(response, dict) and isinstance(response.get("status_code"), int):
            body = member_bytes(text, "response", "body") if "body" in response else b""
            return http_result(data["custom_id"], response["status_code"], body)
        return unanswered_result(data["custom_id"], _label(data.get("error"), "code"))


def _job(data: Mapping[str, Any]) -> BatchJob:
    status, created = data.get("status"), data.get("created_at")
    if not isinstance(status, str):
        raise Unreadable(MalformedReason.NO_STATUS, "a batch without a status")
    return BatchJob(
        id=read_id(data, "id"),
        ended=status in _ENDED,
        created=int(created * 1000) if isinstance(created, int | float) else 0,
        results=tuple(f"/files/{read_id(data, name)}/content" for name in _FILES if data.get(name)),
        failed=_problem(data.get("errors")) if status == "failed" else "",
        intent_id=_label(data.get("metadata"), METADATA_KEY),
        input=read_label(data.get("input_file_id")),
    )


def _problem(errors: object) -> str:
    """Returns the code of a job's first error; never its message, which may quote a prompt."""
    found = errors.get("data") if isinstance(errors, dict) else None
    first = found[0] if isinstance(found, list) and found else None
    return _label(first, "code") or "failed"


def _label(value: object, name: str) -> str:
    return read_label(value.get(name)) if isinstance(value, dict) else ""


PROTOCOL = OpenAiBatches()
