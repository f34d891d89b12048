"""The batch APIs that there are: what a job is, and what each provider calls it.

A module that knows one of them holds a constant `PROTOCOL`, and is found by the route's API.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any, Literal, Protocol

from transforms.asking.batch import MODULES
from transforms.asking.batch.results import Result
from transforms.providers.apis import HttpCall
from transforms.providers.wire import Unreadable

_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")

# Whether a job is that of an intent; "maybe": only its results can tell.
Match = Literal["yes", "no", "maybe"]


@dataclass(frozen=True, slots=True)
class BatchJob:
    """What a provider says of a job.

    Attributes:
        id: Its name at the provider.
        ended: Whether nothing more will come of it.
        created: When it was made, milliseconds since 1970 UTC.
        size: Its requests; None where the provider does not say.
        results: Paths of its results, once it has ended.
        failed: Why all of it was refused, as a reason code; "" if it was not. Nothing of such a job
            was done, or is charged.
        mark: Id of the intent that it was submitted with, where the provider kept it.
        input: Id of the file that it was made from, or "".
    """

    id: str
    ended: bool
    created: int
    size: int | None = None
    results: tuple[str, ...] = ()
    failed: str = ""
    mark: str = ""
    input: str = ""


@dataclass(frozen=True, slots=True)
class BatchPage:
    """A page of a list of jobs, the newest first.

    Attributes:
        jobs: The jobs.
        next: Path of the next page; "" where there is none.
    """

    jobs: tuple[BatchJob, ...]
    next: str = ""


@dataclass(frozen=True, slots=True)
class Package:
    """How the requests of a job are put into one body.

    Attributes:
        path: Where it is posted.
        content_type: What it is.
        opening: Before the first request.
        between: Between two of them.
        closing: After the last one.
    """

    path: str
    content_type: str
    opening: bytes
    between: bytes
    closing: bytes


class BatchProtocol(Protocol):
    """How jobs are submitted, found, followed and collected."""

    @property
    def most_requests(self) -> int:
        """How many requests a job may have."""

    @property
    def most_bytes(self) -> int:
        """How large the body of a job may be."""

    @property
    def uploads(self) -> bool:
        """Whether the body is uploaded first, and the job is made from it by a second call."""

    def entry(self, request_id: str, call: HttpCall) -> bytes:
        """Returns what stands in the body for one request."""

    def package(self, name: str) -> Package:
        """Returns what stands around the entries; `name` is what the body is to be called."""

    def read_upload(self, body: bytes) -> str:
        """Returns the id of an uploaded body; raises `Unreadable`."""

    def create(self, intent_id: str, upload: str) -> HttpCall:
        """Makes the call that makes a job of an uploaded body."""

    def job_path(self, job_id: str) -> str:
        """Returns where a job is found."""

    def list_path(self) -> str:
        """Returns where the jobs of the account are listed."""

    def read_job(self, body: bytes) -> BatchJob:
        """Reads what the provider says of a job; raises `Unreadable`."""

    def read_page(self, body: bytes) -> BatchPage:
        """Reads a page of jobs; raises `Unreadable`."""

    def match(self, job: BatchJob, intent_id: str, upload: str, size: int) -> Match:
        """Tells whether a job is the one that was to be submitted with an intent."""

    def read_result(self, line: bytes) -> Result:
        """Reads one line of the results; raises `Unreadable`."""


@cache
def find_protocol(api: str) -> BatchProtocol | None:
    """Returns the batch protocol of a route's API; None where it has none."""
    if api not in MODULES:
        return None
    protocol: BatchProtocol = import_module(f"transforms.asking.batch.{MODULES[api]}").PROTOCOL
    return protocol


def id_of(data: Mapping[str, Any], name: str) -> str:
    """Returns an id that a provider gave, fit for a path and for a file's name.

    Args:
        data: What the provider said.
        name: The field that holds it.

    Raises:
        Unreadable: It is none.
    """
    value = data.get(name)
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise Unreadable("no_id", f"{name}: no id of letters, digits, '_' and '-'")
    return value
