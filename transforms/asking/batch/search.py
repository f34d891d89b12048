"""Finds the job of an intent whose submission nobody saw end: by a killed run, or unanswered.

A provider that keeps what a job was submitted with names the job at once. One that does not shows
only how many requests a job has until it has ended; then its results show whose they are. A job
that may be ours is waited for, and nothing of it is ordered again meanwhile.
"""

from __future__ import annotations

import asyncio
import tempfile

from transforms.asking.batch.intents import IntentBook, OpenIntent
from transforms.asking.batch.protocols import BatchJob, BatchProtocol
from transforms.asking.batch.provider import Provider
from transforms.providers.wire import Unreadable

# How far the provider's clock may be behind ours.
_SKEW_MILLISECONDS = 600_000
LINES_AT_ONCE = 256  # then others have their turn


class JobSearch:
    """Finds jobs again.

    Args:
        provider: Lists the jobs.
        protocol: Tells whose they are.
        book: Knows the jobs whose intents are known.
    """

    def __init__(self, provider: Provider, protocol: BatchProtocol, book: IntentBook) -> None:
        self._provider = provider
        self._protocol = protocol
        self._book = book
        self._others: set[tuple[str, str]] = set()  # intent and job that do not belong together

    async def find(self, lost: OpenIntent) -> tuple[BatchJob | None, bool]:
        """Looks for an intent's job.

        Args:
            lost: The intent.

        Returns:
            The job; and, where there is none, whether one that still runs may be it.

        Raises:
            CallFailed: The provider did not tell.
        """
        known, maybe = await asyncio.to_thread(self._book.known_jobs), False
        for job in await self._provider.jobs(lost.created - _SKEW_MILLISECONDS):
            if job.id in known or (lost.id, job.id) in self._others:
                continue
            match = self._protocol.match(job, lost.id, lost.upload, lost.size)
            if match == "yes" or (match == "maybe" and job.ended and await self._is(lost, job)):
                return job, False
            maybe = maybe or (match == "maybe" and not job.ended)
        return None, maybe

    async def _is(self, lost: OpenIntent, job: BatchJob) -> bool:
        """Looks for one of our requests in the results: no other job has any."""
        with tempfile.TemporaryFile() as file:
            await self._provider.results(job, file)
            for number, line in enumerate(file):
                if number % LINES_AT_ONCE == 0:
                    await asyncio.sleep(0)
                if self._named(line) in lost.ids:
                    return True
        self._others.add((lost.id, job.id))
        return False

    def _named(self, line: bytes) -> bytes:
        try:
            return id_bytes(self._protocol.read_result(line).request_id)
        except Unreadable:
            return b""


def id_bytes(request_id: str) -> bytes:
    """Returns an id as bytes; none where it is no id of ours."""
    try:
        return bytes.fromhex(request_id)
    except ValueError:
        return b""
