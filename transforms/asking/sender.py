"""Sends the calls of one route, with its key."""

from __future__ import annotations

from yarl import URL

from schemas.codes import Outcome
from transforms.clock import Clock
from transforms.limits.route_work import RouteWork
from transforms.providers.apis import Api, HttpCall, headers_for
from transforms.providers.http_client import Exchange, HttpClient, HttpTarget, make_timeout


class Sender:
    """Sends calls to one route. A key that ends is renewed before it does.

    Args:
        work: The route, its address and its key.
        api: The route's API.
        client: Sends requests.
        clock: Says whether the key must be renewed.
    """

    def __init__(self, work: RouteWork, api: Api, client: HttpClient, clock: Clock) -> None:
        self._base = work.base
        self._timeout = make_timeout(work.route.timeouts)
        self._key = work.key
        self._key_value = work.key.reveal() if work.key else ""
        self._api = api
        self._client = client
        self._clock = clock
        self._targets: dict[str, HttpTarget] = {}

    async def post(self, call: HttpCall) -> Exchange:
        """Sends a call; returns its response or error."""
        if self._key is not None and self._key.is_stale(self._clock.wall()):
            problem = await self._key.renew(self._clock.wall)
            if problem:
                return Exchange(Outcome.KEY_NOT_RENEWED, detail=problem)
        return await self._client.post(self._target(call.path), call.body)

    def url(self, call: HttpCall) -> str:
        """Returns the address that a call is sent to."""
        return self._base + call.path

    def without_key(self, words: str) -> str:
        """Returns a server's words with the key masked."""
        return words.replace(self._key_value, "…") if self._key_value else words

    def _target(self, path: str) -> HttpTarget:
        """Returns address, headers and timeouts; made again once the key was renewed."""
        if self._key is not None and self._key.reveal() is not self._key_value:
            self._key_value = self._key.reveal()
            self._targets.clear()
        target = self._targets.get(path)
        if target is None:
            headers = headers_for(self._api, self._key)
            target = HttpTarget(URL(self._base + path), headers, self._timeout)
            self._targets[path] = target
        return target
