"""When to ask again."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.transforms.asking.asking import Naps, seeded
from transforms.providers.http_client import Exchange
from transforms.providers.retry import (
    LONGEST_PAUSE_SECONDS,
    MAX_ATTEMPTS,
    Next,
    RetryPolicy,
    is_transient,
    retry_after,
)

NOW = 1_795_348_800.0
PATIENCE_SECONDS = 100.0


def failed(status: int, wait: str | None = None) -> Exchange:
    headers = {} if wait is None else {"retry-after": wait}
    return Exchange(f"http_{status}", status, headers)


@dataclass(slots=True)
class Hands:
    """A clock that is set by hand."""

    monotonic: float = 0.0

    def policy(self, seed: int = 0) -> RetryPolicy:
        naps = Naps().clock()
        clock = type(naps)(wall=lambda: NOW, monotonic=lambda: self.monotonic, sleep=naps.sleep)
        return RetryPolicy(PATIENCE_SECONDS, clock, seeded(seed))


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, 529])
def test_a_status_that_may_pass_is_asked_again(status: int) -> None:
    assert is_transient(failed(status))


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 405, 413, 415, 422, 451])
def test_a_status_that_will_not_pass_is_not_asked_again(status: int) -> None:
    assert not is_transient(failed(status))


@pytest.mark.parametrize(
    "outcome", ["timeout", "connect_timeout", "connection_failed", "connection_closed", "bad_http"]
)
def test_a_connection_that_broke_is_asked_again(outcome: str) -> None:
    assert is_transient(Exchange(outcome))


@pytest.mark.parametrize("outcome", ["answer", "redirect", "body_too_large", "tls_failed"])
def test_what_would_come_again_is_not_asked_again(outcome: str) -> None:
    assert not is_transient(Exchange(outcome, 200))


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
def test_the_time_a_server_names_is_understood(value: str, seconds: float | None) -> None:
    assert retry_after({"retry-after": value}, NOW) == seconds


@given(st.text() | st.from_regex(r"[A-Z][a-z]{2}, \d+ [A-Z][a-z]{2} \d+ \d+:\d+:\d+ .*"))
def test_no_retry_after_raises(value: str) -> None:
    wait = retry_after({"retry-after": value}, NOW)
    assert wait is None or wait >= 0


@given(st.integers(0, 2**32), st.floats(0, PATIENCE_SECONDS))
def test_a_server_is_never_asked_before_the_time_it_names(seed: int, wanted: float) -> None:
    following = Hands().policy(seed).after(failed(429, f"{wanted:.3f}"), 1, 0.0)
    assert following.asked_to_wait
    assert following.pause_seconds is not None
    assert following.pause_seconds >= round(wanted, 3)


@given(st.integers(0, 2**32), st.integers(1, MAX_ATTEMPTS - 1))
def test_pauses_are_drawn_from_a_range_that_doubles(seed: int, attempt: int) -> None:
    pause = Hands().policy(seed).after(failed(503), attempt, 0.0).pause_seconds
    assert pause is not None
    assert 0 <= pause <= min(LONGEST_PAUSE_SECONDS, 2.0 ** (attempt - 1))


def test_those_who_failed_together_do_not_come_back_together() -> None:
    pauses = {Hands().policy(seed).after(failed(503), 4, 0.0).pause_seconds for seed in range(50)}
    assert len(pauses) == 50


def test_attempts_are_bounded() -> None:
    following = Hands().policy().after(failed(503), MAX_ATTEMPTS, 0.0)
    assert following == Next()
    assert following.ended


def test_a_quota_that_stays_spent_leaves_the_request_to_a_later_run() -> None:
    following = Hands().policy().after(failed(429), MAX_ATTEMPTS, 0.0)
    assert following == Next(later=True)
    assert not following.ended


def test_patience_is_bounded() -> None:
    policy = Hands(monotonic=PATIENCE_SECONDS + 1).policy()
    assert policy.after(failed(503), 1, 0.0) == Next()


def test_a_time_beyond_our_patience_parks_the_route() -> None:
    policy = Hands(monotonic=60.0).policy()
    assert policy.after(failed(429, "41"), 1, 0.0) == Next(later=True, parks=True)
    assert not policy.after(failed(429, "39"), 1, 0.0).parks


def test_an_answer_ends_the_request() -> None:
    assert Hands().policy().after(Exchange("answer", 200), 1, 0.0) == Next()


@dataclass(frozen=True, slots=True)
class Try:
    number: int
    next: Next


@pytest.mark.parametrize("failures", [0, 1, 4])
def test_the_loop_pauses_between_attempts_and_returns_the_last(failures: int) -> None:
    naps = Naps()
    made: list[int] = []

    async def attempt() -> Try:
        made.append(len(made))
        again = Next(pause_seconds=float(len(made)))
        return Try(len(made), again if len(made) <= failures else Next())

    last = asyncio.run(Hands().policy().run(attempt, naps.clock().sleep))
    assert last.number == len(made) == failures + 1
    assert naps.taken == [float(n + 1) for n in range(failures)]
