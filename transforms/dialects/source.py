"""Where a fact about a server's dialect is from."""

from __future__ import annotations

from typing import NamedTuple


class Source(NamedTuple):
    """Where a row of a table is from.

    Attributes:
        server: The server or provider whose dialect it is.
        address: Its documentation, or a public report.
    """

    server: str
    address: str
