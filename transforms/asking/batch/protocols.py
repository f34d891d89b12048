"""What the batch APIs have in common: a job, a page of jobs, and the protocol of each API.

The module of an API has a constant `PROTOCOL`; `find_protocol` returns it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any, Literal, Protocol

from schemas.codes import MalformedReason
from transforms.asking.batch import MODULES
from transforms.asking.batch.results import BatchResult
from transforms.providers.apis import HttpCall
from transforms.providers.wire import Unreadable

_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")

# Whether a job belongs to an intent; "maybe": only its results can show it.
Match = Literal["yes", "no", "maybe"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchJob:
    """A job as the provider describes it.

    Attributes:
        id: The provider's id.
        ended: Whether it will produce no further results.
        created: When it was made, milliseconds since 1970 UTC.
        size: Number of requests; None where the provider does not report it.
        results: Paths of its results, once it has ended.
        failed: The reason code where the whole job was refused, else "". The provider does and
            charges nothing for such a job.
        intent_id: The intent that it was submitted with, where the provider keeps metadata.
        input: Id of the uploaded file that it was made from, or "".
    """

    id: str
    ended: bool
    created: int
    size: int | None = None
    results: tuple[str, ...] = ()
    failed: str = ""
    intent_id: str = ""
    input: str = ""


@dataclass(frozen=True, slots=True)
class BatchPage:
    """One page of the list of jobs, newest first.

    Attributes:
        jobs: The jobs.
        next: Path of the next page; "" on the last one.
    """

    jobs: tuple[BatchJob, ...]
    next: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyFormat:
    """How the requests of a job are joined in one HTTP body.

    Attributes:
        path: Where the body is posted.
        content_type: Its media type.
        opening: Bytes before the first request.
        between: Bytes between two requests.
        closing: Bytes after the last request.
    """

    path: str
    content_type: str
    opening: bytes
    between: bytes
    closing: bytes


class BatchProtocol(Protocol):
    """A batch API: how jobs are submitted, found, polled and read."""

    @property
    def most_requests(self) -> int:
        """The most requests in one job."""

    @property
    def most_bytes(self) -> int:
        """The largest body of a job, in bytes."""

    @property
    def uploads(self) -> bool:
        """Whether the body is uploaded first and a second call makes the job from it."""

    def entry(self, request_id: str, call: HttpCall) -> bytes:
        """Returns one request's entry in the body."""

    def body_format(self, name: str) -> BodyFormat:
        """Returns how entries are joined; `name` becomes the name of the uploaded file."""

    def read_upload(self, body: bytes) -> str:
        """Returns the id of an uploaded body; raises `Unreadable`."""

    def create(self, intent_id: str, upload: str) -> HttpCall:
        """Returns the call that makes a job from an uploaded body."""

    def job_path(self, job_id: str) -> str:
        """Returns the path of a job."""

    def list_path(self) -> str:
        """Returns the path that lists the account's jobs."""

    def read_job(self, body: bytes) -> BatchJob:
        """Returns a job from a response; raises `Unreadable`."""

    def read_page(self, body: bytes) -> BatchPage:
        """Returns a page of jobs from a response; raises `Unreadable`."""

    def match(self, job: BatchJob, intent_id: str, upload: str, size: int) -> Match:
        """Returns whether a job is the one that was submitted with an intent."""

    def read_result(self, line: bytes) -> BatchResult:
        """Returns the result in one line of a result file; raises `Unreadable`."""


@cache
def find_protocol(api: str) -> BatchProtocol | None:
    """Returns the batch protocol of an API; None where it has no batches."""
    if api not in MODULES:
        return None
    protocol: BatchProtocol = import_module(f"transforms.asking.batch.{MODULES[api]}").PROTOCOL
    return protocol


def read_id(data: Mapping[str, Any], name: str) -> str:
    """Returns an id from a response, safe in a path and in a file's name.

    Args:
        data: The response.
        name: The field that holds the id.

    Raises:
        Unreadable: The field is missing or holds other characters.
    """
    value = data.get(name)
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise Unreadable(MalformedReason.NO_ID, f"{name}: no id of letters, digits, '_' and '-'")
    return value
