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
        if self._needs_renewal() and (problem := await self._renew()):
            return Exchange(Outcome.KEY_NOT_RENEWED, detail=problem)
        return await self._client.post(self._target(call.path), call.body)

    async def get(self, path: str) -> Exchange:
        """Gets a path; returns its response or error."""
        if self._needs_renewal() and (problem := await self._renew()):
            return Exchange(Outcome.KEY_NOT_RENEWED, detail=problem)
        return await self._client.get(self._target(path))

    def url(self, path: str) -> str:
        """Returns the address that a path belongs to."""
        return self._base + path

    def _needs_renewal(self) -> bool:
        return self._key is not None and self._key.is_stale(self._clock.wall())

    async def _renew(self) -> str:
        """Renews the key; returns why that failed, or ""."""
        return await self._key.renew(self._clock.wall) if self._key else ""

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
