"""APIs are found by the `api` of a route."""

from __future__ import annotations

from typing import get_args

import pytest

from schemas.errors import InputError
from schemas.inputs.parameters import Parameters
from schemas.inputs.registry import Api
from transforms.providers.apis import find_api, unsupported_parameters


@pytest.mark.parametrize("name", ["openai-chat", "embedded"])
def test_an_api_is_found_by_name(name: str) -> None:
    assert find_api(name).headers("k") == {"Authorization": "Bearer k"}


def test_an_unknown_api_is_named_with_those_that_are_known() -> None:
    with pytest.raises(InputError, match=r"openai-caht.*embedded, gemini, openai-chat") as caught:
        find_api("openai-caht")
    assert "did you mean 'openai-chat'?" in str(caught.value)


def test_a_response_is_read_by_its_api() -> None:
    assert find_api("embedded").parse(b"") == find_api("openai-chat").parse(b"")


def test_every_api_of_the_registry_is_supported() -> None:
    for name in get_args(Api):
        assert find_api(name).parameters


def test_openai_chat_has_every_parameter_that_a_run_file_may_name() -> None:
    assert find_api("openai-chat").parameters == set(Parameters.model_fields)


@pytest.mark.parametrize(
    ("api", "missing"),
    [("openai-chat", []), ("embedded", []), ("gemini", []), ("anthropic-messages", ["seed"])],
)
def test_parameters_that_an_api_does_not_have_are_returned(api: str, missing: list[str]) -> None:
    assert unsupported_parameters(api, {"temperature": 1, "seed": 7, "max_tokens": 9}) == missing


def test_the_parameters_of_an_unknown_api_are_an_error() -> None:
    with pytest.raises(InputError, match="smoke-signals"):
        unsupported_parameters("smoke-signals", [])
