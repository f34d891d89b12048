"""Whatever usage a server reports, no more is spent than the budget."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from schemas.inputs.budget import Budget as Caps
from schemas.inputs.registry import Price, Quota
from tests.money import known
from tests.teacher import Call, Reply, Teacher, always, answer, raw
from tests.transforms.asking.asking import ROUTE, make_requests, make_route, run_engine
from transforms.ledger import Ledger
from transforms.limits.budget import BudgetTracker
from transforms.limits.route_work import RouteWork
from transforms.limits.usage import past_usage

PRICE = Price(input_usd_per_million=100.0, output_usd_per_million=400.0)
COUNTS: st.SearchStrategy[Any] = (
    st.integers(-5, 300)
    | st.integers(0, 10**12)
    | st.sampled_from([None, "7", 1.5, 10.0, True, {}, 10**9])
)
USAGES = st.none() | st.fixed_dictionaries(
    {},
    optional={
        "prompt_tokens": COUNTS,
        "completion_tokens": COUNTS,
        "total_tokens": COUNTS,
        "completion_tokens_details": st.fixed_dictionaries(
            {}, optional={"reasoning_tokens": COUNTS}
        ),
        "prompt_tokens_details": st.fixed_dictionaries({}, optional={"cached_tokens": COUNTS}),
    },
)


def reply(usage: Any) -> Reply:
    """Replies with an answer that reports any usage."""
    whole = json.loads(answer().body) | {"usage": usage}
    return raw(json.dumps(whole).encode())


@settings(max_examples=30, deadline=None)
@example(usages=[{"prompt_tokens": 1, "total_tokens": 97}])
@given(usages=st.lists(USAGES, min_size=1, max_size=4))
def test_no_more_is_spent_than_the_budget_whatever_usage_is_reported(usages: list[Any]) -> None:
    def script(call: Call) -> Reply:
        return reply(usages[call.number % len(usages)])

    budget = BudgetTracker(Caps(usd=0.2))
    with tempfile.TemporaryDirectory() as folder, Teacher(script) as teacher:
        route = make_route(teacher.endpoint, price=PRICE, quota=Quota(concurrency=8))
        done = run_engine(
            Path(folder), RouteWork(route, make_requests(40, max_tokens=50)), budget=budget
        )[ROUTE]
    # Each costs at most 78 x 0.0001 + 50 x 0.0004 dollars, unless the server counts beyond a limit.
    assert done.answered >= (1 if "beyond_limit" in done.errors else 5)
    spent = known(budget.spent.usd)
    assert spent <= 0.2
    # More than was reserved is counted as far as the budget has room; then nothing else is asked.
    paid = known(done.usd) + known(done.usd_uncertain)
    assert spent == pytest.approx(min(paid, 0.2)) or (paid > spent > 0.2 - 2 * 0.0278)


REASONING = st.tuples(st.integers(1, 50), st.integers(0, 2_000))  # completion, reasoning beside it


@settings(max_examples=25, deadline=None)
@given(answers=st.lists(REASONING, min_size=1, max_size=5), concurrency=st.integers(1, 8))
def test_reasoning_beyond_the_limit_is_paid_for_and_reserved_from_then_on(
    answers: list[tuple[int, int]], concurrency: int
) -> None:
    billed: list[float] = []

    def script(call: Call) -> Reply:
        completion, reasoning = answers[call.number % len(answers)]
        billed.append(10 * 1e-4 + (completion + reasoning) * 4e-4)
        usage = {
            "prompt_tokens": 10,
            "completion_tokens": completion,
            "total_tokens": 10 + completion + reasoning,
        }
        return reply(usage)

    budget = BudgetTracker(Caps(usd=2.0))
    with tempfile.TemporaryDirectory() as folder, Teacher(script) as teacher:
        route = make_route(teacher.endpoint, price=PRICE, quota=Quota(concurrency=concurrency))
        work = RouteWork(route, make_requests(40, max_tokens=50))
        done = run_engine(Path(folder), work, budget=budget)[ROUTE]
    spent = known(budget.spent.usd)
    assert done.usd == pytest.approx(sum(billed))
    assert spent <= 2.0
    assert spent == pytest.approx(min(sum(billed), 2.0)) or sum(billed) > spent
    # Only what was in flight when the most reasoning was first seen can be dearer than reserved.
    assert sum(billed) <= 2.0 + len(answers) * concurrency * 2_000 * 4e-4
    beyond = max(completion + reasoning for completion, reasoning in answers) > 50
    assert ("beyond_limit" in done.errors) <= beyond


@pytest.mark.parametrize("cap", [0.1, 0.5, 2.0])
def test_no_more_is_billed_than_the_budget_if_every_answer_reasons_beyond_the_limit(
    tmp_path: Path, cap: float
) -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 130}
    with Teacher(always(reply(usage))) as teacher:
        route = make_route(teacher.endpoint, price=PRICE, quota=Quota(concurrency=16))
        work = RouteWork(route, make_requests(60, max_tokens=50))
        done = run_engine(tmp_path, work, caps=Caps(usd=cap))[ROUTE]
        billed = teacher.count * (10 * 1e-4 + 120 * 4e-4)
    assert done.usd == pytest.approx(billed)
    assert cap - 0.07 < billed <= cap
    assert done.stopped == "budget"
    assert "counts up to 70 tokens beyond what a request allows" in done.errors["beyond_limit"]


def test_a_server_that_reports_no_usage_may_use_up_the_budget(tmp_path: Path) -> None:
    with Teacher(always(reply(None))) as teacher:
        route = make_route(teacher.endpoint, price=PRICE, quota=Quota(concurrency=16))
        work = RouteWork(route, make_requests(60, max_tokens=50))
        done = run_engine(tmp_path, work, caps=Caps(usd=1.0))[ROUTE]
    assert done.answered == 35  # each may have cost 78 x 0.0001 + 50 x 0.0004 dollars


@pytest.mark.parametrize(
    ("usage", "spent", "uncertain"),
    [
        # Reasoning beside the completion: 10 + (5 + 40) tokens.
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "total_tokens": 55,
                "completion_tokens_details": {"reasoning_tokens": 40},
            },
            10 * 1e-4 + 45 * 4e-4,
            0,
        ),
        # Reasoning beside the completion, and beyond the limit of 50: 10 + (5 + 400) tokens.
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "total_tokens": 415,
                "completion_tokens_details": {"reasoning_tokens": 400},
            },
            10 * 1e-4 + 405 * 4e-4,
            0,
        ),
        # More than was asked: 10 + 50 tokens.
        ({"prompt_tokens": 10, "completion_tokens": 10**9}, 10 * 1e-4 + 50 * 4e-4, 0),
        # Nothing: the most that it can have cost, of the prompt's 10 bytes and 68 that frame it.
        (
            {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
            0,
            78 * 1e-4 + 50 * 4e-4,
        ),
    ],
    ids=["beside", "beyond", "implausible", "zero"],
)
def test_an_answer_costs_the_same_when_asked_and_when_read_back(
    tmp_path: Path, usage: Any, spent: float, uncertain: float
) -> None:
    with Teacher(always(reply(usage))) as teacher:
        route = make_route(teacher.endpoint, price=PRICE)
        done = run_engine(tmp_path, RouteWork(route, make_requests(1)), run_id="now")[ROUTE]
    assert done.usd == pytest.approx(spent)
    assert done.usd_uncertain == pytest.approx(uncertain)
    reader = Ledger(tmp_path).reader()
    before = past_usage(
        reader,
        {ROUTE: route},
        run_id="now",
        run_started=0,
        now=max(response.received_at for response in reader.since(0)),
        mine=lambda _: True,
    )
    assert before.spent.usd == pytest.approx(spent + uncertain)
