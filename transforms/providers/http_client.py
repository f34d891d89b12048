"""Sends one HTTP call and returns the result, good or bad.

Nothing that a server does raises here: each attempt ends as an `Exchange` with an outcome.
Redirects are not followed, since they would take the key to another host. TLS is verified. A proxy
is used only if it is passed in, never from the environment. A response is bounded in size, after
decompression, and in time. A key that comes back is masked before anything reads it.
"""

from __future__ import annotations

import functools
import secrets
import ssl
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import KW_ONLY, dataclass, field, replace
from http import HTTPStatus
from importlib.metadata import version
from io import BytesIO
from types import TracebackType
from typing import IO, Self

import aiohttp
from yarl import URL

from schemas.codes import Outcome
from schemas.inputs.registry import Timeouts
from transforms.transport.bodies import MAX_BODY_BYTES, MAX_LOGPROBS_BYTES, Body, FileBody
from transforms.transport.connections import CleanConnector, Identity
from transforms.transport.masking import Masker

# A batch of 100,000 results of 40 KiB, written to a file.
MAX_FILE_BYTES = 4 * 2**30
_ASKS_FOR_LOGPROBS = b"ogprobs"  # so each API calls them, with `l` or `L`
_MOST_HEADER_CHARACTERS = 1024  # of a value that is kept
_LARGE_BYTES = 2**20  # aiohttp warns about larger bodies that are not sent in pieces

_KEPT_HEADERS = frozenset(
    {
        "content-type",
        "date",
        "request-id",
        "retry-after",
        "retry-after-ms",
        "x-ms-retry-after-ms",
        "x-request-id",
    }
)
_KEPT_PREFIXES = ("x-ratelimit-", "anthropic-ratelimit-", "x-tokenlimit-")
# LiteLLM sends its provider's headers on under names with this prefix, also the only wait that it
# names: https://docs.litellm.ai/docs/proxy/response_headers
_RELAYED = "llm_provider-"
_HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "identity",  # so that the ledger keeps the bytes as the server made them
    "Content-Type": "application/json",
    "User-Agent": f"stillroom/{version('stillroom')}",
}


@dataclass(frozen=True, slots=True)
class Exchange:
    """The result of one attempt.

    Attributes:
        outcome: An `Outcome`, or `http_NNN`.
        status: HTTP status; None if there was no response.
        headers: The headers that are kept, names in lower case.
        body: As much of the body as was received.
        detail: What went wrong, for a person; "" for an answer.
        returns_key: Whether the server returned a key, which is masked here.
    """

    outcome: str
    _: KW_ONLY
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    detail: str = ""
    returns_key: bool = False

    @property
    def answered(self) -> bool:
        """Whether the teacher answered, whether or not the answer is usable."""
        return self.outcome == Outcome.ANSWER


@dataclass(frozen=True, slots=True)
class HttpTarget:
    """Address, headers and timeouts of calls: made once for a route, used for each request.

    Attributes:
        url: The address.
        headers: Headers of the API, with the key.
        timeout: How long to wait.
    """

    url: URL
    headers: Mapping[str, str]
    timeout: aiohttp.ClientTimeout

    def __repr__(self) -> str:
        return f"Target({str(self.url)!r})"  # the headers hold the key


def make_timeout(timeouts: Timeouts) -> aiohttp.ClientTimeout:
    """Returns a route's timeouts in aiohttp's form."""
    return aiohttp.ClientTimeout(
        total=timeouts.response_seconds, connect=timeouts.connect_seconds, ceil_threshold=3600
    )


class HttpClient:
    """One pool of connections for all routes. Use it as an asynchronous context manager.

    Args:
        max_body_bytes: Largest body that is read; with log probabilities it may be larger.
        proxy: Address of a proxy, or None for none.
        tls: Trusted certificates; by default those of the system.
    """

    def __init__(
        self,
        *,
        max_body_bytes: int = MAX_BODY_BYTES,
        proxy: str | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._max_body_bytes = max_body_bytes
        self._proxy = proxy
        self._tls = tls
        self._stack = AsyncExitStack()
        self._identity = Identity(secrets.token_hex(8))
        self._masker = Masker()

    async def __aenter__(self) -> Self:
        self._connector = CleanConnector(ssl=self._tls or True)
        self._session = await self._stack.enter_async_context(
            aiohttp.ClientSession(
                connector=self._connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                headers=_HEADERS,
                trust_env=False,
            )
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    async def post(self, target: HttpTarget, body: bytes) -> Exchange:
        """Posts a body.

        Args:
            target: The address.
            body: JSON.

        Returns:
            The result. Nothing but cancellation raises.
        """
        large = self._max_body_bytes < MAX_LOGPROBS_BYTES and _ASKS_FOR_LOGPROBS in body
        received = Body(MAX_LOGPROBS_BYTES) if large else self._body()
        data = body if len(body) < _LARGE_BYTES else BytesIO(body)
        return await self._send("POST", target, data, received)

    async def get(self, target: HttpTarget) -> Exchange:
        """Gets an address; see `post`."""
        return await self._send("GET", target, None, self._body())

    async def post_file(self, target: HttpTarget, file: IO[bytes]) -> Exchange:
        """Posts a file in pieces; see `post`.

        Args:
            target: The address.
            file: Posted from its current position, then closed.
        """
        return await self._send("POST", target, file, self._body())

    async def get_file(
        self, target: HttpTarget, file: IO[bytes], most_bytes: int = MAX_FILE_BYTES
    ) -> Exchange:
        """Gets an address and writes the body to a file.

        Args:
            target: The address.
            file: Receives the body, whatever the status.
            most_bytes: Largest body that is read.

        Returns:
            The result, without the body.
        """
        return await self._send("GET", target, None, FileBody(file, most_bytes))

    def _body(self) -> Body:
        return Body(self._max_body_bytes)

    def masked(self, line: bytes) -> bytes:
        """Returns a line of a file that was got, with the keys masked; itself if it has none."""
        return self._masker.masked_body(line)

    async def _send(
        self,
        method: str,
        target: HttpTarget,
        data: bytes | IO[bytes] | None,
        received: Body | FileBody,
    ) -> Exchange:
        self._masker.learn(target.headers)
        exchange = await self._exchange(method, target, data, received)
        body = self._masker.masked_body(exchange.body)
        headers = self._masker.masked_headers(exchange.headers)
        if body is exchange.body and headers is exchange.headers:
            return exchange
        return replace(exchange, body=body, headers=headers, returns_key=True)

    async def _exchange(
        self,
        method: str,
        target: HttpTarget,
        data: bytes | IO[bytes] | None,
        received: Body | FileBody,
    ) -> Exchange:
        request_id = self._identity.next(data if isinstance(data, bytes) else b"")
        try:
            async with self._session.request(
                method,
                target.url,
                data=data,
                headers={**target.headers, **self._identity.headers(request_id)},
                timeout=target.timeout,
                allow_redirects=False,
                proxy=self._proxy,
            ) as response:
                whole = await _read(response, received)
                exchange = _exchange(response, received, whole)
                values = response.headers.values()
                if self._identity.names_another(request_id, values, exchange.body):
                    self._connector.close_idle()  # the one that it came by is among them
                    return _other_answer(exchange, received)
                return exchange
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            detail = _describe(error, received.size)
            return Exchange(_outcome(error), body=received.cut(), detail=detail)


async def _read(response: aiohttp.ClientResponse, received: Body | FileBody) -> bool:
    """Reads the body into `received`; returns False if it is too large."""
    received.may_answer = 200 <= response.status < 300
    content = response.content
    while not content.at_eof():  # as `iter_any`, without a wait for the end of what is here whole
        if not received.add(await content.readany()):
            response.close()
            return False
    return True


def _exchange(response: aiohttp.ClientResponse, received: Body | FileBody, whole: bool) -> Exchange:
    status = response.status
    outcome: str
    if not whole:
        outcome, detail = Outcome.BODY_TOO_LARGE, f"cut after {received.size} bytes"
    elif 200 <= status < 300:
        outcome, detail = Outcome.ANSWER, ""
    elif 300 <= status < 400:
        outcome, detail = Outcome.REDIRECT, f"HTTP {status}: redirects are never followed"
    else:
        outcome, detail = f"http_{status}", _phrase(status)
    if received.note:
        detail = f"{detail}; {received.note}" if detail else received.note
    body, headers = received.kept(), _kept(response)
    return Exchange(outcome, status=status, headers=headers, body=body, detail=detail)


def _other_answer(exchange: Exchange, received: Body | FileBody) -> Exchange:
    """Returns the result of a response to another request; its status and usage are not ours."""
    detail = "the server names another request of this run as the one that it answers"
    return Exchange(
        Outcome.OTHER_ANSWER, headers=exchange.headers, body=received.cut(), detail=detail
    )


def _phrase(status: int) -> str:
    try:
        return f"HTTP {status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"HTTP {status}"


def _kept(response: aiohttp.ClientResponse) -> dict[str, str]:
    """Returns the headers to keep. Bytes that are not UTF-8 become question marks."""
    kept: dict[str, str] = {}
    for own, value in response.headers.items():
        name = _kept_name(own)
        if name and (name not in kept or name == own.lower()):
            kept[name] = value[:_MOST_HEADER_CHARACTERS].encode(errors="replace").decode()
    return kept


@functools.lru_cache(maxsize=1024)  # servers send the same few names each time
def _kept_name(own: str) -> str:
    """Returns the name under which a header is kept; "" if it is not."""
    name = own.lower().removeprefix(_RELAYED)
    return name if name in _KEPT_HEADERS or name.startswith(_KEPT_PREFIXES) else ""


def _outcome(error: Exception) -> Outcome:
    """Returns the outcome of an attempt without a complete response."""
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return Outcome.TLS_FAILED
        case aiohttp.ConnectionTimeoutError():
            return Outcome.CONNECT_TIMEOUT
        case TimeoutError():
            return Outcome.TIMEOUT
        case aiohttp.ClientConnectorError():
            return Outcome.CONNECTION_FAILED
        case aiohttp.ClientConnectionError() | aiohttp.ClientPayloadError() | OSError():
            return Outcome.CONNECTION_CLOSED
        case _:
            return Outcome.BAD_HTTP


def _describe(error: Exception, received: int) -> str:
    """Returns what went wrong, without text of the server, which may hold anything."""
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    reason = getattr(cause, "strerror", None) or ""
    heard = f" after {received} bytes of the body" if received else ""
    return f"{type(error).__name__}{heard}{': ' if reason else ''}{reason}"
