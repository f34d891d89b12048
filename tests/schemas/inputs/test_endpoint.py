"""An endpoint that no request can reach, or that a token must not reach, is refused."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.errors import InputError
from schemas.inputs.check import check_value
from schemas.inputs.endpoint import endpoint_flaw
from schemas.inputs.registry import WrittenRoute


def route(endpoint: str, key: str = "") -> WrittenRoute:
    value: dict[str, Any] = {"api": "gemini", "endpoint": endpoint, "model": "m", "terms": ["a/b"]}
    return check_value(value | ({"key": key} if key else {}), WrittenRoute, "the route")


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://host:99999/v1",
        "http://host:0/v1",
        "http://host:-1/v1",
        "http://host:eighty/v1",
        "http://:8000/v1",
        "http://[::1/v1",
        "https://two words/v1",
        "https://host/two words",
        "https://host /v1",
        "https://host/v1\t",
    ],
)
def test_an_address_that_no_server_can_have_is_refused(endpoint: str) -> None:
    with pytest.raises(InputError, match=r"the route\.endpoint: (no server|wrong form)"):
        route(endpoint)


@pytest.mark.parametrize(
    "endpoint",
    ["https://host/v1", "http://host:65535", "http://[::1]:8000/v1"],
)
def test_an_address_that_a_server_can_have_is_accepted(endpoint: str) -> None:
    assert route(endpoint).endpoint == endpoint


def test_a_token_of_google_is_sent_encrypted_or_stays_on_this_machine() -> None:
    for endpoint in ("http://vertex.example/v1", "http://10.0.0.7/v1", "http://localhost.evil/v1"):
        with pytest.raises(InputError, match="unencrypted"):
            route(endpoint, "google:default")
        assert route(endpoint, "env:KEY").key == "env:KEY"
    for endpoint in (
        "https://v.example/v1",
        "http://localhost:1",
        "http://127.0.0.9",
        "http://[::1]",
    ):
        assert route(endpoint, "google:default").endpoint == endpoint


@pytest.mark.parametrize("own", ["/chat/completions", "/messages/", "/completions"])
def test_an_endpoint_with_the_apis_own_path_is_refused_with_what_to_write(own: str) -> None:
    flaw = endpoint_flaw(f"http://localhost:8000/v1{own}")
    assert flaw is not None
    assert flaw.remedy == "write it up to /v1"
    assert endpoint_flaw("http://localhost:8000/v1/") is None
