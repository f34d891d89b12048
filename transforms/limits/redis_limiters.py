"""Limiters of many processes and machines that share one quota, counted in Redis.

All processes share a quota that use the same Redis server and ask the same route with the same
account. Each process alone limits its requests in flight, to its slice's part of the route's
`concurrency`, and does what the teacher's server asks of it.

The server's address may hold a password. So a registry names it as it names a key; it is resolved
in the process that asks, and appears in no message.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Mapping
from fractions import Fraction
from importlib.resources import files as package_files
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from schemas.canonical import digest
from schemas.errors import InputError
from schemas.inputs.registry import LimiterAddress
from transforms.clock import Clock
from transforms.limits.pacing import MINUTE_SECONDS
from transforms.limits.quota import Limiter, slice_limit
from transforms.limits.shared_counter import QuotaServerError, SharedQuotaCounter, probe
from transforms.providers.keys import resolve_address

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from transforms.limits.route_work import RouteWork

_SCRIPT = "shared_counter.lua"
_PREFIX = "stillroom:quota:"
_TIMEOUT_SECONDS = 2.0  # of a connection and of a reply; the script takes a millisecond
# Codes of Redis errors. The rest of an error's text is not shown: it may repeat a command.
_CODE = re.compile(
    r"\b(?:BUSY|CLUSTERDOWN|LOADING|MASTERDOWN|MISCONF|MOVED|NOPERM|NOREPLICAS|OOM|READONLY"
    r"|WRONGTYPE)\b"
)


class RedisLimiters:
    """Makes the limiters of one slice. Use it as an asynchronous context manager.

    Args:
        address: Where the Redis server's address is found.
        share: This slice's share of each route's concurrency.
        clock: The time, and how to wait.
        environment: The variables that `env:` reads; by default those of this process.
        minute_seconds: Length of a minute; tests shorten it.

    Raises:
        InputError: The package `redis` is not installed, or the address is missing or invalid.
    """

    def __init__(
        self,
        address: LimiterAddress,
        share: Fraction,
        clock: Clock,
        *,
        environment: Mapping[str, str] | None = None,
        minute_seconds: float = MINUTE_SECONDS,
    ) -> None:
        self._address = address
        self._share = share
        self._clock = clock
        self._minute_seconds = minute_seconds
        self._client = _connect(address, environment)
        script = package_files(__package__).joinpath(_SCRIPT).read_text("utf-8")
        self._script = self._client.register_script(script)
        self._counters: list[SharedQuotaCounter] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for counter in self._counters:
            await counter.close()
        await self._client.aclose()

    def limiter(self, work: RouteWork) -> Limiter:
        """Returns the limiter of a route.

        Args:
            work: The route, its key, and what it was asked today before.

        Raises:
            InputError: The route's concurrency cannot be shared by so many slices.
        """
        concurrency = slice_limit(work.route, "concurrency", self._share)
        return Limiter(self.counter(work), concurrency, self._clock)

    def counter(self, work: RouteWork) -> SharedQuotaCounter:
        """Returns the shared counter of a route's quota; see `limiter`."""
        key = quota_key(work)
        counter = SharedQuotaCounter(
            self._run, key, work.route, work.today, self._clock, self._minute_seconds
        )
        self._counters.append(counter)
        return counter

    async def check(self) -> None:
        """Checks that the server runs the script. Grants nothing.

        Raises:
            InputError: It does not.
        """
        try:
            await probe(self._run, f"{_PREFIX}check")
        except QuotaServerError as error:
            raise InputError(
                f"the limiter cannot be used: {error}",
                where=self._address.where,
                expected="a Redis server that runs scripts and lets them write",
                remedy=f"check the server, and the address that {self._address.redis} holds; "
                "nothing has been asked yet",
            ) from None

    async def _run(self, key: str, settings: str, ask: str) -> dict[str, Any]:
        from redis.exceptions import RedisError

        try:
            reply: dict[str, Any] = json.loads(await self._script(keys=[key], args=[settings, ask]))
        except (RedisError, OSError) as error:
            raise QuotaServerError(_why(error)) from None
        return reply


def check_limiter(address: LimiterAddress) -> None:
    """Checks before the first request that a limiter works.

    Args:
        address: Where its address is found.

    Raises:
        InputError: It does not. The message says why, and does not hold the address.
    """

    async def check() -> None:
        async with RedisLimiters(address, Fraction(1), Clock()) as limiters:
            await limiters.check()

    asyncio.run(check())


def quota_key(work: RouteWork) -> str:
    """Returns the Redis key of a route's quota: a digest, from which nothing can be read.

    A key identifies its account. A token that is renewed does not; then the endpoint's path does,
    since Google's APIs name the project in it.

    Args:
        work: The route and its key.
    """
    route, address = work.route, urlsplit(work.route.endpoint)
    account = address.path.rstrip("/")
    if work.key is not None and route.key.startswith(("env:", "secret:")):
        account = work.key.account
    return _PREFIX + digest([address.netloc.lower() or route.host, account, route.id])


def _connect(address: LimiterAddress, environment: Mapping[str, str] | None) -> Redis:
    """Returns a client, which connects with its first command. Only we retry, by our clock."""
    try:
        from redis.asyncio import Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff
    except ImportError:
        raise InputError(
            "the limiter needs the package redis, which is not installed",
            where=address.where,
            expected="it in every process that asks",
            remedy="install stillroom with its extra: stillroom[redis]",
        ) from None
    url = resolve_address(
        address.redis, what="limiter", where=address.where, environment=environment
    )
    try:
        return Redis.from_url(
            url.reveal(),
            socket_timeout=_TIMEOUT_SECONDS,
            socket_connect_timeout=_TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
    except ValueError:  # the text of the error may hold the address
        raise InputError(
            f"{address.redis} does not hold the address of a Redis server",
            where=address.where,
            expected="an address like redis://:password@host:6379/0; rediss:// for TLS; other "
            "characters of a password than letters and digits percent-encoded",
        ) from None


def _why(error: Exception) -> str:
    """Returns what went wrong, without address and password."""
    from redis.exceptions import AuthenticationError, ResponseError
    from redis.exceptions import TimeoutError as RedisTimeout

    if isinstance(error, AuthenticationError):
        return "it refuses the user or the password"
    if isinstance(error, TimeoutError | RedisTimeout):
        return f"it did not answer within {_TIMEOUT_SECONDS:g} s"
    if isinstance(error, ResponseError):
        code = _CODE.search(str(error))
        return f"it answered with an error, {code.group() if code else type(error).__name__}"
    cause = error if isinstance(error, OSError) else error.__context__
    if isinstance(cause, OSError) and cause.errno and cause.errno > 0:
        return f"there is no connection to it: {os.strerror(cause.errno).lower()}"
    return "there is no connection to it"
