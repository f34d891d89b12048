"""A secret is read with the official client; an error says why it cannot be, without the secret."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.secret_manager_server import failure, payload, secret_manager
from transforms.providers.key import UnusableKey
from transforms.providers.secret_manager import connect_secret_manager, read_secret

SECRET = "sk-very-secret"
NAME = "projects/p/secrets/s/versions/7"


def test_a_version_of_a_secret_is_read() -> None:
    with secret_manager(200, payload(SECRET.encode() + b"\n")) as server:
        key = read_secret(NAME, server.connect)
    assert key.reveal() == SECRET
    assert server.asked == [f"/v1/{NAME}:access"]


@pytest.mark.parametrize(
    ("status", "body", "found", "remedy"),
    [
        (400, failure(400, "FAILED_PRECONDITION", SECRET), "disabled or destroyed", "enable"),
        (403, failure(403, "PERMISSION_DENIED", SECRET), "may not read it", "secretAccessor"),
        (404, failure(404, "NOT_FOUND", SECRET), "no such version", "check the project"),
        (403, b"{}", "may not read it", "secretAccessor"),
        (200, SECRET.encode(), "ParseError", "check the network"),
        (200, b"{}", "found 0 characters", "one line"),
        (200, b'{"payload": {"data": "*"}}', "found 0 characters", "one line"),
        (200, payload(b""), "found 0 characters", "one line"),
        (200, payload(b"\xff"), "UnicodeDecodeError", "check the network"),
        (200, payload(b"two\nlines"), "found 9 characters", "one line"),
    ],
)
def test_a_secret_that_cannot_be_used_is_explained_and_not_shown(
    status: int, body: bytes, found: str, remedy: str
) -> None:
    with secret_manager(status, body) as server, pytest.raises(UnusableKey) as caught:
        read_secret(NAME, server.connect)
    assert f"the secret {NAME}" in caught.value.what
    assert found in caught.value.what
    assert remedy in caught.value.remedy
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
    assert len(server.asked) == 1


def test_a_redirect_brings_no_key() -> None:
    with secret_manager(302, b"{}") as server, pytest.raises(UnusableKey, match="cannot be read"):
        read_secret(NAME, server.connect)


def test_missing_credentials_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    with pytest.raises(UnusableKey, match="DefaultCredentialsError") as caught:
        read_secret(NAME, connect_secret_manager)
    assert "Google credentials of this process" in caught.value.remedy


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "google.cloud.secretmanager", None)
    with pytest.raises(UnusableKey, match="google-cloud-secret-manager is not installed") as caught:
        read_secret(NAME, connect_secret_manager)
    assert "stillroom[secrets]" in caught.value.remedy
