"""A Google access token: got with google-auth, sent to Google alone, renewed before it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC
from typing import Any, Protocol
from urllib.parse import urlsplit

from schemas.inputs.registry import Route
from transforms.providers.key import Key, UnusableKey, fits_a_header

# A token is replaced so long before it ends: as google-auth does itself (its REFRESH_THRESHOLD).
RENEW_SECONDS = 225.0
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_TRY_AGAIN_SECONDS = 10.0  # while the old token is still good
# The only hosts that may receive a token: Google's, and this machine.
_GOOGLE_HOSTS = (".googleapis.com", ".vertexai.goog")
_THIS_MACHINE = ("127.0.0.1", "::1", "localhost")


class GoogleCredentials(Protocol):
    """The part of `google.auth.credentials.Credentials` that is used."""

    token: str | None
    expiry: Any  # a datetime without a zone, in UTC; None for a token that does not end

    def refresh(self, request: Any) -> None:
        """Gets a new token."""
        ...


class GoogleKey(Key):
    """A Google access token that is renewed before it ends: it lasts an hour, and a run longer.

    Args:
        credentials: The source of tokens. Nothing else may use them.
        request: The transport by which the credentials get their tokens.
        now: Seconds since 1970 UTC.

    Raises:
        Exception: There is no token: any of google-auth's errors.
    """

    __slots__ = ("_credentials", "_ends", "_lock", "_problem", "_renew_at", "_request", "_tries")

    is_token = True

    def __init__(self, credentials: GoogleCredentials, request: Any, now: float) -> None:
        self._credentials = credentials
        self._request = request
        self._lock = asyncio.Lock()
        self._tries = 0
        self._problem = ""
        credentials.refresh(request)
        self._take(now)

    def is_stale(self, now: float) -> bool:
        """Returns whether it must be renewed before it is sent; `now` in seconds since 1970 UTC."""
        return now >= self._renew_at

    async def renew(self, wall: Callable[[], float]) -> str:
        """Renews the token in a thread, once for all tasks that wait for it.

        Args:
            wall: Returns the time, seconds since 1970 UTC.

        Returns:
            What went wrong, without a secret; "" where there is a token to send: a new one, or the
            old one where there is no new one yet and the old one has not ended.
        """
        tries = self._tries
        async with self._lock:
            if tries == self._tries:  # no other task tried while this one waited
                self._problem = await self._try_to_renew(wall)
                self._tries += 1
            return self._problem

    async def _try_to_renew(self, wall: Callable[[], float]) -> str:
        try:
            await asyncio.to_thread(self._credentials.refresh, self._request)
            self._take(wall())
        except Exception as error:  # noqa: BLE001 - google-auth's errors and its transport's
            if (now := wall()) >= self._ends:
                return f"no new Google access token: {type(error).__name__}"
            self._renew_at = min(self._ends, now + _TRY_AGAIN_SECONDS)
        return ""

    def _take(self, now: float) -> None:
        """Takes over the token. One that comes with little time left is used for half of that."""
        token = self._credentials.token or ""
        if not fits_a_header(token):
            raise ValueError("the token does not fit a header")
        super().__init__(token)
        expiry = self._credentials.expiry
        self._ends = expiry.replace(tzinfo=UTC).timestamp() if expiry else float("inf")
        self._renew_at = max(self._ends - RENEW_SECONDS, (now + self._ends) / 2)

    def __eq__(self, other: object) -> bool:
        """The account stays the same while its tokens change."""
        return self is other

    def __hash__(self) -> int:
        return id(self)


def default_google_key(now: float) -> GoogleKey:
    """Returns a token of the application default credentials.

    Args:
        now: Seconds since 1970 UTC.

    Raises:
        UnusableKey: The credentials are missing or give no token.
    """
    try:
        import google.auth
        from google.auth.transport.requests import Request

        credentials, _ = google.auth.default(scopes=[_SCOPE])
        return GoogleKey(credentials, Request(), now)
    except Exception as error:  # noqa: BLE001 - google-auth's errors and its transport's
        raise UnusableKey(
            f"Google's application default credentials give no token: {type(error).__name__}",
            "check the network, and set GOOGLE_APPLICATION_CREDENTIALS or log in with `gcloud auth"
            " application-default login`",
        ) from None


def check_google_host(route: Route) -> None:
    """Refuses a route that would send a token to another host, or unencrypted.

    A token allows everything that this process may do at Google.

    Raises:
        UnusableKey: The endpoint is neither an https address of Google nor on this machine.
    """
    address = urlsplit(route.endpoint)
    google = address.scheme == "https" and route.host.endswith(_GOOGLE_HOSTS)
    if not google and route.host not in _THIS_MACHINE:
        raise UnusableKey(
            f"`google:default` would send a Google token to {address.scheme}://{route.host}",
            "name an https endpoint of Google's, as https://REGION-aiplatform.googleapis.com/v1/…,"
            " or another key",
        )
