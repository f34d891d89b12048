"""Checks the address of a route beyond its form."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from schemas.written import Flaw


def endpoint_flaw(endpoint: str) -> Flaw | None:
    """Returns what is wrong with the host or the port of an endpoint; None for "" and for none."""
    try:
        address = urlsplit(endpoint)
        wrong = address.port == 0 or (endpoint and not address.hostname)
    except ValueError:  # a port that is no number up to 65535, half an IPv6 address
        wrong = True
    if not wrong:
        return None
    return Flaw(
        what="no server can have this address",
        at=("endpoint",),
        expected="a host, and if need be a port from 1 to 65535, as http://localhost:8000/v1",
    )


def sends_in_the_open(endpoint: str) -> bool:
    """Returns whether what is sent to an endpoint leaves this machine unencrypted."""
    address = urlsplit(endpoint)
    return address.scheme == "http" and not _is_loopback(address.hostname or "")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")  # RFC 6761, section 6.3
