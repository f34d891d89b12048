"""The APIs of teachers: one module each, named as a route's `api` with `_` for `-`.

A module holds a constant `API`. To add an API, add a module; no other code names them.
Parameters have the names of OpenAI's chat API (`schemas.inputs.run.TeacherChoice`); each module
lists those that its API has, and translates them.
"""

from __future__ import annotations

import functools
import importlib
import json
import pkgutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import orjson

from schemas.canonical import Path
from schemas.errors import InputError, Problem, close_names
from schemas.inputs.extra import Own, extra_problems
from schemas.prompts import Message
from schemas.requests import Request
from schemas.responses import Completion, Malformed, Usage
from transforms.providers.key import Key


@dataclass(frozen=True, slots=True)
class HttpCall:
    """A call to an API.

    Attributes:
        path: Appended to the route's endpoint.
        body: JSON.
    """

    path: str
    body: bytes


class Api(Protocol):
    """Makes the calls of one API and reads its answers."""

    @property
    def parameters(self) -> frozenset[str]:
        """The sampling parameters that the API has; `build` takes no others."""
        ...

    @property
    def own(self) -> Own:
        """The members of the body that `build` writes: `extra` may not give them."""
        ...

    @property
    def models_path(self) -> str:
        """The path of the list of models, appended to the route's endpoint."""
        ...

    def build(self, request: Request) -> HttpCall:
        """Returns the call that asks a request, with its `extra`."""
        ...

    def headers(self, key: str) -> Mapping[str, str]:
        """Returns the headers of all calls, with the key unless it is ""."""
        ...

    def parse(self, body: bytes) -> Completion | Malformed:
        """Reads an answer. The result depends on the bytes alone; no bytes raise an error.

        Args:
            body: Body of a response with status 2xx, as received.

        Returns:
            The completion; or why there is none.
        """
        ...

    def usage(self, body: bytes) -> Usage:
        """Returns what an answer used, even if its completion is unreadable.

        Args:
            body: Body of a response with status 2xx, as received.
        """
        ...


@functools.cache
def find_api(name: str) -> Api:
    """Returns the API of a route.

    Args:
        name: The route's `api`.

    Raises:
        InputError: This version does not support it.
    """
    known = {module.name.replace("_", "-") for module in pkgutil.iter_modules(__path__)}
    if name not in known:
        raise InputError(
            "this version of stillroom does not support the API",
            found=repr(name),
            expected=f"one of {', '.join(sorted(known))}",
            remedy=close_names(name, known),
        )
    module = importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
    api: Api = module.API
    return api


def headers_for(api: Api, key: Key | None) -> Mapping[str, str]:
    """Returns the headers of a call: the API's own, and the one with the key.

    Args:
        api: The API.
        key: The route's present key; None for a route that needs none.
    """
    if key is None:
        return api.headers("")
    if key.is_token:
        return {**api.headers(""), "Authorization": f"Bearer {key.reveal()}"}
    return api.headers(key.reveal())


def unsupported_parameters(api: str, parameters: Iterable[str]) -> list[str]:
    """Returns the sampling parameters that an API does not have, sorted.

    It is checked before the first request, so that no parameter is left out of a request.

    Args:
        api: The route's `api`.
        parameters: Names of sampling parameters in a run file.

    Raises:
        InputError: This version does not support the API.
    """
    return sorted(set(parameters) - find_api(api).parameters)


def unsendable_extra(api: str, extra: Mapping[str, Any]) -> Iterator[tuple[Path, Problem]]:
    """Yields what a teacher's `extra` may not hold, with the keys that lead to it.

    Args:
        api: The route's `api`.
        extra: The teacher's `extra`.

    Raises:
        InputError: This version does not support the API.
    """
    return extra_problems(extra, find_api(api).own)


def encode_body(body: Mapping[str, Any]) -> bytes:
    """Returns the body of a request as JSON. Half a surrogate pair is escaped."""
    try:
        return orjson.dumps(body)
    except orjson.JSONEncodeError:
        return json.dumps(body, separators=(",", ":")).encode()


def merge_extra(body: dict[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the body of a request with what `extra` adds.

    Args:
        body: What the API sends itself.
        extra: Was checked by `unsendable_extra`: nothing in it replaces what is in the body.
    """
    merged = dict(body)
    for key, value in extra.items():
        if isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = merge_extra(merged[key], value)
        else:
            merged.setdefault(key, value)
    return merged


def split_system(messages: Iterable[Message]) -> tuple[str, list[Message]]:
    """Separates the system prompt from the turns, for an API that has no system turns.

    Args:
        messages: A request's messages.

    Returns:
        All system turns as one text, separated by blank lines, "" for none; and the other turns.
    """
    turns = list(messages)
    system = "\n\n".join(turn.content for turn in turns if turn.role == "system")
    return system, [turn for turn in turns if turn.role != "system"]


def rename_parameters(parameters: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Returns sampling parameters under an API's own names.

    Args:
        parameters: As in a run file. `stop` may be one text or a list.
        names: The API's names for them.

    Returns:
        The same values, `stop` as a list.

    Raises:
        KeyError: The API has no such parameter: `unsupported_parameters` was not checked.
    """
    settings = dict(parameters)
    if isinstance(settings.get("stop"), str):
        settings["stop"] = [settings["stop"]]
    return {names[name]: value for name, value in settings.items()}
