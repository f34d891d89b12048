"""A clock that does not go back, whatever the wall clock does."""

from __future__ import annotations

from tests.virtual_time import NOON
from transforms.clock import DAY_SECONDS, Clock


def test_a_clock_that_is_stepped_back_waits_at_the_latest_time() -> None:
    times = iter([NOON, NOON - 3600, NOON + 1])
    clock = Clock(wall=lambda: next(times)).never_back(0.0)
    assert [clock.wall() for _ in range(3)] == [NOON, NOON, NOON + 1]


def test_a_clock_is_not_behind_a_time_that_was_known_before() -> None:
    assert Clock(wall=lambda: NOON).never_back(NOON + 60).wall() == NOON + 60


def test_a_time_more_than_a_day_ahead_was_the_mistake() -> None:
    assert Clock(wall=lambda: NOON).never_back(NOON + DAY_SECONDS + 1).wall() == NOON
