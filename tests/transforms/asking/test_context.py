"""What the loops share: what was asked before, and accounts that lose access."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.teacher import (
    Call,
    Reply,
    Teacher,
    always,
    answer,
    by_prompt,
    error,
    failure,
)
from tests.transforms.asking.asking import (
    ROUTE,
    make_requests,
    make_route,
    run_engine,
    work,
)
from transforms.asking.progress import ACCESS_REFUSALS_IN_A_ROW
from transforms.limits.route_work import RouteWork
from transforms.providers.key import Key


def test_an_answered_request_is_never_asked_again(tmp_path: Path) -> None:
    with Teacher() as teacher:
        run_engine(tmp_path, work(teacher, 5), run_id="run-1")
        again = run_engine(tmp_path, work(teacher, 8), run_id="run-2")[ROUTE]
        assert set(teacher.times_asked.values()) == {1}
    assert (again.from_ledger, again.answered, again.asked) == (5, 3, 3)


def test_a_failure_is_asked_again_by_the_next_run_and_not_by_the_same(tmp_path: Path) -> None:
    with Teacher(by_prompt({"Question 1": failure(400)})) as teacher:
        first = run_engine(tmp_path, work(teacher, 3), run_id="run-1")[ROUTE]
        retried = run_engine(tmp_path, work(teacher, 3), run_id="run-1")[ROUTE]
        assert teacher.count == 3
        teacher.script = always(answer())
        later = run_engine(tmp_path, work(teacher, 3), run_id="run-2")[ROUTE]
        assert teacher.count == 4
    assert (first.answered, first.failed) == (2, {"http_400": 1})
    assert (retried.from_ledger, retried.failed, retried.asked) == (2, {"http_400": 1}, 0)
    assert (later.from_ledger, later.answered) == (2, 1)


WRONG_KEY = error(401, {"type": "invalid_request_error", "code": "invalid_api_key"})


@pytest.mark.parametrize(
    ("refusal", "most"),
    [
        (WRONG_KEY, 4),  # what was in flight
        (failure(401), ACCESS_REFUSALS_IN_A_ROW - 1 + 4),
        (failure(403), ACCESS_REFUSALS_IN_A_ROW - 1 + 4),
    ],
)
def test_lost_access_stops_every_route_of_the_account_and_no_other(
    tmp_path: Path, refusal: Reply, most: int
) -> None:
    def script(call: Call) -> Reply:
        return refusal if call.prompt.startswith("small") else answer().after(0.02)

    def route_work(name: str, at: Teacher) -> RouteWork:
        prompts = [f"{name} {n}" for n in range(30)]
        return RouteWork(
            make_route(at.endpoint, name), make_requests(prompts, name), Key("sk-very-secret")
        )

    with Teacher(script) as teacher, Teacher() as other:
        done = run_engine(
            tmp_path,
            route_work("small", teacher),
            route_work("large", teacher),
            route_work("elsewhere", other),
        )
        assert max(teacher.times_asked.values()) == 1
    assert done["small"].failed == {f"http_{refusal.status}": done["small"].attempts}
    assert done["small"].attempts <= most
    assert 0 < done["large"].answered <= 2 * 4
    for name in ("small", "large"):
        assert (done[name].stopped, done[name].ended) == ("access", 30)
    assert done["elsewhere"].answered == 30


def test_another_key_at_the_same_host_is_another_account(tmp_path: Path) -> None:
    def script(call: Call) -> Reply:
        return failure(401) if call.headers["authorization"].endswith("revoked") else answer()

    with Teacher(script) as teacher:
        done = run_engine(
            tmp_path,
            RouteWork(make_route(teacher.endpoint, "t/a"), make_requests(9, "t/a"), Key("revoked")),
            RouteWork(make_route(teacher.endpoint, "t/b"), make_requests(9, "t/b"), Key("valid")),
        )
    assert done["t/a"].stopped == "access"
    assert done["t/b"].answered == 9
