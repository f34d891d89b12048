"""Limiters that draw on one quota, wherever they run: the count is kept in Redis.

All who name the same server, and ask the same route of the same account, share it. What stays each
process's own is what concerns its connections alone: how many it has in flight, its slice's part of
the route's `concurrency`; and what the teacher's server said to it.

The address may hold a password, so it is named as a key is, resolved in the process that asks, and
shown nowhere.
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
_ANSWER_SECONDS = 2.0  # for a connection, and for an answer; the script takes a millisecond
# What Redis names an error by. The rest of its text is not shown: it may repeat a command's words.
_CODE = re.compile(
    r"\b(?:BUSY|CLUSTERDOWN|LOADING|MASTERDOWN|MISCONF|MOVED|NOPERM|NOREPLICAS|OOM|READONLY"
    r"|WRONGTYPE)\b"
)


class RedisLimiters:
    """Makes the limiters of one slice. Use it as an asynchronous context manager.

    Args:
        address: Where the Redis server's address is found.
        share: This slice's share of what is not shared: of each route's concurrency.
        clock: Tells the time and lets it pass.
        environment: Where `env:` looks; by default this process's environment.
        minute_seconds: How long a minute is: for tests.

    Raises:
        InputError: The package `redis` is not installed, or the address is missing or is none.
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
        self._allowances: list[SharedQuotaCounter] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for allowance in self._allowances:
            await allowance.close()
        await self._client.aclose()

    def limiter(self, work: RouteWork) -> Limiter:
        """Returns the limiter of a route.

        Args:
            work: The route, its key, and what it was asked today.

        Raises:
            InputError: The route's concurrency cannot be shared by so many slices.
        """
        concurrency = slice_limit(work.route, "concurrency", self._share)
        return Limiter(self.allowance(work), concurrency, self._clock)

    def allowance(self, work: RouteWork) -> SharedQuotaCounter:
        """Returns what is left of a route's quota, by all who share it; see `limiter`."""
        key = quota_key(work)
        allowance = SharedQuotaCounter(
            self._run, key, work.route, work.today, self._clock, self._minute_seconds
        )
        self._allowances.append(allowance)
        return allowance

    async def check(self) -> None:
        """Makes sure that the server counts as asked; grants nothing.

        Raises:
            InputError: It does not.
        """
        try:
            await probe(self._run, f"{_PREFIX}check")
        except QuotaServerError as error:
            raise InputError(
                f"the limiter cannot be asked: {error}",
                where=self._address.where,
                expected="a Redis server that runs scripts and takes what they write",
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
    """Makes sure, before anybody is asked, that a limiter can be.

    Args:
        address: Where its address is found.

    Raises:
        InputError: It cannot: with what is wrong, and without the address.
    """

    async def check() -> None:
        async with RedisLimiters(address, Fraction(1), Clock()) as limiters:
            await limiters.check()

    asyncio.run(check())


def quota_key(work: RouteWork) -> str:
    """Returns what Redis calls a route of an account: it tells neither, and nothing of the key.

    A key that lasts names its account. A token that is renewed does not, so the endpoint's path
    does, in which Google's APIs name the project.

    Args:
        work: The route and its key.
    """
    route, address = work.route, urlsplit(work.route.endpoint)
    account = address.path.rstrip("/")
    if work.key is not None and route.key.startswith(("env:", "secret:")):
        account = work.key.account
    return _PREFIX + digest([address.netloc.lower() or route.host, account, route.id])


def _connect(address: LimiterAddress, environment: Mapping[str, str] | None) -> Redis:
    """Makes a client, which connects when it is first asked. Retries are ours, by our clock."""
    try:
        from redis.asyncio import Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff
    except ImportError:
        raise InputError(
            "the limiter needs a package that is not installed",
            where=address.where,
            expected="the package redis, in every process that asks",
            remedy="install stillroom with its extra: stillroom[redis]",
        ) from None
    url = resolve_address(
        address.redis, what="limiter", where=address.where, environment=environment
    )
    try:
        return Redis.from_url(
            url.reveal(),
            socket_timeout=_ANSWER_SECONDS,
            socket_connect_timeout=_ANSWER_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
    except ValueError:  # its text may hold the address
        raise InputError(
            f"what {address.redis} holds is no address of a Redis server",
            where=address.where,
            expected="one like redis://:password@host:6379/0; rediss:// for TLS; a password with "
            "other signs than letters and digits, percent-encoded",
        ) from None


def _why(error: Exception) -> str:
    """Returns what went wrong, in words that hold neither address nor password."""
    from redis.exceptions import AuthenticationError, ResponseError
    from redis.exceptions import TimeoutError as RedisTimeout

    if isinstance(error, AuthenticationError):
        return "it does not accept the user or the password"
    if isinstance(error, TimeoutError | RedisTimeout):
        return f"it did not answer within {_ANSWER_SECONDS:g} s"
    if isinstance(error, ResponseError):
        code = _CODE.search(str(error))
        return f"it answered with an error, {code.group() if code else type(error).__name__}"
    cause = error if isinstance(error, OSError) else error.__context__
    if isinstance(cause, OSError) and cause.errno and cause.errno > 0:
        return f"there is no connection to it: {os.strerror(cause.errno).lower()}"
    return "there is no connection to it"
