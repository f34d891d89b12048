"""Keys: named in a registry, fetched just before the first request, shown to nobody but the host.

A registry says where a key is found and never holds it. Whoever has a `Key` cannot log, print or
pickle it by accident: only `reveal` gives it away, and only the headers of a request call that.
"""

from __future__ import annotations

import asyncio
import base64
import functools
import hashlib
import os
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC
from typing import Any, NoReturn, Protocol
from urllib.parse import urlsplit

from schemas.errors import InputError, Problem
from schemas.inputs.registry import Route

SECRET_MANAGER = "https://secretmanager.googleapis.com"  # noqa: S105 - an address
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_SECONDS = 30.0
# So long before it ends a token is replaced: as google-auth does itself (its REFRESH_THRESHOLD).
RENEW_SECONDS = 225.0
_TRY_AGAIN_SECONDS = 10.0  # while the old one is still good
KEY_NOT_RENEWED = "key_not_renewed"  # reason code of an attempt that was not sent for that
# Whom a token of Google's may be shown: Google, and this very machine.
_GOOGLES = (".googleapis.com", ".vertexai.goog")
_THIS_MACHINE = ("127.0.0.1", "::1", "localhost")


class Key:
    """A key that does not show itself: not in a log, an error, a pickle or a dataclass's repr."""

    __slots__ = ("_digest", "_value")

    is_token = False  # shown as a bearer token, whatever the API's header for keys

    def __init__(self, value: str) -> None:
        self._value = value
        self._digest = hashlib.sha256(value.encode()).digest()

    def reveal(self) -> str:
        """Returns the key itself. Keep what it returns out of everything but a header."""
        return self._value

    def is_stale(self, now: float) -> bool:
        """Tells whether it must be renewed before it is shown; `now` in seconds since 1970 UTC."""
        return False

    async def renew(self, wall: Callable[[], float]) -> str:
        """Renews it; see `GoogleKey.renew`."""
        return ""

    def __eq__(self, other: object) -> bool:
        """Two keys are one account if they are the same, wherever they were found."""
        return isinstance(other, Key) and self._digest == other._digest

    def __hash__(self) -> int:
        return hash(self._digest)

    @property
    def account(self) -> str:
        """What to call the account where others read it: the same key, the same name."""
        return hashlib.sha256(b"account " + self._digest).hexdigest()

    def __repr__(self) -> str:
        return "Key(not shown)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key is never pickled: name it, and resolve it where it is used")


class GoogleCredentials(Protocol):
    """What is needed of `google.auth.credentials.Credentials`."""

    token: str | None
    expiry: Any  # a datetime without a zone, in UTC; None for a token that does not end

    def refresh(self, request: Any) -> None:
        """Gets a new token."""
        ...


class GoogleKey(Key):
    """A token of Google's, which is renewed before it ends: it lasts an hour, and a run longer.

    Args:
        credentials: Where tokens come from. No other may use them.
        request: What the credentials get their tokens by.
        now: Seconds since 1970 UTC.

    Raises:
        Exception: No token could be got: any of google-auth's errors.
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
        """Tells whether it must be renewed before it is shown; `now` in seconds since 1970 UTC."""
        return now >= self._renew_at

    async def renew(self, wall: Callable[[], float]) -> str:
        """Renews it off the event loop, once for all who wait for it.

        Args:
            wall: Tells the time, seconds since 1970 UTC.

        Returns:
            What went wrong, for a person and without a secret; "" where there is a token to show:
            a new one, or the old one where there is none yet and it has not ended.
        """
        tries = self._tries
        async with self._lock:
            if tries == self._tries:  # nobody tried while this one waited
                self._problem = await self._try_to_renew(wall)
                self._tries += 1
            return self._problem

    async def _try_to_renew(self, wall: Callable[[], float]) -> str:
        try:
            await asyncio.to_thread(self._credentials.refresh, self._request)
            self._take(wall())
        except Exception as error:  # noqa: BLE001 - as in `_from_secret_manager`
            if (now := wall()) >= self._ends:
                return f"no new token of Google's: {type(error).__name__}"
            self._renew_at = min(self._ends, now + _TRY_AGAIN_SECONDS)
        return ""

    def _take(self, now: float) -> None:
        """Takes over the token. One that comes with little time left is used for half of that."""
        token = self._credentials.token or ""
        if not _fits_a_header(token):
            raise ValueError("a token that is none")
        super().__init__(token)
        expiry = self._credentials.expiry
        self._ends = expiry.replace(tzinfo=UTC).timestamp() if expiry else float("inf")
        self._renew_at = max(self._ends - RENEW_SECONDS, (now + self._ends) / 2)

    def __eq__(self, other: object) -> bool:
        """The account stays the same while its tokens change."""
        return self is other

    def __hash__(self) -> int:
        return id(self)


class HttpSession(Protocol):
    """What is needed of `google.auth.transport.requests.AuthorizedSession`."""

    def get(self, url: str, *, timeout: float, allow_redirects: bool) -> Any:
        """Gets an address."""
        ...


def resolve_keys(
    routes: Iterable[Route],
    *,
    environment: Mapping[str, str] | None = None,
    session: Callable[[], HttpSession] | None = None,
    secret_manager: str = SECRET_MANAGER,
    wall: Callable[[], float] = time.time,
) -> dict[str, Key]:
    """Finds the keys of all routes. Call it before the first request, in the process that asks.

    Args:
        routes: The routes that are to be asked.
        environment: Where `env:` looks; by default this process's environment.
        session: Makes an HTTP session with the rights to read `secret:`; by default one with
            Google's application default credentials. Called only if a route has a `secret:`.
        secret_manager: Base address of Secret Manager.
        wall: Tells the time, seconds since 1970 UTC, by which tokens are renewed.

    Returns:
        The keys by route id, without the routes that need none.

    Raises:
        InputError: With every key that is missing or unusable, each with its route.
    """
    environment = os.environ if environment is None else environment
    keys: dict[str, Key] = {}
    problems: list[Problem] = []
    google = functools.cache(lambda: _google_key(wall()))  # one account, whatever the routes
    for route in routes:
        kind, _, name = route.key.partition(":")
        try:
            if kind == "env":
                keys[route.id] = _from_environment(name, environment)
            elif kind == "secret":
                keys[route.id] = _from_secret_manager(
                    name, session or _google_session, secret_manager
                )
            elif kind == "google":
                _check_host(route)
                keys[route.id] = google()
        except _Unusable as error:
            problems.append(
                Problem(f"route {route.id}: {error.what}", route.where, remedy=error.remedy)
            )
    if problems:
        raise InputError(problems)
    return keys


def resolve_address(
    name: str, *, what: str, where: str, environment: Mapping[str, str] | None = None
) -> Key:
    """Finds an address that may hold a password, as a key is found.

    Args:
        name: Where it is found, `env:NAME` or `secret:projects/…`.
        what: What is there, for messages.
        where: File and line, for messages.
        environment: Where `env:` looks; by default this process's environment.

    Returns:
        The address, which does not show itself.

    Raises:
        InputError: It is missing or unusable.
    """
    kind, _, rest = name.partition(":")
    try:
        if kind == "env":
            return _from_environment(rest, os.environ if environment is None else environment)
        return _from_secret_manager(rest, _google_session, SECRET_MANAGER)
    except _Unusable as error:
        raise InputError(f"{what}: {error.what}", where=where, remedy=error.remedy) from None


class _Unusable(Exception):
    """A key cannot be used: what is wrong, and what to do."""

    def __init__(self, what: str, remedy: str) -> None:
        self.what = what
        self.remedy = remedy
        super().__init__(what, remedy)


def _from_environment(name: str, environment: Mapping[str, str]) -> Key:
    value = environment.get(name, "").strip()
    if not value:
        raise _Unusable(
            f"the environment variable {name} is not set, or is empty",
            f"set {name}; nothing has been asked yet",
        )
    return _checked(value, f"the environment variable {name}")


def _from_secret_manager(name: str, session: Callable[[], HttpSession], base: str) -> Key:
    """Reads a version of a secret (Secret Manager's REST API, v1, `:access`)."""
    try:
        url = f"{base}/v1/{name}:access"
        response = session().get(url, timeout=_SECONDS, allow_redirects=False)
        status = response.status_code
        data = response.json()["payload"]["data"] if status == 200 else ""
        value = base64.b64decode(data, validate=True).decode().strip()
    except Exception as error:  # noqa: BLE001 - the libraries share no base, and all end alike
        raise _Unusable(
            f"the secret {name} could not be read: {type(error).__name__}",
            "check the network and the Google credentials of this process",
        ) from None
    if status != 200:
        raise _Unusable(
            f"the secret {name} could not be read: HTTP {status}",
            "check that it exists and that this process may access it",
        )
    return _checked(value, f"the secret {name}")


def _check_host(route: Route) -> None:
    """Refuses to show Google's token to others: it opens all that this process may do there."""
    address = urlsplit(route.endpoint)
    if route.host in _THIS_MACHINE or (address.scheme == "https" and route.host.endswith(_GOOGLES)):
        return
    raise _Unusable(
        f"`google:default` would show a token of Google's to {address.scheme}://{route.host}",
        "name an https endpoint of Google's, as https://REGION-aiplatform.googleapis.com/v1/…, or"
        " another key",
    )


def _google_key(now: float) -> GoogleKey:
    try:
        import google.auth
        from google.auth.transport.requests import Request

        credentials, _ = google.auth.default(scopes=[_SCOPE])
        return GoogleKey(credentials, Request(), now)
    except Exception as error:  # noqa: BLE001 - as in `_from_secret_manager`
        raise _Unusable(
            f"Google's application default credentials give no token: {type(error).__name__}",
            "check the network, and set GOOGLE_APPLICATION_CREDENTIALS or log in with `gcloud auth"
            " application-default login`",
        ) from None


def _checked(value: str, where: str) -> Key:
    """Refuses what cannot stand in a header, without showing it."""
    if not _fits_a_header(value):
        raise _Unusable(
            f"{where} holds no key: found {len(value)} characters",
            "a key is one line of printable ASCII characters",
        )
    return Key(value)


def _fits_a_header(value: str) -> bool:
    return bool(value) and value.isascii() and value.isprintable()


def _google_session() -> HttpSession:
    import google.auth
    from google.auth.transport.requests import AuthorizedSession

    credentials, _ = google.auth.default(scopes=[_SCOPE])
    session: HttpSession = AuthorizedSession(credentials)
    return session
