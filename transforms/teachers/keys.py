"""Keys: named in a registry, fetched just before the first request, shown to nobody but the host.

A registry says where a key is found and never holds it. Whoever has a `Key` cannot log, print or
pickle it by accident: only `reveal` gives it away, and only the headers of a request call that.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn, Protocol

from schemas.errors import InputError, Problem
from schemas.registry import Route

SECRET_MANAGER = "https://secretmanager.googleapis.com"  # noqa: S105 - an address
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_SECONDS = 30.0


class Key:
    """A key that does not show itself: not in a log, an error, a pickle or a dataclass's repr."""

    __slots__ = ("_digest", "_value")

    def __init__(self, value: str) -> None:
        self._value = value
        self._digest = hashlib.sha256(value.encode()).digest()

    def reveal(self) -> str:
        """Returns the key itself. Keep what it returns out of everything but a header."""
        return self._value

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
) -> dict[str, Key]:
    """Finds the keys of all routes. Call it before the first request, in the process that asks.

    Args:
        routes: The routes that are to be asked.
        environment: Where `env:` looks; by default this process's environment.
        session: Makes an HTTP session with the rights to read `secret:`; by default one with
            Google's application default credentials. Called only if a route has a `secret:`.
        secret_manager: Base address of Secret Manager.

    Returns:
        The keys by route id, without the routes that need none.

    Raises:
        InputError: With every key that is missing or unusable, each with its route.
    """
    environment = os.environ if environment is None else environment
    keys: dict[str, Key] = {}
    problems: list[Problem] = []
    for route in routes:
        kind, _, name = route.key.partition(":")
        try:
            if kind == "env":
                keys[route.id] = _from_environment(name, environment)
            elif kind == "secret":
                keys[route.id] = _from_secret_manager(
                    name, session or _google_session, secret_manager
                )
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


def _checked(value: str, where: str) -> Key:
    """Refuses what cannot stand in a header, without showing it."""
    if not value or not value.isascii() or not value.isprintable():
        raise _Unusable(
            f"{where} holds no key: found {len(value)} characters",
            "a key is one line of printable ASCII characters",
        )
    return Key(value)


def _google_session() -> HttpSession:
    import google.auth
    from google.auth.transport.requests import AuthorizedSession

    credentials, _ = google.auth.default(scopes=[_SCOPE])
    session: HttpSession = AuthorizedSession(credentials)
    return session
