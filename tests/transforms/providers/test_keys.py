"""Keys are found where the registry says; an error lists all that are missing."""

from __future__ import annotations

import logging

import pytest

from schemas.errors import InputError
from schemas.inputs.registry import Route
from tests.secret_manager_server import payload, secret_manager
from tests.transforms.asking.asking import make_route
from transforms.providers.keys import resolve_address, resolve_keys
from transforms.providers.secret_manager import SecretClient

SECRET = "sk-very-secret"
NAME = "projects/p/secrets/s/versions/7"


def route(key: str, name: str = "our/model") -> Route:
    return make_route("https://t/v1", name, key=key).model_copy(update={"where": "teachers.yaml:4"})


def test_a_key_is_found_in_the_environment() -> None:
    keys = resolve_keys(
        [route("env:OUR_KEY"), route("", "local/model")], environment={"OUR_KEY": f" {SECRET}\n"}
    )
    assert {name: key.reveal() for name, key in keys.items()} == {"our/model": SECRET}


def test_missing_keys_are_all_listed_with_their_routes() -> None:
    routes = [route("env:ONE", "a/b"), route("env:TWO", "c/d"), route("env:SET", "e/f")]
    with pytest.raises(InputError) as caught:
        resolve_keys(routes, environment={"TWO": " ", "SET": SECRET})
    message = str(caught.value)
    assert "teachers.yaml:4: route a/b: the environment variable ONE is not set" in message
    assert "teachers.yaml:4: route c/d: the environment variable TWO is not set" in message
    assert "e/f" not in message


@pytest.mark.parametrize("value", [f"{SECRET}\nX-Other: 1", f"{SECRET}\x7f", f"{SECRET}é"])
def test_a_key_that_no_header_can_hold_is_refused_without_showing_it(value: str) -> None:
    with pytest.raises(InputError, match="OUR_KEY holds no key") as caught:
        resolve_keys([route("env:OUR_KEY")], environment={"OUR_KEY": value})
    assert SECRET not in str(caught.value)


def test_all_secrets_are_read_through_one_client() -> None:
    made: list[SecretClient] = []

    def connect() -> SecretClient:
        made.append(server.connect())
        return made[-1]

    routes = [route(f"secret:{NAME}"), route(f"secret:{NAME}", "our/other")]
    with secret_manager(200, payload(SECRET.encode())) as server:
        keys = resolve_keys(routes, connect=connect)
    assert [key.reveal() for key in keys.values()] == [SECRET, SECRET]
    assert len(made) == 1


def test_a_secret_that_cannot_be_read_is_listed_with_its_route() -> None:
    with secret_manager(404, b"{}") as server, pytest.raises(InputError) as caught:
        resolve_keys([route(f"secret:{NAME}")], connect=server.connect)
    assert f"teachers.yaml:4: route our/model: the secret {NAME} cannot be read" in str(
        caught.value
    )


def test_resolving_logs_no_key(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), secret_manager(200, payload(SECRET.encode())) as server:
        resolve_keys([route(f"secret:{NAME}")], connect=server.connect)
    assert SECRET not in caplog.text


def test_an_address_is_found_as_a_key_is() -> None:
    found = resolve_address("env:AT", what="limiter", where="t:1", environment={"AT": "redis://h"})
    assert found.reveal() == "redis://h"
    with pytest.raises(InputError, match="t:1: limiter: the environment variable AT is not set"):
        resolve_address("env:AT", what="limiter", where="t:1", environment={})
