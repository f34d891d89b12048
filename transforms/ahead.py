"""Maps in threads: results are computed a few items ahead of the reader, and come in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def map_ahead(function: Callable[[T], R], items: Iterable[T], threads: int) -> Iterator[R]:
    """Yields the function's result for each item, in the order of the items.

    `ThreadPoolExecutor.map` draws all items at once; this draws at most twice as many as there are
    threads ahead of the reader, so that memory stays bounded.

    Args:
        function: Called in a thread, or by the reader itself if there is only one.
        items: Drawn as the results are read.
        threads: How many calls may run at once.
    """
    if threads == 1:
        yield from map(function, items)
        return
    running: deque[Future[R]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for item in items:
            running.append(pool.submit(function, item))
            if len(running) >= 2 * threads:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
