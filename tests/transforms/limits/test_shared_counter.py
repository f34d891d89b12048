"""One quota for all who share a Redis server, be they tasks, processes or runs: a real server."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from redis import Redis

from schemas.errors import InputError
from schemas.inputs.registry import Quota
from schemas.inputs.run import Budget as Caps
from tests.redis_server import RedisServer
from tests.teacher import Call, Reply, Teacher, answer
from tests.transforms.asking.asking import (
    ALL_DIGITS,
    ROUTE,
    Naps,
    make_requests,
    make_route,
    responses,
    seeded,
    verdict,
)
from tests.transforms.limits.sharing import ADDRESS, Granted, ask_much, limiters, work
from transforms.asking.engine import ask
from transforms.asking.progress import RouteProgress
from transforms.ledger import Ledger
from transforms.limits import pacing, shared_counter
from transforms.limits.budget import BudgetTracker
from transforms.limits.pacing import MAX_SPARE_SHARE, STANDARD_DEVIATIONS, MinuteLimit
from transforms.limits.quota import DayUsage, DenialReason, Denied, Grant
from transforms.limits.redis_limiters import check_limiter, quota_key
from transforms.limits.route_work import RouteWork
from transforms.limits.shared_counter import PATIENCE_SECONDS, SharedReservation
from transforms.providers.http_client import HttpClient
from transforms.providers.key import Key
from transforms.providers.tokens import Tokens

PASSWORD = "correct-horse"
SMALL = Tokens(20, 80)
Answer = Grant | Denied


@pytest.fixture(scope="module")
def shared() -> Iterator[RedisServer]:
    with RedisServer(PASSWORD) as server:
        yield server


@pytest.fixture
def server(shared: RedisServer) -> RedisServer:
    """A server with nothing in it."""
    Redis.from_url(shared.url).flushall()
    return shared


def fullest(granted: Sequence[Granted], seconds: float, amount: Callable[[Tokens], int]) -> int:
    """Returns the largest sum in any window of some seconds, both its ends included."""
    ordered = sorted(granted, key=lambda each: each.number)
    most = total = first = 0
    for each in ordered:
        total += amount(each.used)
        while each.at - ordered[first].at > seconds:
            total -= amount(ordered[first].used)
            first += 1
        most = max(most, total)
    return most


def count(_: Tokens) -> int:
    return 1


def start(server: RedisServer, seconds: float, minute: float, **q: int) -> subprocess.Popen[str]:
    """Starts a process that asks for as much as it is granted."""
    arguments = [server.url, str(seconds), str(minute), json.dumps(q)]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.transforms.limits.sharing", *arguments],
        stdout=subprocess.PIPE,
        text=True,
    )


def granted_in(output: str) -> list[Granted]:
    lines = [json.loads(line) for line in output.splitlines()]
    return [Granted(number, at, Tokens(*used)) for number, at, *used in lines]


def test_processes_that_share_a_server_draw_on_one_quota(server: RedisServer) -> None:
    minute, limit = 2.0, 240
    processes = [start(server, 2.5, minute, requests_per_minute=limit) for _ in range(3)]
    each = [granted_in(process.communicate(timeout=60)[0]) for process in processes]
    assert all(each)
    together = [one for part in each for one in part]
    assert {one.number for one in together} == set(range(1, len(together) + 1))
    assert fullest(together, minute, count) <= limit
    assert fullest(together, minute / 6, count) <= limit / 6
    assert len(together) > limit / 2


@settings(
    max_examples=5,
    phases=[Phase.generate],  # each example takes its time, and shrinking tries many
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    limit=st.integers(300, 3000),
    most=st.integers(1, 150),
    unknown=st.floats(0, 0.3),
    seed=st.integers(0, 2**16),
)
def test_no_window_is_over_its_limit_whatever_the_interleaving(
    server: RedisServer, limit: int, most: int, unknown: float, seed: int
) -> None:
    Redis.from_url(server.url).flushall()
    minute, random = 0.25, seeded(seed)
    granted: list[Granted] = []

    def uses() -> tuple[Tokens, Tokens | None]:
        used = None if random.random() < unknown else Tokens(50, random.randint(0, most))
        return Tokens(50, most), used

    async def run() -> None:
        async with limiters(server.url, minute) as one, limiters(server.url, minute) as other:
            quota: dict[str, Any] = {
                "tokens_per_minute": limit,
                "output_tokens_per_minute": limit // 2,
            }
            gates = [made.limiter(work(concurrency=64, **quota)) for made in (one, other)]
            await asyncio.gather(
                *(ask_much(gate, 3 * minute, 8, uses, granted.append) for gate in gates)
            )

    asyncio.run(run())
    assert granted
    assert fullest(granted, minute, lambda used: used.total) <= limit
    assert fullest(granted, minute, lambda used: used.completion) <= limit // 2


@pytest.mark.parametrize(
    ("limit", "minute", "least", "most", "kept_free"),
    [(60_000, 60.0, 1, 40, MAX_SPARE_SHARE), (6_000, 1.2, 30, 60, 0.3)],
    ids=["by-the-pace", "by-ten-seconds"],
)
def test_the_servers_law_is_that_of_a_process_of_its_own(
    server: RedisServer,
    monkeypatch: pytest.MonkeyPatch,
    limit: int,
    minute: float,
    least: int,
    most: int,
    kept_free: float,
) -> None:
    for module in (pacing, shared_counter):
        monkeypatch.setattr(module, "MAX_SPARE_SHARE", kept_free)
        monkeypatch.setattr(
            module, "STANDARD_DEVIATIONS", STANDARD_DEVIATIONS * kept_free / MAX_SPARE_SHARE
        )
    random = seeded(7)

    async def run() -> list[tuple[SharedReservation, Tokens | None]]:
        async with limiters(server.url, minute) as made:
            gate = made.limiter(work(output_tokens_per_minute=limit))
            asked = []
            for _ in range(60):
                grant = await gate.acquire(Tokens(0, random.randint(least, most)))
                assert isinstance(grant, Grant)
                assert isinstance(grant.reservation, SharedReservation)
                reserved = grant.reservation.tokens.completion
                used = random.choice([None, Tokens(0, random.randint(least // 2, reserved))])
                gate.settle(grant, used)
                asked.append((grant.reservation, used))
            return asked

    meter = MinuteLimit(limit)
    for reservation, used in asyncio.run(run()):
        at = reservation.at * 60 / minute
        assert meter.wait(reservation.tokens.completion, at) < 1e-3
        entry = meter.spend(reservation.tokens.completion, at)
        assert reservation.paced[3] == pytest.approx(entry.paced)
        if used is not None:
            meter.settle(entry, used.completion)


def first_answers(
    server: RedisServer, *reserves: Tokens, today: DayUsage | None = None, **quota: Any
) -> list[SharedReservation | float | Denied]:
    """Asks once for each reservation in a process's lifetime; settles none."""

    async def run() -> list[SharedReservation | float | Denied]:
        async with limiters(server.url) as made:
            counter = made.counter(work(today, **quota))
            return [await counter.reserve(tokens) for tokens in reserves]

    return asyncio.run(run())


def test_a_minute_full_for_one_is_full_for_all(server: RedisServer) -> None:
    quota: dict[str, Any] = {"tokens_per_minute": 1000}
    [first] = first_answers(server, Tokens(100, 800), **quota)
    [wait, too_large] = first_answers(server, Tokens(100, 800), Tokens(1, 1000), **quota)
    assert isinstance(first, SharedReservation)
    assert isinstance(wait, float)
    assert too_large == Denied(DenialReason.TOO_LARGE)


def test_what_is_settled_gives_room_to_others(server: RedisServer) -> None:
    minute = 4.0

    async def run() -> tuple[float, float]:
        async with limiters(server.url, minute) as one, limiters(server.url, minute) as other:
            quota: dict[str, Any] = {"tokens_per_minute": 1000}
            gate = one.limiter(work(**quota))
            first = await gate.acquire(Tokens(100, 800))
            assert isinstance(first, Grant)
            gate.settle(first, Tokens(50, 50))
            second = await other.limiter(work(**quota)).acquire(Tokens(100, 800))
            assert isinstance(second, Grant)
            return at(first), at(second)

    first, second = asyncio.run(run())
    paced = minute * 100 / 1000  # the even pace goes by what was used
    assert paced <= second - first < minute


def at(grant: Grant) -> float:
    assert isinstance(grant.reservation, SharedReservation)
    return grant.reservation.at


def test_a_killed_process_leaves_what_it_reserved_counted(server: RedisServer) -> None:
    quota: dict[str, Any] = {"requests_per_minute": 60}
    process = start(server, 60, 60.0, **quota)
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())[0] == 1
    process.kill()
    process.communicate()
    [answer] = first_answers(server, SMALL, requests_per_minute=1)
    assert isinstance(answer, float)


def test_a_days_count_holds_across_runs(server: RedisServer) -> None:
    quota: dict[str, Any] = {"requests_per_day": 3}
    assert [type(each) for each in first_answers(server, SMALL, SMALL, **quota)] == [
        SharedReservation,
        SharedReservation,
    ]

    async def settle_two() -> list[Answer]:
        async with limiters(server.url) as made:
            gate = made.limiter(work(**quota))
            first = await gate.acquire(SMALL)
            assert isinstance(first, Grant)
            gate.settle(first, SMALL)
            return [first, await gate.acquire(SMALL)]

    _, second = asyncio.run(settle_two())
    assert second == Denied(
        DenialReason.DAY_SPENT
    )  # what the first run left in flight is waited for, but not for ever


def test_a_day_is_at_least_as_full_as_the_ledger_says(server: RedisServer) -> None:
    today = DayUsage(8, 900)
    assert first_answers(server, SMALL, today=today, requests_per_day=8) == [
        Denied(DenialReason.DAY_SPENT)
    ]
    assert first_answers(server, Tokens(1, 100), today=today, tokens_per_day=1000) == [
        Denied(DenialReason.DAY_SPENT)
    ]
    [granted] = first_answers(server, SMALL, today=today, tokens_per_day=1000, requests_per_day=9)
    assert isinstance(granted, SharedReservation)


def test_what_is_settled_leaves_room_in_the_day(server: RedisServer) -> None:
    async def run() -> list[Answer]:
        async with limiters(server.url) as made:
            gate = made.limiter(work(tokens_per_day=150))
            grants: list[Answer] = []
            for used in (Tokens(20, 10), Tokens(20, 80)):
                grants.append(await gate.acquire(SMALL))
                assert isinstance(grants[-1], Grant)
                gate.settle(grants[-1], used)
            return [*grants, await gate.acquire(SMALL)]

    first, second, third = asyncio.run(run())
    assert isinstance(first, Grant)
    assert isinstance(second, Grant)
    assert third == Denied(DenialReason.DAY_SPENT)


def test_routes_and_accounts_have_quotas_of_their_own() -> None:
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


def test_a_token_that_is_renewed_leaves_the_account_what_it_was() -> None:
    ours, theirs = (
        make_route(f"https://g.googleapis.com/v1/projects/{project}", key="google:default")
        for project in ("ours", "theirs")
    )
    tokens = [RouteWork(ours, (), key=Key(token)) for token in ("ya29.1", "ya29.2")]
    assert quota_key(tokens[0]) == quota_key(tokens[1])
    assert quota_key(tokens[0]) != quota_key(RouteWork(theirs, (), key=Key("ya29.1")))


def test_what_redis_keeps_goes_by_itself(server: RedisServer) -> None:
    first_answers(server, SMALL, requests_per_minute=60)
    client = Redis.from_url(server.url)
    keys = client.keys()
    assert len(keys) == 1
    assert all(0 < client.ttl(key) <= 2 * 86_400 for key in keys)


def test_a_route_without_limits_asks_nobody() -> None:
    async def run() -> Answer:
        async with limiters("redis://127.0.0.1:1") as made:
            return await made.limiter(work()).acquire(SMALL)

    assert isinstance(asyncio.run(run()), Grant)


def test_a_limiter_that_closes_while_it_is_asked_grants_nothing(server: RedisServer) -> None:
    async def run() -> Answer:
        async with limiters(server.url) as made:
            gate = made.limiter(work(requests_per_minute=60))
            asked = asyncio.create_task(gate.acquire(SMALL))
            await asyncio.sleep(0)
            gate.close()
            return await asked

    assert asyncio.run(run()) == Denied(DenialReason.CLOSED)


def after(
    trouble: Callable[[RedisServer], None], clock: Naps
) -> tuple[Answer, SharedReservation | float | Denied]:
    """Asks before and after some trouble: who was granted something, and somebody new."""

    async def run(server: RedisServer) -> tuple[Answer, SharedReservation | float | Denied]:
        async with limiters(server.url, clock=clock.clock()) as made:
            gate = made.limiter(work(requests_per_minute=6000))
            assert isinstance(await gate.acquire(SMALL), Grant)
            trouble(server)
            known = await gate.acquire(SMALL)
            return known, await made.counter(work(requests_per_minute=6000)).reserve(SMALL)

    with RedisServer(PASSWORD) as server:
        return asyncio.run(run(server))


def test_a_server_that_is_gone_grants_nothing_after_a_bounded_patience() -> None:
    naps = Naps()
    known, new = after(RedisServer.kill, naps)
    assert isinstance(known, Denied)
    assert known.reason is DenialReason.UNREACHABLE
    assert isinstance(new, Denied)
    assert new.reason is DenialReason.UNREACHABLE
    assert "cannot be used: there is no connection to it: connection refused" in known.detail
    assert PASSWORD not in known.detail
    assert PATIENCE_SECONDS <= sum(naps.taken) <= 4 * PATIENCE_SECONDS


def test_a_server_that_lost_its_memory_grants_nothing_for_a_minute() -> None:
    def restart(server: RedisServer) -> None:
        server.kill()
        server.start()

    known, new = after(restart, Naps())
    assert isinstance(known, Denied)
    assert known.reason is DenialReason.UNREACHABLE
    assert "lost its count" in known.detail
    assert isinstance(new, float)


def test_a_server_that_lost_a_part_of_its_memory_is_found_out(server: RedisServer) -> None:
    client = Redis.from_url(server.url)

    async def run() -> tuple[Answer, Answer]:
        async with limiters(server.url) as made:
            gates = [made.limiter(work(requests_per_minute=6000)) for _ in range(2)]
            for gate in gates:
                assert isinstance(await gate.acquire(SMALL), Grant)
            [key] = client.keys()
            before = client.dump(key)
            assert before is not None
            assert isinstance(await gates[0].acquire(SMALL), Grant)
            client.restore(key, 0, before, replace=True)
            return await gates[0].acquire(SMALL), await gates[1].acquire(SMALL)

    for denied in asyncio.run(run()):
        assert isinstance(denied, Denied)
        assert denied.reason is DenialReason.UNREACHABLE


def ask_until(
    folder: Path, server: RedisServer, script: Callable[[Call], Reply], requests: int
) -> tuple[RouteProgress, int]:
    """Asks a teacher under a shared limiter; returns also how often it was asked."""

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


def test_without_its_limiter_a_route_sends_nothing_more(
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
def test_a_limiter_that_cannot_be_asked_is_told_without_its_password(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch, url: str, message: str
) -> None:
    monkeypatch.setenv("LIMITER", url.format(wrong="battery-staple", port=server.port))
    with pytest.raises(InputError, match=message) as caught:
        check_limiter(ADDRESS)
    assert str(caught.value).startswith("teachers.yaml:2: ")
    assert "battery-staple" not in str(caught.value)


def test_a_server_that_may_not_be_written_to_is_refused(
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


def test_a_missing_package_is_said_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    with pytest.raises(InputError, match=r"stillroom\[redis\]"):
        check_limiter(ADDRESS)
