"""Asks routes for their list of models: whether each is there, takes its key and has its model.

Nothing is spent: no API charges for its list. Sources: https://developers.openai.com/api/reference
(models, list), https://platform.claude.com/docs/en/api/models/list, https://ai.google.dev/api/models.
A list may leave out what works: aliases, deployments, models that are loaded on demand
(https://github.com/madroidmaq/mlx-omni-server/issues/130). Some servers have none
(https://github.com/openvinotoolkit/model_server/issues/3555). A key may be allowed to ask a model
but not to list them (https://github.com/charonn0/Xojo-OpenAI/issues/8); the error then names the
missing scope (https://github.com/microsoft/PowerToys/issues/32989).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum

from schemas.codes import Outcome
from schemas.errors import InputError
from schemas.inputs.registry import Route
from transforms.asking.sender import Sender
from transforms.clock import Clock
from transforms.dialects.error_codes import Meaning
from transforms.limits.route_work import RouteWork
from transforms.providers.apis import find_api
from transforms.providers.http_client import Exchange, HttpClient
from transforms.providers.key import Key
from transforms.providers.keys import resolve_keys
from transforms.providers.retry import read_exchange

_MOST_SECONDS = 20.0
_MOST_NEAR = 3
_NO_SUCH_ADDRESS = (404, 405, 501)


class ProbeState(StrEnum):
    """What is known of a route after its list of models was asked for."""

    LISTED = "listed"
    NOT_LISTED = "not_listed"
    NO_LIST = "no_list"  # it answers, and offers no list of models
    ERROR = "error"  # it answers with an error that decides nothing
    NO_MONEY = "no_money"
    KEY_REFUSED = "key_refused"
    KEY_MISSING = "key_missing"
    UNREACHABLE = "unreachable"
    EMBEDDED = "embedded"  # in this process: nothing to ask
    DENIED = "denied"  # refused by terms: not asked


_FAILS = (
    ProbeState.NO_MONEY,
    ProbeState.KEY_REFUSED,
    ProbeState.KEY_MISSING,
    ProbeState.UNREACHABLE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What is known of one route.

    Attributes:
        route: Its id.
        model: Its model.
        state: What is known.
        url: The address asked; "" where nothing was sent.
        near: Listed models with similar names, if its own is not listed.
        detail: The error and the server's first words, without the key.
    """

    route: str
    model: str
    state: ProbeState
    url: str = ""
    near: tuple[str, ...] = ()
    detail: str = ""

    @property
    def fails(self) -> bool:
        """Whether the route surely cannot be asked."""
        return self.state in _FAILS


def probe_routes(routes: Iterable[Route], clock: Clock) -> list[Probe]:
    """Asks routes for their lists of models, all at once.

    Args:
        routes: The routes; the guard permits each.
        clock: Says whether a key must be renewed.

    Returns:
        What is known of each, in their order, after 20 s at most.
    """
    return asyncio.run(_probe_all(list(routes), clock))


async def _probe_all(routes: list[Route], clock: Clock) -> list[Probe]:
    async with HttpClient() as client:
        return await asyncio.gather(*(_probe(route, client, clock) for route in routes))


async def _probe(route: Route, client: HttpClient, clock: Clock) -> Probe:
    if route.api == "embedded":
        return Probe(route=route.id, model=route.model, state=ProbeState.EMBEDDED)
    try:
        key = resolve_keys([route], wall=clock.wall).get(route.id)
    except InputError as error:
        missing = ProbeState.KEY_MISSING
        return Probe(route=route.id, model=route.model, state=missing, detail=str(error))
    sender = Sender(RouteWork(_hurried(route), (), key), find_api(route.api), client, clock)
    path = find_api(route.api).models_path
    return _read(route, key, sender, path, await sender.get(path))


def _hurried(route: Route) -> Route:
    times = route.timeouts
    shorter = {
        "connect_seconds": min(times.connect_seconds, _MOST_SECONDS),
        "response_seconds": min(times.response_seconds, _MOST_SECONDS),
    }
    return route.model_copy(update={"timeouts": times.model_copy(update=shorter)})


def _read(route: Route, key: Key | None, sender: Sender, path: str, exchange: Exchange) -> Probe:
    reading = read_exchange(exchange)
    names = list(_names(exchange.body)) if exchange.answered else []
    state = _state(route, exchange, names, reading.meaning, reading.words)
    shown = state not in (ProbeState.LISTED, ProbeState.NOT_LISTED)
    words = f": {reading.words}" if reading.words else ""
    return Probe(
        route=route.id,
        model=route.model,
        state=state,
        url=sender.url(path),
        near=_near(route.model, names) if state is ProbeState.NOT_LISTED else (),
        detail=exchange.detail + words if shown else "",
    )


def _state(
    route: Route, exchange: Exchange, names: list[str], meaning: Meaning, words: str
) -> ProbeState:
    status = exchange.status
    if status is None:
        not_renewed = exchange.outcome == Outcome.KEY_NOT_RENEWED
        return ProbeState.KEY_MISSING if not_renewed else ProbeState.UNREACHABLE
    if names:
        return ProbeState.LISTED if route.model in names else ProbeState.NOT_LISTED
    if exchange.answered:
        is_page = exchange.body.lstrip().startswith(b"<")  # of a proxy, to sign in
        return ProbeState.ERROR if is_page else ProbeState.NO_LIST
    if status in _NO_SUCH_ADDRESS:
        return ProbeState.NO_LIST
    if meaning is Meaning.MONEY:
        return ProbeState.NO_MONEY
    if (meaning is Meaning.ACCOUNT or status == 401) and "scope" not in words.lower():
        return ProbeState.KEY_REFUSED
    return ProbeState.ERROR


def _names(body: bytes) -> Iterator[str]:
    """Yields the names of a list of models, in any of the forms that servers send."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return
    # Together sends a bare list: https://docs.together.ai/reference/models
    listed = value.get("data") or value.get("models") if isinstance(value, dict) else value
    for each in listed if isinstance(listed, list) else ():
        if isinstance(each, dict):
            aliases = each.get("aliases")  # llama.cpp's server, xAI
            more = aliases if isinstance(aliases, list) else []
            named = [each.get("id") or each.get("name"), *more]
            yield from (name.removeprefix("models/") for name in named if isinstance(name, str))


def _near(model: str, names: list[str]) -> tuple[str, ...]:
    """Returns listed names that are close to a model's, or end like it."""
    whole = {name.lower(): name for name in names}
    last = {name.lower().rpartition("/")[2]: name for name in names}
    close = (
        known[match]
        for known, wanted in ((last, model.lower().rpartition("/")[2]), (whole, model.lower()))
        for match in get_close_matches(wanted, known, n=_MOST_NEAR)
    )
    return tuple(dict.fromkeys(close))[:_MOST_NEAR]
