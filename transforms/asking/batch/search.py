"""Finds the job of an intent whose submission got no answer, or whose run was killed.

A provider that keeps a job's metadata shows at once whose job it is. Another shows only the number
of requests until the job has ended; then its results show whose it is. A job that may be ours is
waited for, and none of its requests is submitted again meanwhile.
"""

from __future__ import annotations

import asyncio
import tempfile

from transforms.asking.batch.client import BatchClient
from transforms.asking.batch.intents import IntentLog, OpenIntent
from transforms.asking.batch.protocols import BatchJob, BatchProtocol
from transforms.providers.wire import Unreadable

# How far the provider's clock may be behind ours.
_SKEW_MILLISECONDS = 600_000
# A submission without an answer has ended after the route's own time limit. Its job, if there is
# one, is in the provider's list this much later.
_LISTED_SECONDS = 60.0
LINES_AT_ONCE = 256  # then the other routes get their turn


class JobSearch:
    """Finds the jobs of intents.

    Args:
        client: Lists the jobs.
        protocol: Compares a job with an intent.
        intents: The intents and their known jobs.
        response_seconds: The route's time limit for a submission.
    """

    def __init__(
        self,
        client: BatchClient,
        protocol: BatchProtocol,
        intents: IntentLog,
        response_seconds: float,
    ) -> None:
        self._client = client
        self._protocol = protocol
        self._intents = intents
        self._response_seconds = response_seconds
        self._unrelated: set[tuple[str, str]] = set()  # intent and job

    def listed_at(self, lost: OpenIntent) -> float:
        """Returns when the job of an intent is listed at the latest, in seconds since 1970 UTC."""
        return lost.created / 1000 + self._response_seconds + _LISTED_SECONDS

    async def find(self, lost: OpenIntent) -> tuple[BatchJob | None, bool]:
        """Returns the job of an intent, or whether a running job may be it.

        Args:
            lost: The intent.

        Returns:
            The job, or None; and without a job, whether one that still runs may be it.

        Raises:
            CallFailed: The provider did not list its jobs.
        """
        known, maybe = await asyncio.to_thread(self._intents.known_jobs), False
        for job in await self._client.jobs(lost.created - _SKEW_MILLISECONDS):
            if job.id in known or (lost.id, job.id) in self._unrelated:
                continue
            match = self._protocol.match(job, lost.id, lost.upload, lost.size)
            if match == "yes" or (
                match == "maybe" and job.ended and await self._is_ours(lost, job)
            ):
                return job, False
            maybe = maybe or (match == "maybe" and not job.ended)
        return None, maybe

    async def _is_ours(self, lost: OpenIntent, job: BatchJob) -> bool:
        """Returns whether the results hold one of our requests: only our job can."""
        with tempfile.TemporaryFile() as file:
            await self._client.results(job, file)
            for number, line in enumerate(file):
                if number % LINES_AT_ONCE == 0:
                    await asyncio.sleep(0)
                if self._read_id(line) in lost.ids:
                    return True
        self._unrelated.add((lost.id, job.id))
        return False

    def _read_id(self, line: bytes) -> bytes:
        try:
            return id_bytes(self._protocol.read_result(line).request_id)
        except Unreadable:
            return b""


def id_bytes(request_id: str) -> bytes:
    """Returns an id as bytes; empty where it is not hexadecimal, so not ours."""
    try:
        return bytes.fromhex(request_id)
    except ValueError:
        return b""
