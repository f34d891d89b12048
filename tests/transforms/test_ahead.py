"""Mapping in threads: in order, at once, and never far ahead of the reader."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from transforms.ahead import map_ahead


@pytest.mark.parametrize("threads", [1, 2, 7])
def test_results_come_in_the_order_of_the_items(threads: int) -> None:
    def slow_if_even(item: int) -> int:
        time.sleep(0.002 * (item % 2 == 0))
        return item * item

    assert list(map_ahead(slow_if_even, range(50), threads)) == [n * n for n in range(50)]
    assert list(map_ahead(slow_if_even, [], threads)) == []


@pytest.mark.parametrize(("threads", "ahead"), [(1, 1), (2, 4), (5, 10)])
def test_few_items_are_drawn_ahead_of_the_reader(threads: int, ahead: int) -> None:
    drawn: list[int] = []

    def items() -> Iterator[int]:
        for item in range(100):
            drawn.append(item)
            yield item

    for read, _ in enumerate(map_ahead(str, items(), threads)):
        assert len(drawn) <= read + ahead
    assert len(drawn) == 100


def test_as_many_calls_run_at_once_as_there_are_threads() -> None:
    together = threading.Barrier(4, timeout=10)  # broken, and an error, with fewer
    assert len(list(map_ahead(lambda _: together.wait(), range(16), 4))) == 16


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_is_raised_at_its_item(threads: int) -> None:
    results = map_ahead(lambda item: 1 // (3 - item), range(6), threads)
    assert [next(results) for _ in range(3)] == [0, 0, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)
