"""Keys are found where the registry says, and shown to nobody."""

from __future__ import annotations

import base64
import copy
import logging
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest
import requests

from schemas.errors import InputError
from schemas.inputs.registry import Route
from tests.transforms.asking.asking import make_route
from transforms.providers.keys import Key, resolve_keys

SECRET = "sk-very-secret"
NAME = "projects/p/secrets/s/versions/7"


def route(key: str, name: str = "our/model") -> Route:
    return replace(make_route("https://t/v1", name, key=key), where="teachers.yaml:4")


@dataclass(frozen=True, slots=True)
class Holder:
    key: Key


@pytest.mark.parametrize("show", [repr, str, "{}".format, "{!r}".format, "%s".__mod__])
@pytest.mark.parametrize("wrap", [lambda key: key, Holder, lambda key: [key]])
def test_a_key_never_shows_itself(
    show: Callable[[Any], str], wrap: Callable[[Key], object]
) -> None:
    assert SECRET not in show((wrap(Key(SECRET)),) if show == "%s".__mod__ else wrap(Key(SECRET)))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_key_cannot_be_pickled(protocol: int) -> None:
    with pytest.raises(TypeError, match="a key is never pickled") as caught:
        pickle.dumps({"held": Holder(Key(SECRET))}, protocol)
    assert SECRET not in str(caught.value)


def test_a_key_cannot_be_copied_into_something_else() -> None:
    with pytest.raises(TypeError):
        copy.deepcopy(Holder(Key(SECRET)))


def test_the_same_key_is_the_same_account() -> None:
    assert Key(SECRET) == Key(SECRET) != Key("sk-other")
    assert len({Key(SECRET), Key(SECRET), Key("sk-other")}) == 2
    assert Key(SECRET) != SECRET


def test_a_key_is_found_in_the_environment() -> None:
    keys = resolve_keys(
        [route("env:OUR_KEY"), route("", "local/model")], environment={"OUR_KEY": f" {SECRET}\n"}
    )
    assert {name: key.reveal() for name, key in keys.items()} == {"our/model": SECRET}


def test_keys_that_are_missing_are_all_named_with_their_routes() -> None:
    routes = [route("env:ONE", "a/b"), route("env:TWO", "c/d"), route("env:SET", "e/f")]
    with pytest.raises(InputError) as caught:
        resolve_keys(routes, environment={"TWO": " ", "SET": SECRET})
    message = str(caught.value)
    assert "teachers.yaml:4: route a/b: the environment variable ONE is not set" in message
    assert "teachers.yaml:4: route c/d: the environment variable TWO is not set" in message
    assert "e/f" not in message


@pytest.mark.parametrize("value", [f"{SECRET}\nX-Other: 1", f"{SECRET}\x7f", f"{SECRET}é"])
def test_a_key_that_no_header_can_hold_is_refused_unseen(value: str) -> None:
    with pytest.raises(InputError, match="OUR_KEY holds no key") as caught:
        resolve_keys([route("env:OUR_KEY")], environment={"OUR_KEY": value})
    assert SECRET not in str(caught.value)


@contextmanager
def secret_manager(status: int, body: bytes) -> Iterator[tuple[str, list[str]]]:
    """Runs a server that answers as Secret Manager's REST API does."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Keeps quiet."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


def payload(data: bytes) -> bytes:
    return b'{"payload": {"data": "' + base64.b64encode(data) + b'"}}'


def test_a_key_is_found_in_secret_manager() -> None:
    with secret_manager(200, payload(SECRET.encode() + b"\n")) as (address, asked):
        keys = resolve_keys(
            [route(f"secret:{NAME}")], session=requests.Session, secret_manager=address
        )
    assert keys["our/model"].reveal() == SECRET
    assert asked == [f"/v1/{NAME}:access"]


@pytest.mark.parametrize(
    ("status", "body", "found"),
    [
        (403, b"{}", "HTTP 403"),
        (404, b"{}", "HTTP 404"),
        (302, b"{}", "HTTP 302"),
        (200, b"not json", "JSONDecodeError"),
        (200, b"{}", "KeyError"),
        (200, b'{"payload": {"data": "*"}}', "Error"),
        (200, payload(b""), "0 characters"),
        (200, payload(b"\xff"), "UnicodeDecodeError"),
        (200, payload(b"two\nlines"), "9 characters"),
    ],
)
def test_a_secret_that_cannot_be_used_is_named_unseen(status: int, body: bytes, found: str) -> None:
    with secret_manager(status, body) as (address, asked), pytest.raises(InputError) as caught:
        resolve_keys([route(f"secret:{NAME}")], session=requests.Session, secret_manager=address)
    message = str(caught.value)
    assert found in message
    assert f"route our/model: the secret {NAME}" in message
    assert len(asked) == 1


def test_without_google_credentials_the_secret_is_named() -> None:
    def no_credentials() -> requests.Session:
        raise RuntimeError(SECRET)

    with pytest.raises(InputError, match=f"the secret {NAME} could not be read") as caught:
        resolve_keys([route(f"secret:{NAME}")], session=no_credentials)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None


def test_resolving_logs_no_key(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), secret_manager(200, payload(SECRET.encode())) as (at, _):
        resolve_keys([route(f"secret:{NAME}")], session=requests.Session, secret_manager=at)
    assert SECRET not in caplog.text
