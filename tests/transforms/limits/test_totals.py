"""The responses of a ledger are added up by route, model and day."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from schemas.inputs.registry import Price
from tests.money import known
from tests.teacher import Script, Teacher, always, answer, failure, in_turn
from tests.transforms.asking.asking import MODEL, ROUTE, Naps, make_requests, make_route, run_engine
from transforms.clock import Clock
from transforms.ledger import Ledger
from transforms.limits.route_work import RouteWork
from transforms.limits.totals import UsageTotals, usage_totals

PRICE = Price(input_usd_per_million=100_000.0, output_usd_per_million=200_000.0)


def ask(folder: Path, day: str, prompts: str, script: Script) -> None:
    """Asks on a day, at which the clock stays."""
    noon, naps = datetime.fromisoformat(f"{day}T12:00:00+00:00").timestamp(), Naps().clock()
    clock = Clock(wall=lambda: noon, monotonic=naps.monotonic, sleep=naps.sleep)
    with Teacher(script) as teacher:
        route = make_route(teacher.endpoint, price=PRICE)
        run_engine(folder, RouteWork(route, make_requests(prompts)), run_id=day, clock=clock)


def totals(folder: Path) -> dict[tuple[str, str, str], UsageTotals]:
    return usage_totals(Ledger(folder).reader())


def test_each_day_has_its_own_totals(tmp_path: Path) -> None:
    ask(tmp_path, "2026-02-02", "c", always(answer()))
    ask(tmp_path, "2026-02-01", "ab", always(answer()))
    found = totals(tmp_path)
    assert list(found) == [(ROUTE, MODEL, "2026-02-01"), (ROUTE, MODEL, "2026-02-02")]
    assert [total.requests for total in found.values()] == [2, 1]
    first = found[ROUTE, MODEL, "2026-02-01"]
    assert (first.prompt_tokens, first.completion_tokens) == (20, 10)
    assert first.spent.usd == pytest.approx(4.0)
    assert (first.uncertain, first.most.usd) == (0, 0)


def test_every_attempt_is_counted_and_each_request_once(tmp_path: Path) -> None:
    ask(tmp_path, "2026-02-01", "a", in_turn(failure(503), failure(503), answer()))
    [total] = totals(tmp_path).values()
    assert (total.requests, total.attempts, total.answered) == (1, 3, 1)
    assert total.failed == {"http_503": 2}
    assert total.spent.usd == pytest.approx(2.0)


def test_an_answer_without_usage_counts_as_the_most_it_can_have_cost(tmp_path: Path) -> None:
    ask(tmp_path, "2026-02-01", "a", always(answer(usage=None)))
    [total] = totals(tmp_path).values()
    assert (total.prompt_tokens, total.completion_tokens, total.spent.usd) == (0, 0, 0)
    assert total.uncertain == 1
    assert known(total.most.usd) >= 50 * 0.2  # `max_tokens` alone


def test_more_tokens_than_were_asked_for_are_not_believed(tmp_path: Path) -> None:
    ask(tmp_path, "2026-02-01", "a", always(answer(usage=(10, 10**9))))
    [total] = totals(tmp_path).values()
    assert (total.prompt_tokens, total.completion_tokens) == (10, 50)  # `max_tokens`
