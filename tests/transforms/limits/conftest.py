"""A Redis server for the tests of shared limits."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from redis import Redis

from tests.redis_server import RedisServer
from tests.transforms.limits.sharing import PASSWORD


@pytest.fixture(scope="module")
def shared() -> Iterator[RedisServer]:
    with RedisServer(PASSWORD) as server:
        yield server


@pytest.fixture
def server(shared: RedisServer) -> RedisServer:
    """A server with nothing in it."""
    Redis.from_url(shared.url).flushall()
    return shared
