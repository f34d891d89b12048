"""Requests on their way into one job: as many as it may have, in the order in which they came."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from typing import IO

from schemas.requests import Request
from transforms.asking.batch.protocols import BatchProtocol, Package
from transforms.limits.budget import Spend

_MARGIN_BYTES = 4096  # for what stands around the entries


@dataclass(slots=True)
class Chunk:
    """The requests of one job.

    Attributes:
        protocol: How it will be submitted.
        requests: The requests.
        reserved: The most that they can cost, reserved.
        upload: Id of the body at the provider, once it is uploaded.
    """

    protocol: BatchProtocol
    requests: list[Request] = field(default_factory=list)
    reserved: Spend = field(default_factory=Spend)
    upload: str = ""
    _entries: list[bytes] = field(default_factory=list)
    _bytes: int = _MARGIN_BYTES

    def fits(self, entry: bytes) -> bool:
        """Tells whether a request may still go into the job; the first one always does.

        Args:
            entry: What will stand in the body for it.
        """
        return not self.requests or (
            len(self.requests) < self.protocol.most_requests
            and self._bytes + len(entry) + 1 <= self.protocol.most_bytes
        )

    def add(self, request: Request, entry: bytes, reserved: Spend) -> None:
        """Adds a request, for which the budget has reserved what it can cost."""
        self.requests.append(request)
        self.reserved += reserved
        self._entries.append(entry)
        self._bytes += len(entry) + 1

    def body(self, package: Package) -> IO[bytes]:
        """Returns the body of the job as a file of no name, at its beginning."""
        file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by whoever posts it
        file.write(package.opening)
        for number, entry in enumerate(self._entries):
            file.write(package.between if number else b"")
            file.write(entry)
        file.write(package.closing)
        file.seek(0)
        return file
