"""Many tasks, processes and runs share one quota, counted by a real Redis server."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from redis import Redis

from tests.redis_server import RedisServer
from tests.transforms.asking.asking import (
    Naps,
    seeded,
)
from tests.transforms.limits.sharing import PASSWORD, Granted, ask_much, limiters, work
from tests.transforms.limits.simulation import count, fullest
from transforms.limits import pacing, shared_counter
from transforms.limits.pacing import MAX_SPARE_SHARE, STANDARD_DEVIATIONS, MinuteLimit
from transforms.limits.quota import DayUsage, DenialReason, Denied, Grant
from transforms.limits.shared_counter import PATIENCE_SECONDS, SharedReservation
from transforms.providers.tokens import Tokens

SMALL = Tokens(20, 80)


Answer = Grant | Denied


def start(server: RedisServer, seconds: float, minute: float, **q: int) -> subprocess.Popen[str]:
    """Starts a process that asks for as many grants as possible."""
    arguments = [server.url, str(seconds), str(minute), json.dumps(q)]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.transforms.limits.sharing", *arguments],
        stdout=subprocess.PIPE,
        text=True,
    )


def granted_in(output: str) -> list[Granted]:
    lines = [json.loads(line) for line in output.splitlines()]
    return [Granted(number, at, Tokens(*used)) for number, at, *used in lines]


def test_processes_that_share_a_server_share_one_quota(server: RedisServer) -> None:
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
    phases=[Phase.generate],  # an example takes long, and shrinking tries many
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    limit=st.integers(300, 3000),
    most=st.integers(1, 150),
    unknown=st.floats(0, 0.3),
    seed=st.integers(0, 2**16),
)
def test_no_window_exceeds_its_limit_in_any_interleaving(
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
    assert fullest(granted, minute, lambda tokens: tokens.total) <= limit
    assert fullest(granted, minute, lambda tokens: tokens.completion) <= limit // 2


@pytest.mark.parametrize(
    ("limit", "minute", "least", "most", "kept_free"),
    [(60_000, 60.0, 1, 40, MAX_SPARE_SHARE), (6_000, 1.2, 30, 60, 0.3)],
    ids=["by-the-pace", "by-ten-seconds"],
)
def test_the_script_paces_as_a_single_process_does(
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
    """Returns the first answer to each reservation. Settles none."""

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


def test_a_settled_request_gives_room_to_other_processes(server: RedisServer) -> None:
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
    paced = minute * 100 / 1000  # the pace counts what was used
    assert paced <= second - first < minute


def at(grant: Grant) -> float:
    assert isinstance(grant.reservation, SharedReservation)
    return grant.reservation.at


def test_reservations_of_a_killed_process_stay_counted(server: RedisServer) -> None:
    quota: dict[str, Any] = {"requests_per_minute": 60}
    process = start(server, 60, 60.0, **quota)
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())[0] == 1
    process.kill()
    process.communicate()
    [answer] = first_answers(server, SMALL, requests_per_minute=1)
    assert isinstance(answer, float)


def test_the_count_of_a_day_holds_across_runs(server: RedisServer) -> None:
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
    # What the first run left in flight is waited for, up to the longest time of an attempt.
    assert second == Denied(DenialReason.DAY_SPENT)


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


def test_what_was_lost_with_its_process_counts_once_in_the_day(server: RedisServer) -> None:
    quota: dict[str, Any] = {"requests_per_day": 3}
    first_answers(server, SMALL, SMALL, **quota)  # neither is settled
    lost = DayUsage(2, 0)
    [granted, full] = first_answers(server, SMALL, SMALL, today=lost, **quota)
    assert isinstance(granted, SharedReservation)
    assert not isinstance(full, SharedReservation)


def test_a_settled_request_gives_room_in_the_day(server: RedisServer) -> None:
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


def test_a_limiter_that_is_closed_during_a_call_grants_nothing(
    server: RedisServer,
) -> None:
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
    """Returns the answers after some trouble: of a limiter with an earlier grant, and a new one."""

    async def run(server: RedisServer) -> tuple[Answer, SharedReservation | float | Denied]:
        async with limiters(server.url, clock=clock.clock()) as made:
            gate = made.limiter(work(requests_per_minute=6000))
            assert isinstance(await gate.acquire(SMALL), Grant)
            trouble(server)
            known = await gate.acquire(SMALL)
            return known, await made.counter(work(requests_per_minute=6000)).reserve(SMALL)

    with RedisServer(PASSWORD) as server:
        return asyncio.run(run(server))


def test_without_a_server_requests_are_denied_after_a_bounded_wait() -> None:
    naps = Naps()
    known, new = after(RedisServer.kill, naps)
    assert isinstance(known, Denied)
    assert known.reason is DenialReason.UNREACHABLE
    assert isinstance(new, Denied)
    assert new.reason is DenialReason.UNREACHABLE
    assert "cannot be used: there is no connection to it: connection refused" in known.detail
    assert PASSWORD not in known.detail
    assert PATIENCE_SECONDS <= sum(naps.taken) <= 4 * PATIENCE_SECONDS


def test_a_server_that_lost_its_data_grants_nothing_for_a_minute() -> None:
    def restart(server: RedisServer) -> None:
        server.kill()
        server.start()

    known, new = after(restart, Naps())
    assert isinstance(known, Denied)
    assert known.reason is DenialReason.UNREACHABLE
    assert "lost its count" in known.detail
    assert isinstance(new, float)


def test_a_server_that_lost_some_grants_is_detected(server: RedisServer) -> None:
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
