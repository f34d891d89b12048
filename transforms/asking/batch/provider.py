"""The calls to a provider's batch API. A call that brings no sound answer raises `CallFailed`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import IO, TypeVar

import aiohttp
from yarl import URL

from schemas.inputs.registry import Timeouts
from transforms.asking.batch.chunks import Chunk
from transforms.asking.batch.protocols import BatchJob, BatchProtocol
from transforms.limits.usage import NOT_SENT
from transforms.providers.http_client import Exchange, HttpClient, HttpTarget, make_timeout
from transforms.providers.wire import Unreadable

# Results may be gigabytes: an hour for them all, as long as they keep coming.
_RESULTS_SECONDS = 3600.0
_SLACK_MILLISECONDS = 86_400_000  # lists need not be sorted better than to the day
_MOST_PAGES = 1000

T = TypeVar("T")


class CallFailed(Exception):
    """A call brought no sound answer.

    Args:
        exchange: What came of it.
    """

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        super().__init__(exchange.outcome)

    @property
    def refused(self) -> bool:
        """Whether nothing can have come of it at the provider: it said no, or was not reached."""
        status = self.exchange.status
        said_no = status is not None and 300 <= status < 500
        return said_no or self.exchange.outcome in NOT_SENT

    @property
    def withdrawn(self) -> bool:
        """Whether the account may no longer ask."""
        return self.exchange.status in (401, 403)


class Provider:
    """Calls one route's batch API.

    Args:
        client: Sends.
        protocol: What is said.
        base: Base address of the API.
        headers: Headers that show the key.
        timeouts: The route's.
    """

    def __init__(
        self,
        client: HttpClient,
        protocol: BatchProtocol,
        base: str,
        headers: Mapping[str, str],
        timeouts: Timeouts,
    ) -> None:
        self._client = client
        self._protocol = protocol
        self._base = base
        self._headers = headers
        self._timeout = make_timeout(timeouts)
        self._results_timeout = aiohttp.ClientTimeout(
            total=_RESULTS_SECONDS,
            connect=timeouts.connect_seconds,
            sock_read=timeouts.response_seconds,
        )

    async def upload(self, chunk: Chunk, name: str) -> str:
        """Uploads the body of a job, of which nothing follows yet; returns its id."""
        return self._read(self._protocol.read_upload, await self._post_body(chunk, name))

    async def submit(self, chunk: Chunk, name: str) -> BatchJob:
        """Makes a job. This is what costs money.

        Args:
            chunk: Its requests; uploaded before, where the protocol has it so.
            name: The intent's id.
        """
        if self._protocol.uploads:
            call = self._protocol.create(name, chunk.upload)
            exchange = await self._client.post(self._target(call.path), call.body)
        else:
            exchange = await self._post_body(chunk, name)
        return self._read(self._protocol.read_job, exchange)

    async def job(self, job_id: str) -> BatchJob:
        """Returns what is said of a job now."""
        target = self._target(self._protocol.job_path(job_id))
        return self._read(self._protocol.read_job, await self._client.get(target))

    async def jobs(self, since: int) -> list[BatchJob]:
        """Returns the account's jobs, whoever made them.

        Args:
            since: Older ones are of no interest; milliseconds since 1970 UTC.
        """
        found: list[BatchJob] = []
        path = self._protocol.list_path()
        for _ in range(_MOST_PAGES):
            page = self._read(self._protocol.read_page, await self._client.get(self._target(path)))
            found += (job for job in page.jobs if job.created >= since)
            path = page.next
            if not path or all(job.created < since - _SLACK_MILLISECONDS for job in page.jobs):
                break
        return found

    async def results(self, job: BatchJob, file: IO[bytes]) -> None:
        """Writes all results of a job to a file, and rewinds it."""
        for path in job.results:
            target = HttpTarget(URL(self._base + path), self._headers, self._results_timeout)
            exchange = await self._client.get_file(target, file)
            if not exchange.answered:
                raise CallFailed(exchange)
            file.write(b"\n")
        file.seek(0)

    async def _post_body(self, chunk: Chunk, name: str) -> Exchange:
        package = self._protocol.package(name)
        target = self._target(package.path, {"Content-Type": package.content_type})
        return await self._client.post_file(target, chunk.body(package))

    def _target(self, path: str, headers: Mapping[str, str] | None = None) -> HttpTarget:
        return HttpTarget(
            URL(self._base + path), {**self._headers, **(headers or {})}, self._timeout
        )

    def _read(self, read: Callable[[bytes], T], exchange: Exchange) -> T:
        if not exchange.answered:
            raise CallFailed(exchange)
        try:
            return read(exchange.body)
        except Unreadable as error:
            malformed = error.malformed
            raise CallFailed(Exchange("bad_http", detail=malformed.detail)) from None
