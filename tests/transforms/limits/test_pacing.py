"""No window exceeds its limit, and all of the limit is used."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.transforms.asking.asking import seeded
from tests.transforms.limits.simulation import (
    SMALL,
    Load,
    count,
    fullest,
    simulate,
    total,
)
from transforms.limits.pacing import ConcurrencyWindow
from transforms.limits.quota import SentRequest
from transforms.providers.tokens import Tokens


def test_all_requests_of_a_minute_are_used_evenly_from_the_first_second() -> None:
    sent = simulate(SMALL, 90, requests_per_minute=1200, concurrency=64)
    assert len(sent) >= 0.97 * 1800
    assert fullest(sent, 60, count) <= 1200
    assert fullest(sent, 10, count) <= 200
    assert fullest(sent, 1, count) <= 21
    assert sum(each.at < 1 for each in sent) >= 19


def test_all_tokens_of_a_minute_are_used_evenly() -> None:
    sent = simulate(SMALL, 90, tokens_per_minute=120_000, concurrency=64)
    assert sum(each.tokens.total for each in sent) >= 0.97 * 180_000
    assert fullest(sent, 60, total) <= 120_000
    assert fullest(sent, 10, total) <= 20_000


def test_answers_much_shorter_than_allowed_do_not_slow_a_route() -> None:
    load = Load(Tokens(20, 4096), lambda _: Tokens(20, 60), lambda _: 0.1)
    sent = simulate(load, 90, tokens_per_minute=600_000, concurrency=64)
    # 12 in flight reserve 8 % of a minute's quota, which is not used meanwhile
    assert sum(each.tokens.total for each in sent) >= 0.9 * 900_000
    assert fullest(sent, 60, total) <= 600_000


def uniform(most: int) -> Callable[[Random], Tokens | None]:
    return lambda random: Tokens(10, random.randint(1, most))


def heavy_tailed(most: int) -> Callable[[Random], Tokens | None]:
    return lambda random: Tokens(10, min(most, int(8 * random.paretovariate(1.2))))


def fixed(seconds: float) -> Callable[[Random], float]:
    return lambda _: seconds


def varying(seconds: float) -> Callable[[Random], float]:
    return lambda random: random.uniform(0.2 * seconds, 1.8 * seconds)


def arrived(sent: list[SentRequest], seed: int) -> list[SentRequest]:
    """Returns the same as the server sees it: each some milliseconds later."""
    random = seeded(seed)
    return [SentRequest(each.at + random.uniform(0, 0.005), each.tokens) for each in sent]


# The least share of the limit that is used, and the largest sum of ten seconds relative to theirs.
# A minute counts what is in flight as reserved, and ten seconds hold 38 answers of up to 510
# tokens: these cannot always be full and never exceed their share.
@pytest.mark.parametrize("latency", [fixed, varying])
@pytest.mark.parametrize(
    ("uses", "most", "seconds", "least", "even"),
    [
        (uniform, 50, 0.02, 0.98, 1.0),
        (uniform, 50, 0.1, 0.97, 1.0),
        (uniform, 50, 0.2, 0.97, 1.0),
        (uniform, 50, 0.5, 0.965, 1.01),
        (uniform, 50, 1.0, 0.955, 1.02),
        (uniform, 500, 0.02, 0.93, 1.03),
        (uniform, 500, 0.2, 0.92, 1.04),
        (uniform, 500, 1.0, 0.88, 1.08),
        (heavy_tailed, 500, 0.1, 0.94, 1.08),
    ],
)
def test_tokens_are_used_evenly_for_any_length_and_latency_of_answers(
    uses: Callable[[int], Callable[[Random], Tokens | None]],
    most: int,
    seconds: float,
    least: float,
    even: float,
    latency: Callable[[float], Callable[[Random], float]],
) -> None:
    load = Load(Tokens(10, most), uses(most), latency(seconds))
    sent = simulate(load, 90, tokens_per_minute=60_000, concurrency=99)
    assert sum(each.tokens.total for each in sent) >= least * 90_000
    for seen in (sent, arrived(sent, 0)):
        assert fullest(seen, 60, total) <= 60_000
        assert fullest(seen, 10, total) <= even * 10_000


@settings(max_examples=12)
@given(
    limit=st.integers(20_000, 200_000),
    amount=st.integers(1, 100),
    latency=st.floats(0.001, 2),
    seed=st.integers(0, 2**16),
)
def test_ten_seconds_never_exceed_their_share_if_all_that_is_reserved_is_used(
    limit: int, amount: int, latency: float, seed: int
) -> None:
    load = Load(Tokens(0, amount), lambda _: Tokens(0, amount), varying(latency))
    sent = simulate(load, 20, seed=seed, tokens_per_minute=limit, concurrency=32)
    assert fullest(sent, 10, total) <= limit / 6


@pytest.mark.parametrize("amount", [400, 1001, 1500, 6000])
def test_amounts_too_large_for_ten_seconds_are_spaced_by_the_pace(amount: int) -> None:
    load = Load(Tokens(0, amount), lambda _: Tokens(0, amount))
    sent = simulate(load, 240, tokens_per_minute=6000, concurrency=8)
    gaps = [after.at - before.at for before, after in pairwise(sent)]
    assert min(gaps) >= 0.98 * amount / 100
    assert fullest(sent, 60, total) <= 6000
    assert sum(each.tokens.total for each in sent) >= 0.8 * 24_000


@settings(max_examples=40)
@given(
    limit=st.integers(1, 2000),
    concurrency=st.integers(1, 64),
    latency=st.floats(0.001, 20),
    seed=st.integers(0, 2**16),
)
def test_no_minute_has_too_many_requests(
    limit: int, concurrency: int, latency: float, seed: int
) -> None:
    load = Load(SMALL.reserved, SMALL.uses, lambda random: random.uniform(0, latency))
    seconds = min(150.0, 60_000 / limit + 61)
    sent = simulate(load, seconds, seed=seed, requests_per_minute=limit, concurrency=concurrency)
    assert fullest(sent, 60, count) <= limit
    assert fullest(sent, 10, count) <= -(-limit // 6)


@settings(max_examples=40)
@given(
    limit=st.integers(2000, 200_000),
    most=st.integers(1, 1900),
    latency=st.floats(0.001, 30),
    unknown=st.floats(0, 0.2),
    seed=st.integers(0, 2**16),
)
def test_no_minute_has_too_many_tokens_whatever_answers_use(
    limit: int, most: int, latency: float, unknown: float, seed: int
) -> None:
    def uses(random: Random) -> Tokens | None:
        if random.random() < unknown:
            return None
        return Tokens(100, random.randint(0, most))

    load = Load(Tokens(100, most), uses, lambda random: random.uniform(0, latency))
    sent = simulate(load, 150, seed=seed, tokens_per_minute=limit, concurrency=16)
    assert sent
    assert fullest(sent, 60, total) <= limit


CEILING = 64


def test_requests_in_flight_at_a_cut_do_not_cut_again() -> None:
    window = ConcurrencyWindow(CEILING)
    in_flight = [window.send() for _ in range(CEILING)]
    for number in in_flight:
        window.cut(number)
    assert window.size == CEILING // 2
    window.cut(window.send())
    assert window.size == CEILING // 4


def test_a_round_trip_of_answers_widens_the_window_by_about_one() -> None:
    window = ConcurrencyWindow(CEILING)
    window.cut(window.send())
    for _ in range(window.size):
        window.widen()
    assert CEILING // 2 < window.size + 1 <= CEILING // 2 + 2


@given(st.integers(1, 100), st.lists(st.booleans(), max_size=300))
def test_the_window_stays_between_one_and_the_ceiling(ceiling: int, answers: list[bool]) -> None:
    window = ConcurrencyWindow(ceiling)
    for answered in answers:
        number = window.send()
        window.settle()
        if answered:
            window.widen()
        else:
            window.cut(number)
        assert 1 <= window.size <= ceiling
        assert not window.is_full()
