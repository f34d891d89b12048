"""The calls to a provider's batch API. A call without a valid answer raises `CallFailed`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import IO, TypeVar

import aiohttp
from yarl import URL

from schemas.codes import Outcome
from schemas.inputs.registry import Timeouts
from transforms.asking.batch.chunks import Chunk
from transforms.asking.batch.protocols import BatchJob, BatchProtocol
from transforms.asking.progress import WITHDRAWN
from transforms.dialects.error_codes import Meaning
from transforms.limits.usage import NOT_SENT
from transforms.providers.http_client import Exchange, HttpClient, HttpTarget, make_timeout
from transforms.providers.meaning import lacks_answer
from transforms.providers.retry import judge
from transforms.providers.wire import Unreadable

# Results may be gigabytes: at most an hour for all of them, while bytes keep arriving.
_RESULTS_SECONDS = 3600.0
_SLACK_MILLISECONDS = 86_400_000  # lists may be sorted by day only
_MOST_PAGES = 1000

T = TypeVar("T")


class CallFailed(Exception):
    """A call got no valid answer.

    Args:
        exchange: What happened.

    Attributes:
        exchange: The same, with the server's code in its detail.
        reading: What it means, by the classifier of live responses.
    """

    def __init__(self, exchange: Exchange) -> None:
        self.exchange, self.reading = judge(exchange)
        super().__init__(self.exchange.outcome)

    @property
    def refused(self) -> bool:
        """Whether the call had no effect: the provider refused it, or it never arrived."""
        status = self.exchange.status
        refused = status is not None and 300 <= status < 500
        return refused or self.exchange.outcome in NOT_SENT

    @property
    def withdrawn(self) -> bool:
        """Whether the account has lost access: no prompt can be why such a call is refused."""
        meaning = self.reading.meaning
        refused = meaning is Meaning.REQUEST and self.exchange.status in WITHDRAWN
        return refused or meaning is Meaning.ACCOUNT

    @property
    def out_of_money(self) -> bool:
        """Whether the account has no money left."""
        return self.reading.meaning is Meaning.MONEY


class BatchClient:
    """Calls the batch API of one route.

    Args:
        client: Sends the calls.
        protocol: The batch API.
        base: Base address of the API.
        headers: Headers with the key.
        timeouts: The route's timeouts.
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
        """Uploads the body of a job and returns its id. This makes no job and costs nothing."""
        return self._read(self._protocol.read_upload, await self._post_body(chunk, name))

    async def submit(self, chunk: Chunk, name: str) -> BatchJob:
        """Makes a job. This call costs money.

        Args:
            chunk: Its requests; uploaded before, if the protocol has uploads.
            name: The intent's id.
        """
        if self._protocol.uploads:
            call = self._protocol.create(name, chunk.upload)
            exchange = await self._client.post(self._target(call.path), call.body)
        else:
            exchange = await self._post_body(chunk, name)
        return self._read(self._protocol.read_job, exchange)

    async def job(self, job_id: str) -> BatchJob:
        """Returns the current state of a job."""
        target = self._target(self._protocol.job_path(job_id))
        return self._read(self._protocol.read_job, await self._client.get(target))

    async def jobs(self, since: int) -> list[BatchJob]:
        """Returns the jobs of the account, also those of other programs.

        Args:
            since: Leave out older jobs; milliseconds since 1970 UTC.
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
        """Writes all results of a job to a file and rewinds it."""
        for path in job.results:
            target = HttpTarget(URL(self._base + path), self._headers, self._results_timeout)
            exchange = await self._client.get_file(target, file)
            if not exchange.answered:
                raise CallFailed(exchange)
            file.write(b"\n")
        file.seek(0)

    def masked(self, line: bytes) -> bytes:
        """Returns a line of results with the keys masked; itself if it has none."""
        return self._client.masked(line)

    async def _post_body(self, chunk: Chunk, name: str) -> Exchange:
        layout = self._protocol.body_format(name)
        target = self._target(layout.path, {"Content-Type": layout.content_type})
        return await self._client.post_file(target, chunk.body(layout))

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
            outcome = lacks_answer(exchange.body) or Outcome.BAD_HTTP  # an error object is read
            failed = replace(exchange, outcome=outcome, detail=error.malformed.detail)
            raise CallFailed(failed) from None
