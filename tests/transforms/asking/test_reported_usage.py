"""Whatever usage a server reports, no more is spent than the budget."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.inputs.registry import Price, Quota
from schemas.inputs.run import Budget as Caps
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
    assert done.answered >= 5  # each costs at most 78 x 0.0001 + 50 x 0.0004 dollars
    assert known(done.usd) + known(done.usd_uncertain) == pytest.approx(budget.spent.usd)
    assert known(budget.spent.usd) <= 0.2


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
        # More than was asked: 10 + 50 tokens.
        ({"prompt_tokens": 10, "completion_tokens": 10**9}, 10 * 1e-4 + 50 * 4e-4, 0),
        # Nothing: the most that it can have cost, of the prompt's 10 bytes and 68 that frame it.
        (
            {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
            0,
            78 * 1e-4 + 50 * 4e-4,
        ),
    ],
    ids=["beside", "implausible", "zero"],
)
def test_an_answer_costs_the_same_when_asked_and_when_read_back(
    tmp_path: Path, usage: Any, spent: float, uncertain: float
) -> None:
    with Teacher(always(reply(usage))) as teacher:
        route = make_route(teacher.endpoint, price=PRICE)
        done = run_engine(tmp_path, RouteWork(route, make_requests(1)), run_id="now")[ROUTE]
    assert done.usd == pytest.approx(spent)
    assert done.usd_uncertain == pytest.approx(uncertain)
    before = past_usage(
        Ledger(tmp_path).reader(),
        {ROUTE: route},
        run_id="now",
        run_started=0,
        now=0,
        mine=lambda _: True,
    )
    assert before.spent.usd == pytest.approx(spent + uncertain)
