"""Reads keys from Google's Secret Manager with its official client."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from transforms.providers.key import Key, UnusableKey, checked_key

_TIMEOUT_SECONDS = 30.0
# What is wrong and what to do, by HTTP status:
# https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets.versions/access
_CAUSES = {
    400: (
        "the name is invalid, or the version is disabled or destroyed",
        "enable the version or name another one",
    ),
    403: (
        "this process may not read it",
        "give its Google account the role roles/secretmanager.secretAccessor on the secret",
    ),
    404: ("there is no such version", "check the project, the secret and the version in the name"),
}


class SecretClient(Protocol):
    """The part of `google.cloud.secretmanager.SecretManagerServiceClient` that is used."""

    def access_secret_version(self, *, name: str, timeout: float) -> Any:
        """Returns a version of a secret, with its bytes in `payload.data`."""
        ...


def connect_secret_manager() -> SecretClient:
    """Returns a client with the application default credentials of this process.

    It uses REST, which starts no threads; a process reads few secrets.

    Raises:
        ImportError: The extra `secrets` is not installed.
        google.auth.exceptions.DefaultCredentialsError: There are no credentials.
    """
    from google.cloud.secretmanager import SecretManagerServiceClient

    client: SecretClient = SecretManagerServiceClient(transport="rest")
    return client


def read_secret(name: str, connect: Callable[[], SecretClient]) -> Key:
    """Returns the key that a version of a secret holds.

    Args:
        name: The version: `projects/…/secrets/…/versions/…`.
        connect: Returns the client that reads it.

    Raises:
        UnusableKey: It cannot be read, or holds no key.
    """
    try:
        version = connect().access_secret_version(name=name, timeout=_TIMEOUT_SECONDS)
        value = version.payload.data.decode().strip()
    except Exception as error:  # noqa: BLE001 - the errors of three libraries have no common base
        cause, remedy = _explain(error)
        raise UnusableKey(f"the secret {name} cannot be read: {cause}", remedy) from None
    return checked_key(value, f"the secret {name}")


def _explain(error: Exception) -> tuple[str, str]:
    """Returns what is wrong and what to do, without the error's text: it may hold the secret."""
    if isinstance(error, ImportError):
        return (
            "the package google-cloud-secret-manager is not installed",
            "install stillroom with its extra: stillroom[secrets]",
        )
    other = (type(error).__name__, "check the network and the Google credentials of this process")
    return _CAUSES.get(getattr(error, "code", 0), other)
