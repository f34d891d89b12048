"""Fetches pages, with limits on time and size; redirects must be HTTPS."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

import aiohttp
from yarl import URL

_AT_ONCE = 8
_REDIRECTS = 5
_SEEN_OTHER = (301, 302, 303, 307, 308)
_AGENT = "stillroom terms check"


@dataclass(frozen=True, slots=True)
class FetchedPage:
    """A fetched page, or why it could not be fetched.

    Attributes:
        data: The page; empty if it could not be fetched.
        problem: Why not, or "".
    """

    data: bytes = b""
    problem: str = ""


class _Refused(Exception):
    """The page is not accepted; the message is the reason."""


def fetch_pages(
    addresses: Iterable[str], *, seconds: float = 30, limit_bytes: int = 8 << 20
) -> dict[str, FetchedPage]:
    """Fetches pages, a few at a time.

    Args:
        addresses: HTTP or HTTPS addresses.
        seconds: Most time for each, redirects included.
        limit_bytes: Most bytes of each, decompressed.

    Returns:
        A result for each address. Nothing is raised: a failure is in the result.
    """
    return asyncio.run(_fetch_all(set(addresses), seconds, limit_bytes))


async def _fetch_all(
    addresses: set[str], seconds: float, limit_bytes: int
) -> dict[str, FetchedPage]:
    timeout = aiohttp.ClientTimeout(total=seconds)
    connector = aiohttp.TCPConnector(limit=_AT_ONCE)
    headers = {"User-Agent": _AGENT, "Accept": "text/html, text/plain, */*"}
    turns = asyncio.Semaphore(_AT_ONCE)
    async with aiohttp.ClientSession(
        connector=connector, timeout=timeout, headers=headers, cookie_jar=aiohttp.DummyCookieJar()
    ) as session:

        async def one(address: str) -> FetchedPage:
            async with turns:
                return await _fetch(session, address, seconds, limit_bytes)

        ordered = sorted(addresses)
        return dict(zip(ordered, await asyncio.gather(*map(one, ordered)), strict=True))


async def _fetch(
    session: aiohttp.ClientSession, address: str, seconds: float, limit_bytes: int
) -> FetchedPage:
    try:
        async with asyncio.timeout(seconds):
            return FetchedPage(await _follow(session, URL(address), limit_bytes))
    except _Refused as refused:
        return FetchedPage(problem=str(refused))
    except TimeoutError:
        return FetchedPage(problem=f"no answer within {seconds:g} s")
    except (aiohttp.ClientError, ValueError) as error:
        return FetchedPage(problem=f"{type(error).__name__}: {error}")


async def _follow(session: aiohttp.ClientSession, url: URL, limit_bytes: int) -> bytes:
    for _ in range(_REDIRECTS + 1):
        async with session.get(url, allow_redirects=False) as response:
            if response.status == 200:
                return await _read(response, limit_bytes)
            if response.status not in _SEEN_OTHER:
                raise _Refused(f"status {response.status}")
            url = url.join(URL(response.headers.get("Location", "")))
            if url.scheme != "https":
                raise _Refused(f"redirected to {url.scheme or 'nowhere'}, not https")
    raise _Refused(f"more than {_REDIRECTS} redirects")


async def _read(response: aiohttp.ClientResponse, limit_bytes: int) -> bytes:
    data = bytearray()
    async for chunk in response.content.iter_chunked(1 << 16):
        data += chunk
        if len(data) > limit_bytes:
            raise _Refused(f"larger than {limit_bytes} bytes")
    return bytes(data)
