"""Limiters of one Redis server: who shares a quota, what Redis keeps, what goes wrong."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from redis import Redis

from schemas.errors import InputError
from schemas.inputs.budget import Budget as Caps
from schemas.inputs.registry import Quota
from tests.redis_server import RedisServer
from tests.teacher import Call, Reply, Teacher, answer
from tests.transforms.asking.asking import (
    ALL_DIGITS,
    ROUTE,
    Naps,
    make_requests,
    make_route,
    responses,
    verdict,
)
from tests.transforms.limits.sharing import ADDRESS, PASSWORD, limiters, work
from transforms.asking.engine import ask
from transforms.asking.progress import RouteProgress
from transforms.ledger import Ledger
from transforms.limits.budget import BudgetTracker
from transforms.limits.quota import Denied, Grant
from transforms.limits.redis_limiters import check_limiter, quota_key
from transforms.limits.route_work import RouteWork
from transforms.providers.http_client import HttpClient
from transforms.providers.key import Key
from transforms.providers.tokens import Tokens

SMALL = Tokens(20, 80)


Answer = Grant | Denied


def test_each_route_of_each_account_has_its_own_quota() -> None:
    named = {"key": "env:OURS"}
    first = RouteWork(make_route("http://t/v1", **named), (), key=Key("sk-1"))
    others = [
        replace(first, key=Key("sk-2")),
        replace(first, route=make_route("http://t/v1", "test/other", **named)),
        replace(first, route=make_route("http://u/v1", **named)),
        RouteWork(make_route("http://t/v1"), ()),
    ]
    assert len({quota_key(each) for each in (first, *others)}) == 5
    renamed = replace(first, route=make_route("http://T/v1", key="env:SAME"), key=Key("sk-1"))
    assert quota_key(first) == quota_key(renamed)
    assert "sk-1" not in quota_key(first)


def test_a_renewed_token_is_the_same_account() -> None:
    ours, theirs = (
        make_route(f"https://g.googleapis.com/v1/projects/{project}", key="google:default")
        for project in ("ours", "theirs")
    )
    tokens = [RouteWork(ours, (), key=Key(token)) for token in ("ya29.1", "ya29.2")]
    assert quota_key(tokens[0]) == quota_key(tokens[1])
    assert quota_key(tokens[0]) != quota_key(RouteWork(theirs, (), key=Key("ya29.1")))


def test_all_that_redis_keeps_expires(server: RedisServer) -> None:
    async def run() -> Answer:
        async with limiters(server.url) as made:
            return await made.limiter(work(requests_per_minute=60)).acquire(SMALL)

    assert isinstance(asyncio.run(run()), Grant)
    client = Redis.from_url(server.url)
    keys = client.keys()
    assert len(keys) == 1
    assert all(0 < client.ttl(key) <= 2 * 86_400 for key in keys)


def test_a_route_without_limits_needs_no_server() -> None:
    async def run() -> Answer:
        async with limiters("redis://127.0.0.1:1") as made:
            return await made.limiter(work()).acquire(SMALL)

    assert isinstance(asyncio.run(run()), Grant)


def ask_until(
    folder: Path, server: RedisServer, script: Callable[[Call], Reply], requests: int
) -> tuple[RouteProgress, int]:
    """Asks a teacher under a shared limiter; returns the progress and the number of its calls."""

    async def run(teacher: Teacher) -> RouteProgress:
        route = make_route(teacher.endpoint, quota=Quota(requests_per_minute=60_000, concurrency=2))
        clock = Naps().clock()
        with Ledger(folder).writer(ALL_DIGITS, "run-1") as ledger:
            async with HttpClient() as client, limiters(server.url, clock=clock) as made:
                progress = await ask(
                    [RouteWork(route, make_requests(requests))],
                    client=client,
                    ledger=ledger,
                    permits=lambda _: verdict(),
                    budget=BudgetTracker(Caps()),
                    run_id="run-1",
                    limiter=made.limiter,
                    clock=clock,
                )
                return progress[ROUTE]

    with Teacher(script) as teacher:
        return asyncio.run(run(teacher)), teacher.count


def test_a_route_without_its_limiter_sends_nothing_more(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with RedisServer(PASSWORD) as server:
        calls = iter(range(1, 100))

        def script(call: Call) -> Reply:
            if next(calls) == 5:
                server.kill()
            return answer()

        done, asked = ask_until(tmp_path, server, script, 20)
    assert 5 <= asked <= 6
    assert (done.answered, done.pending, done.stopped) == (asked, 20 - asked, "quota")
    assert len(responses(tmp_path)) == asked
    assert "the limiter cannot be used" in done.detail
    assert PASSWORD not in done.detail + caplog.text


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("redis://:{wrong}@127.0.0.1:{port}/0", "refuses the user or the password"),
        ("redis://127.0.0.1:{port}/0", "refuses the user or the password"),
        ("redis://:{wrong}@127.0.0.1:1/0", "no connection to it: connection refused"),
        ("http://:{wrong}@127.0.0.1:{port}", "LIMITER does not hold the address of a Redis server"),
        ("redis://:{wrong}/x@127.0.0.1", "LIMITER does not hold the address of a Redis server"),
        ("", "the environment variable LIMITER is not set"),
    ],
    ids=["wrong-password", "no-password", "no-server", "scheme", "slash-in-password", "not-set"],
)
def test_a_limiter_that_cannot_be_used_is_explained_without_its_password(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch, url: str, message: str
) -> None:
    monkeypatch.setenv("LIMITER", url.format(wrong="battery-staple", port=server.port))
    with pytest.raises(InputError, match=message) as caught:
        check_limiter(ADDRESS)
    assert str(caught.value).startswith("teachers.yaml:2: ")
    assert "battery-staple" not in str(caught.value)


def test_a_read_only_server_is_refused(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIMITER", server.url)
    check_limiter(ADDRESS)
    client = Redis.from_url(server.url)
    client.replicaof("127.0.0.1", 1)
    try:
        with pytest.raises(InputError, match=r"with an error, (READONLY|ReadOnlyError)"):
            check_limiter(ADDRESS)
    finally:
        client.replicaof("NO", "ONE")


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    with pytest.raises(InputError, match=r"stillroom\[redis\]"):
        check_limiter(ADDRESS)
