"""After which failures a request is asked again, when, and how often."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.teacher import answer
from tests.transforms.asking.asking import seeded
from transforms.clock import Clock
from transforms.providers.http_client import Exchange
from transforms.providers.retry import (
    LONGEST_PAUSE_SECONDS,
    MAX_ATTEMPTS,
    RetryPolicy,
    TransientFailure,
    is_transient,
    retry_after,
    seconds_asked_for,
)

NOW = 1_795_348_800.0
PATIENCE_SECONDS = 100.0
ANSWER = Exchange("answer", status=200, body=answer().body)


def failed(status: int, wait: str | None = None) -> Exchange:
    headers = {} if wait is None else {"retry-after": wait}
    return Exchange(f"http_{status}", status=status, headers=headers)


@dataclass(frozen=True, slots=True)
class Attempt:
    exchange: Exchange
    failure: TransientFailure | None


@dataclass
class Asked:
    """A request that is asked by the policy, while the clock is not moved by pauses.

    Attributes:
        attempts: The attempts made.
        paused: The attempts that another one was announced to follow.
        pauses: The pauses slept, in seconds.
        last: What the policy returned.
    """

    attempts: list[Attempt] = field(default_factory=list)
    paused: list[Attempt] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    last: Attempt | None = None


def ask(*exchanges: Exchange, seed: int = 0, after_seconds: float = 0.0) -> Asked:
    """Asks a request.

    Args:
        exchanges: What the attempts bring; the last one again and again.
        seed: Of the jitter.
        after_seconds: How long after the request began each attempt ends.
    """
    asked = Asked()
    clock = Clock(wall=lambda: NOW, monotonic=lambda: after_seconds)
    policy = RetryPolicy(PATIENCE_SECONDS, clock, seeded(seed))

    async def attempt() -> Attempt:
        exchange = exchanges[min(len(asked.attempts), len(exchanges) - 1)]
        asked.attempts.append(Attempt(exchange, policy.failure(exchange, 0.0)))
        return asked.attempts[-1]

    async def before_pause(attempt: Attempt, seconds: float) -> None:
        asked.paused.append(attempt)
        asked.pauses.append(seconds)

    async def sleep(seconds: float) -> None:
        assert asked.pauses[-1] == seconds

    asked.last = asyncio.run(policy.run(attempt, sleep, before_pause))
    return asked


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, 529])
def test_a_status_that_may_pass_is_retried(status: int) -> None:
    assert is_transient(failed(status))


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 405, 413, 415, 422, 451])
def test_a_status_that_would_come_again_is_not_retried(status: int) -> None:
    assert not is_transient(failed(status))


@pytest.mark.parametrize(
    "outcome", ["timeout", "connect_timeout", "connection_failed", "connection_closed", "bad_http"]
)
def test_a_broken_connection_is_retried(outcome: str) -> None:
    assert is_transient(Exchange(outcome))


@pytest.mark.parametrize("outcome", ["answer", "redirect", "body_too_large", "tls_failed"])
def test_an_outcome_that_would_come_again_is_not_retried(outcome: str) -> None:
    assert not is_transient(Exchange(outcome, status=200, body=answer().body))


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("1.5", 1.5),
        (" 20 ", 20.0),
        (formatdate(NOW + 90, usegmt=True), 90.0),
        (formatdate(NOW - 90, usegmt=True), 0.0),
        ("Sun, 22 Nov 2026 12:00:30", 30.0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("٣", None),
        ("nan", None),
    ],
)
def test_the_time_that_a_server_asks_for_is_read(value: str, seconds: float | None) -> None:
    assert retry_after({"retry-after": value}, NOW) == seconds


@pytest.mark.parametrize("name", ["retry-after-ms", "x-ms-retry-after-ms"])
def test_milliseconds_are_read_before_seconds(name: str) -> None:
    assert retry_after({name: "1250", "retry-after": "2"}, NOW) == 1.25
    assert retry_after({name: "soon", "retry-after": "2"}, NOW) == 2.0


@pytest.mark.parametrize(("delay", "seconds"), [("58s", 58.0), ("0.5s", 0.5), ("later", None)])
def test_the_wait_in_the_body_of_google_s_error_is_read(delay: str, seconds: float | None) -> None:
    details = [
        {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": []},
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay},
    ]
    error = {"code": 429, "status": "RESOURCE_EXHAUSTED", "details": details}
    body = json.dumps({"error": error}).encode()
    assert seconds_asked_for(Exchange("http_429", status=429, body=body), NOW) == seconds
    headers = {"retry-after": "7"}
    both = Exchange("http_429", status=429, headers=headers, body=body)
    assert seconds_asked_for(both, NOW) == 7.0


@given(st.text() | st.from_regex(r"[A-Z][a-z]{2}, \d+ [A-Z][a-z]{2} \d+ \d+:\d+:\d+ .*"))
def test_no_retry_after_raises(value: str) -> None:
    wait = retry_after({"retry-after": value}, NOW)
    assert wait is None or wait >= 0


@given(st.integers(0, 2**32), st.floats(0, PATIENCE_SECONDS))
def test_a_server_is_never_asked_before_the_time_it_names(seed: int, wanted: float) -> None:
    asked = ask(failed(429, f"{wanted:.3f}"), ANSWER, seed=seed)
    [pause] = asked.pauses
    assert pause >= round(wanted, 3)


@given(st.integers(0, 2**32))
def test_pauses_are_drawn_from_a_range_that_doubles(seed: int) -> None:
    pauses = ask(failed(503), seed=seed).pauses
    assert len(pauses) == MAX_ATTEMPTS - 1
    for attempt, pause in enumerate(pauses, 1):
        assert 0 <= pause <= min(LONGEST_PAUSE_SECONDS, 2.0 ** (attempt - 1))


def test_the_range_of_a_pause_is_used_to_its_end() -> None:
    pauses = [ask(failed(503), seed=seed).pauses[-1] for seed in range(50)]
    assert max(pauses) > 0.9 * 2.0 ** (MAX_ATTEMPTS - 2)


def test_requests_that_failed_together_do_not_come_back_together() -> None:
    assert len({ask(failed(503), seed=seed).pauses[3] for seed in range(50)}) == 50


def test_attempts_are_bounded() -> None:
    asked = ask(failed(503))
    assert len(asked.attempts) == MAX_ATTEMPTS
    assert asked.last is asked.attempts[-1]
    assert asked.last.failure is not None
    assert not asked.last.failure.quota_spent


def test_a_quota_that_stays_spent_leaves_the_request_to_a_later_run() -> None:
    asked = ask(failed(429))
    assert len(asked.attempts) == MAX_ATTEMPTS
    assert asked.last is not None
    assert asked.last.failure is not None
    assert asked.last.failure.quota_spent


def test_patience_is_bounded() -> None:
    assert len(ask(failed(503), after_seconds=PATIENCE_SECONDS + 1).attempts) == 1


def test_a_wait_beyond_our_patience_ends_the_attempts() -> None:
    beyond = ask(failed(503, "41"), after_seconds=60.0)
    assert len(beyond.attempts) == 1
    assert beyond.last is not None
    assert beyond.last.failure is not None
    assert beyond.last.failure.exceeds_patience
    assert beyond.last.failure.quota_spent
    for wait in ("39", "40"):
        within = ask(failed(503, wait), ANSWER, after_seconds=60.0)
        assert len(within.attempts) == 2
        assert not any(each.failure and each.failure.exceeds_patience for each in within.attempts)


@given(st.integers(0, 2**32))
def test_jitter_never_spends_more_than_our_patience(seed: int) -> None:
    [pause] = ask(failed(429, "39.9"), ANSWER, seed=seed, after_seconds=60.0).pauses
    assert 39.9 <= pause <= 40.0


def test_an_answer_ends_the_request() -> None:
    asked = ask(ANSWER)
    assert asked.last is asked.attempts[0]
    assert (len(asked.attempts), asked.pauses, asked.last.failure) == (1, [], None)


@pytest.mark.parametrize("failures", [0, 1, 4])
def test_each_attempt_but_the_last_is_announced_before_its_pause(failures: int) -> None:
    asked = ask(*[failed(503)] * failures, ANSWER)
    assert len(asked.attempts) == failures + 1
    assert asked.paused == asked.attempts[:-1]
    assert asked.last is asked.attempts[-1]


def test_a_failure_that_would_come_again_ends_the_request_after_retries() -> None:
    asked = ask(failed(503), failed(400))
    assert asked.last is asked.attempts[1]
    assert asked.last.failure is None


@pytest.mark.parametrize("sent", [0, 2])
def test_an_attempt_that_is_not_sent_is_the_last(sent: int) -> None:
    policy = RetryPolicy(PATIENCE_SECONDS, Clock(), seeded(0))
    exchanges = iter([failed(503)] * sent)
    pauses: list[float] = []

    async def attempt() -> Attempt | None:
        exchange = next(exchanges, None)
        return Attempt(exchange, TransientFailure(exchange, 10.0)) if exchange else None

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    assert asyncio.run(policy.run(attempt, sleep)) is None
    assert len(pauses) == sent


@pytest.mark.parametrize("first", [True, False])
def test_an_error_of_our_own_is_raised(first: bool) -> None:
    policy = RetryPolicy(PATIENCE_SECONDS, Clock(), seeded(0))
    made: list[int] = []

    async def attempt() -> Attempt:
        made.append(len(made))
        if first or len(made) > 1:
            raise OSError("the disk is full")
        return Attempt(failed(503), TransientFailure(failed(503), 10.0))

    async def sleep(seconds: float) -> None:
        pass

    with pytest.raises(OSError, match="the disk is full"):
        asyncio.run(policy.run(attempt, sleep))
    assert len(made) == (1 if first else 2)
