"""Checks the address of a route beyond its form."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from schemas.written import Flaw

_OWN_PATHS = ("/chat/completions", "/completions", "/messages", "/models")


def endpoint_flaw(endpoint: str) -> Flaw | None:
    """Returns what is wrong with an endpoint's host, port or path; None for "" and for none."""
    try:
        address = urlsplit(endpoint)
        wrong = address.port == 0 or (endpoint and not address.hostname)
    except ValueError:  # a port that is no number up to 65535, half an IPv6 address
        wrong = True
    if not wrong:
        return _path_flaw(address.path.rstrip("/"))
    return Flaw(
        what="no server can have this address",
        at=("endpoint",),
        expected="a host, and if need be a port from 1 to 65535, as http://localhost:8000/v1",
    )


def _path_flaw(path: str) -> Flaw | None:
    own = next((own for own in _OWN_PATHS if path.endswith(own)), None)
    if own is None:
        return None
    return Flaw(
        what="the endpoint holds the API's own path, which is added to it",
        at=("endpoint",),
        found=path,
        expected="the address without it",
        remedy=f"write it up to {path.removesuffix(own) or '/'}",
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
