"""Finds the keys that a registry names, in the process that asks and before its first request."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable, Iterable, Mapping

from schemas.errors import InputError, Problem
from schemas.inputs.registry import Route
from transforms.providers.google_key import check_google_host, default_google_key
from transforms.providers.key import Key, UnusableKey, checked_key
from transforms.providers.secret_manager import SecretClient, connect_secret_manager, read_secret


def resolve_keys(
    routes: Iterable[Route],
    *,
    environment: Mapping[str, str] | None = None,
    connect: Callable[[], SecretClient] = connect_secret_manager,
    wall: Callable[[], float] = time.time,
) -> dict[str, Key]:
    """Returns the keys of routes.

    Args:
        routes: The routes that are to be asked.
        environment: The variables that `env:` reads; by default those of this process.
        connect: Returns a client of Secret Manager. Called only if a key is a `secret:`.
        wall: Returns the time, seconds since 1970 UTC, by which tokens are renewed.

    Returns:
        The keys by route id, without the routes that need none.

    Raises:
        InputError: Keys are missing or unusable: it lists all of them, each with its route.
    """
    environment = os.environ if environment is None else environment
    secrets = functools.cache(connect)
    google = functools.cache(lambda: default_google_key(wall()))  # one account for all routes
    keys: dict[str, Key] = {}
    problems: list[Problem] = []
    for route in routes:
        try:
            if route.key == "google:default":
                check_google_host(route)
                keys[route.id] = google()
            elif route.key:
                keys[route.id] = _find(route.key, environment, secrets)
        except UnusableKey as error:
            problems.append(
                Problem(f"route {route.id}: {error.what}", where=route.where, remedy=error.remedy)
            )
    if problems:
        raise InputError(problems)
    return keys


def resolve_address(
    name: str, *, what: str, where: str, environment: Mapping[str, str] | None = None
) -> Key:
    """Returns an address that may hold a password, found in the same places as a key.

    Args:
        name: Where it is found, `env:NAME` or `secret:projects/…`.
        what: What the address belongs to, for messages.
        where: File and line, for messages.
        environment: The variables that `env:` reads; by default those of this process.

    Raises:
        InputError: It is missing or unusable.
    """
    environment = os.environ if environment is None else environment
    try:
        return _find(name, environment, connect_secret_manager)
    except UnusableKey as error:
        raise InputError(f"{what}: {error.what}", where=where, remedy=error.remedy) from None


def _find(name: str, environment: Mapping[str, str], connect: Callable[[], SecretClient]) -> Key:
    kind, _, rest = name.partition(":")
    if kind == "env":
        return _read_variable(rest, environment)
    return read_secret(rest, connect)


def _read_variable(name: str, environment: Mapping[str, str]) -> Key:
    value = environment.get(name, "").strip()
    if not value:
        raise UnusableKey(
            f"the environment variable {name} is not set, or is empty",
            f"set {name}; nothing has been asked yet",
        )
    return checked_key(value, f"the environment variable {name}")
