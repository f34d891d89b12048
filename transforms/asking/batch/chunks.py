"""The requests that are collected for one job, up to the provider's limits, in order of arrival."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from typing import IO

from schemas.requests import Request
from transforms.asking.batch.protocols import BatchProtocol, BodyFormat
from transforms.limits.budget import Spend

_MARGIN_BYTES = 4096  # for what surrounds the entries


@dataclass(slots=True)
class Chunk:
    """The requests of one job.

    Attributes:
        protocol: The batch API that it is for.
        requests: The requests.
        reserved: Their maximum cost, reserved in the budget.
        upload: The provider's id of the body, once it is uploaded.
    """

    protocol: BatchProtocol
    requests: list[Request] = field(default_factory=list)
    reserved: Spend = field(default_factory=Spend)
    upload: str = ""
    _entries: list[bytes] = field(default_factory=list)
    _bytes: int = _MARGIN_BYTES

    def fits(self, entry: bytes) -> bool:
        """Returns whether one more request fits into the job; the first one always does.

        Args:
            entry: The request's entry in the body.
        """
        return not self.requests or (
            len(self.requests) < self.protocol.most_requests
            and self._bytes + len(entry) + 1 <= self.protocol.most_bytes
        )

    def add(self, request: Request, entry: bytes, reserved: Spend) -> None:
        """Adds a request whose maximum cost is reserved in the budget."""
        self.requests.append(request)
        self.reserved += reserved
        self._entries.append(entry)
        self._bytes += len(entry) + 1

    def body(self, layout: BodyFormat) -> IO[bytes]:
        """Returns the body of the job as an unnamed temporary file, rewound."""
        file = tempfile.TemporaryFile()  # noqa: SIM115 - the client closes it
        file.write(layout.opening)
        for number, entry in enumerate(self._entries):
            file.write(layout.between if number else b"")
            file.write(entry)
        file.write(layout.closing)
        file.seek(0)
        return file
