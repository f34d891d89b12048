"""The APIs that teachers speak: one module each, named as a route's `api` with `_` for `-`.

A module holds a constant `API`. Adding an API is adding a module; nothing else knows them by name.
Parameters have the names of OpenAI's chat API (`schemas.inputs.run.TeacherChoice`); each module
lists those that its API has, and translates them.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from schemas.errors import InputError, nearest
from schemas.prompts import Message
from schemas.requests import Request
from schemas.responses import Completion, Malformed, Usage
from transforms.providers.key import Key


@dataclass(frozen=True, slots=True)
class HttpCall:
    """What is posted.

    Attributes:
        path: Appended to the route's endpoint.
        body: JSON.
    """

    path: str
    body: bytes


class Api(Protocol):
    """How one API is asked and how its answers are read."""

    @property
    def parameters(self) -> frozenset[str]:
        """The sampling parameters that the API has; `build` takes no others."""
        ...

    def build(self, request: Request) -> HttpCall:
        """Makes the call that asks a request."""
        ...

    def headers(self, key: str) -> Mapping[str, str]:
        """Returns the headers of every call; with the key among them, unless it is ""."""
        ...

    def parse(self, body: bytes) -> Completion | Malformed:
        """Reads an answer. Depends on nothing but the bytes, and never raises on any.

        Args:
            body: Body of a response with status 2xx, as received.

        Returns:
            The completion; or why there is none.
        """
        ...

    def usage(self, body: bytes) -> Usage:
        """Reads what an answer used, and nothing else: also where there is no completion to read.

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
        InputError: This version does not speak it.
    """
    known = {module.name.replace("_", "-") for module in pkgutil.iter_modules(__path__)}
    if name not in known:
        raise InputError(
            "this version of stillroom does not speak the API",
            found=repr(name),
            expected=f"one of {', '.join(sorted(known))}",
            remedy=nearest(name, known),
        )
    module = importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
    api: Api = module.API
    return api


def headers_for(api: Api, key: Key | None) -> Mapping[str, str]:
    """Returns the headers of a call: the API's own, and those that show the key.

    Args:
        api: The API.
        key: The route's key as it is now, or None for a route that needs none.
    """
    if key is None:
        return api.headers("")
    if key.is_token:
        return {**api.headers(""), "Authorization": f"Bearer {key.reveal()}"}
    return api.headers(key.reveal())


def unsupported_parameters(api: str, parameters: Iterable[str]) -> list[str]:
    """Returns the sampling parameters that an API does not have.

    Nothing is ever left out of a request in silence: whoever asks checks this before the first one.

    Args:
        api: The route's `api`.
        parameters: Names of sampling parameters as run files have them.

    Returns:
        Those that the API does not have, in alphabetical order.

    Raises:
        InputError: This version does not speak the API.
    """
    return sorted(set(parameters) - find_api(api).parameters)


def split_system(messages: Iterable[Message]) -> tuple[str, list[Message]]:
    """Parts instructions from conversation, for an API whose conversations have no system turns.

    Args:
        messages: A request's messages.

    Returns:
        All system turns as one text, a blank line between two, "" for none; and the other turns.
    """
    turns = list(messages)
    system = "\n\n".join(turn.content for turn in turns if turn.role == "system")
    return system, [turn for turn in turns if turn.role != "system"]


def rename_parameters(parameters: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Returns sampling parameters in an API's own words.

    Args:
        parameters: As run files have them. `stop` may be one text or a list.
        names: The API's names for them.

    Returns:
        The same under the API's names, `stop` as a list.

    Raises:
        KeyError: One has no name in the API: `unsupported_parameters` was not heeded.
    """
    settings = dict(parameters)
    if isinstance(settings.get("stop"), str):
        settings["stop"] = [settings["stop"]]
    return {names[name]: value for name, value in settings.items()}
