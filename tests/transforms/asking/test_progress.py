"""The counts of a route: each request is counted once."""

from __future__ import annotations

from transforms.asking.progress import RouteProgress
from transforms.providers.tokens import Tokens


def test_every_request_is_counted_in_one_place() -> None:
    progress = RouteProgress(answered=3, pending=2)
    progress.count_ended("answer")
    progress.count_ended("http_400")
    progress.fail("http_400")
    progress.fail("timeout")
    assert progress.from_ledger == 1
    assert progress.failed == {"http_400": 2, "timeout": 1}
    assert (progress.failures, progress.ended) == (3, 9)


def test_costs_are_added_up_and_unknown_ones_by_their_maximum() -> None:
    progress = RouteProgress()
    progress.count_cost(Tokens(10, 5), 0.25)
    progress.count_cost(Tokens(1, 2), 0.5)
    progress.count_unknown_cost(2.0, answered=True)
    progress.count_unknown_cost(3.0, answered=False)
    assert (progress.prompt_tokens, progress.completion_tokens, progress.usd) == (11, 7, 0.75)
    assert (progress.usd_uncertain, progress.uncertain) == (5.0, 1)
