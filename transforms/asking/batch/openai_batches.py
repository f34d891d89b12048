"""OpenAI's Batch API: a file of requests is uploaded, and a job is made of it.

Fields: https://platform.openai.com/docs/api-reference/batch. A job keeps the metadata that it is
made with, so the intent's id stands there, and a job is found again by it; or by its input file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from transforms.asking.batch.protocols import BatchJob, BatchPage, Match, Package, id_of
from transforms.asking.batch.results import Result, answered, bytes_at, read_line, undone
from transforms.providers.apis import HttpCall
from transforms.providers.wire import Unreadable, read_label, read_object, read_objects

ENDPOINT = "/v1/chat/completions"  # what a batch calls the API, wherever it is served
MARK = "stillroom-intent"  # the metadata's key

_PAGE = 100  # the most that a list shows at once
_ENDED = frozenset({"cancelled", "completed", "expired", "failed"})
_FILES = ("output_file_id", "error_file_id")
_ENCODER = json.JSONEncoder(separators=(",", ":"))


class OpenAiBatches:
    """The batch protocol of `openai-chat`."""

    most_requests = 50_000  # both: https://platform.openai.com/docs/guides/batch
    most_bytes = 200_000_000
    uploads = True

    def entry(self, request_id: str, call: HttpCall) -> bytes:
        """Returns what stands in the body for one request."""
        head = {"custom_id": request_id, "method": "POST", "url": ENDPOINT}
        return _ENCODER.encode(head)[:-1].encode() + b',"body":' + call.body + b"}"

    def package(self, name: str) -> Package:
        """Returns what stands around the entries: the parts of a form (RFC 7578)."""
        border = f"stillroom-{name}"
        opening = (
            f"--{border}\r\n"
            'Content-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
            f"--{border}\r\n"
            f'Content-Disposition: form-data; name="file"; filename="{name}.jsonl"\r\n'
            "Content-Type: application/jsonl\r\n\r\n"
        )
        closing = f"\n\r\n--{border}--\r\n"
        content_type = f"multipart/form-data; boundary={border}"
        return Package("/files", content_type, opening.encode(), b"\n", closing.encode())

    def read_upload(self, body: bytes) -> str:
        """Returns the id of an uploaded file."""
        return id_of(read_object(body), "id")

    def create(self, intent_id: str, upload: str) -> HttpCall:
        """Makes the call that makes a job of a file."""
        wanted = {
            "input_file_id": upload,
            "endpoint": ENDPOINT,
            "completion_window": "24h",
            "metadata": {MARK: intent_id},
        }
        return HttpCall("/batches", _ENCODER.encode(wanted).encode())

    def job_path(self, job_id: str) -> str:
        """Returns where a job is found."""
        return f"/batches/{job_id}"

    def list_path(self) -> str:
        """Returns where jobs are listed."""
        return f"/batches?limit={_PAGE}"

    def read_job(self, body: bytes) -> BatchJob:
        """Reads what is said of a job."""
        return _job(read_object(body))

    def read_page(self, body: bytes) -> BatchPage:
        """Reads a page of jobs."""
        data = read_object(body)
        jobs = tuple(_job(each) for each in read_objects(data.get("data"), "data"))
        more = bool(data.get("has_more")) and jobs
        return BatchPage(jobs, f"{self.list_path()}&after={jobs[-1].id}" if more else "")

    def match(self, job: BatchJob, intent_id: str, upload: str, size: int) -> Match:
        """Tells whether a job is an intent's."""
        return "yes" if job.mark == intent_id or (upload and job.input == upload) else "no"

    def read_result(self, line: bytes) -> Result:
        """Reads one line of an output or error file."""
        data, text = read_line(line)
        response = data.get("response")
        if isinstance(response, dict) and isinstance(response.get("status_code"), int):
            body = bytes_at(text, "response", "body") if "body" in response else b""
            return answered(data["custom_id"], response["status_code"], body)
        return undone(data["custom_id"], _label(data.get("error"), "code"))


def _job(data: Mapping[str, Any]) -> BatchJob:
    status, created = data.get("status"), data.get("created_at")
    if not isinstance(status, str):
        raise Unreadable("no_status", "a batch without a status")
    return BatchJob(
        id=id_of(data, "id"),
        ended=status in _ENDED,
        created=int(created * 1000) if isinstance(created, int | float) else 0,
        results=tuple(f"/files/{id_of(data, name)}/content" for name in _FILES if data.get(name)),
        failed=_problem(data.get("errors")) if status == "failed" else "",
        mark=_label(data.get("metadata"), MARK),
        input=read_label(data.get("input_file_id")),
    )


def _problem(errors: object) -> str:
    """Returns the code of the first of a job's errors; never its message, which may quote."""
    found = errors.get("data") if isinstance(errors, dict) else None
    first = found[0] if isinstance(found, list) and found else None
    return _label(first, "code") or "failed"


def _label(value: object, name: str) -> str:
    return read_label(value.get(name)) if isinstance(value, dict) else ""


PROTOCOL = OpenAiBatches()
