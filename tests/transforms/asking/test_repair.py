"""An answer that violates its JSON Schema is asked for once more, under all the same rules."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from schemas.inputs.registry import Price
from schemas.inputs.run import Budget as Caps
from schemas.requests import Request
from schemas.responses import Completion, FinishReason, Usage
from tests.teacher import Call, Reply, Teacher, answer, failure
from tests.transforms.asking.asking import ROUTE, make_requests, make_route, responses, run_engine
from transforms.asking.repair import repair_request
from transforms.limits.route_work import RouteWork

SCHEMA = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}
FORMAT = {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}
BAD, GOOD = '{"n": "seven"}', '{"n": 7}'


def questions(count: int = 1, *, repair: bool = True) -> list[Request]:
    made = make_requests(count, response_format=FORMAT)
    return [replace(request, repair=repair) for request in made]


def said(text: str, finish: FinishReason = "stop", refusal: str = "") -> Completion:
    return Completion(text, "", finish, Usage(1, 1), "m", "", "", refusal)


def turns(call: Call) -> list[str]:
    return [turn["content"] for turn in call.body["messages"]]


def mend(call: Call) -> Reply:
    """Answers badly, and well when told."""
    return answer(GOOD if len(turns(call)) > 1 else BAD)


def test_the_follow_up_shows_the_answer_and_what_is_wrong_with_it() -> None:
    [request] = questions()
    following = repair_request(request, said(BAD))
    assert following is not None
    assert following.messages[:-2] == request.messages
    shown, told = following.messages[-2:]
    assert (shown.role, shown.content, told.role) == ("assistant", BAD, "user")
    assert "at $.n: 'seven' is not of type 'integer'" in told.content
    assert following.parameters == request.parameters


def test_its_id_is_its_own_and_falls_into_the_same_bucket() -> None:
    [request] = questions()
    one, other = (repair_request(request, said(text)) for text in (BAD, "{}"))
    assert one is not None
    assert other is not None
    assert len({request.request_id, one.request_id, other.request_id}) == 3
    assert {each.request_id[:4] for each in (one, other)} == {request.request_id[:4]}
    assert repair_request(request, said(BAD)) == one


@pytest.mark.parametrize(
    "completion",
    [
        said(GOOD),
        said('{"n": ', "length"),
        said("no", "content_filter"),
        said("I cannot.", refusal="I cannot."),
        said(" \n"),
    ],
    ids=["good", "cut", "filtered", "refused", "blank"],
)
def test_nothing_is_asked_where_nothing_can_be_mended(completion: Completion) -> None:
    [request] = questions()
    assert repair_request(request, completion) is None


def test_a_follow_up_has_no_follow_up_and_neither_has_who_wants_none() -> None:
    [request] = questions()
    following = repair_request(request, said(BAD))
    assert following is not None
    assert repair_request(following, said(BAD)) is None
    assert repair_request(questions(repair=False)[0], said(BAD)) is None
    assert repair_request(next(make_requests(1)), said(BAD)) is None


def test_what_is_wrong_is_told_in_bounds() -> None:
    [request] = questions()
    following = repair_request(request, said(json.dumps({"n": "x" * 10_000})))
    assert following is not None
    assert len(following.messages[-1].content) < 600


def test_it_is_asked_once_and_paid_for_and_counted_as_no_request(tmp_path: Path) -> None:
    with Teacher(mend) as teacher:
        done = run_engine(
            tmp_path,
            RouteWork(
                make_route(
                    teacher.endpoint, price=Price(input_usd_per_million=1, output_usd_per_million=1)
                ),
                questions(20),
            ),
        )[ROUTE]
        assert teacher.count == 40
    assert (done.answered, done.ended, done.attempts, done.unrepaired) == (20, 20, 40, 0)
    assert done.usd == pytest.approx(40 * 15e-6)
    assert len(responses(tmp_path)) == 40


def test_one_that_fails_again_is_not_asked_a_third_time(tmp_path: Path) -> None:
    with Teacher(lambda _: answer(BAD)) as teacher:
        route = make_route(teacher.endpoint)
        for run_id in ("run-1", "run-2"):
            run_engine(tmp_path, RouteWork(route, questions(5)), run_id=run_id)
        assert teacher.count == 10


def test_an_answer_of_an_earlier_run_is_mended_by_a_later_one(tmp_path: Path) -> None:
    with Teacher(mend) as teacher:
        route = make_route(teacher.endpoint)
        run_engine(tmp_path, RouteWork(route, questions(5, repair=False)))
        assert teacher.count == 5
        done = run_engine(tmp_path, RouteWork(route, questions(5)), run_id="run-2")[ROUTE]
        assert teacher.count == 10
    assert (done.from_ledger, done.answered, done.attempts) == (5, 0, 5)
    assert set(teacher.times_asked.values()) == {1}


def test_one_that_the_budget_does_not_cover_is_left_and_said(tmp_path: Path) -> None:
    with Teacher(mend) as teacher:
        route = make_route(teacher.endpoint)
        work = RouteWork(route, questions(4))
        done = run_engine(tmp_path, work, caps=Caps(requests=4))[ROUTE]
        assert teacher.count == 4
        assert (done.answered + done.pending, done.stopped) == (4, "budget")
        assert done.unrepaired + done.pending >= 1
        last = run_engine(tmp_path, RouteWork(route, questions(4)), run_id="run-2")[ROUTE]
        assert teacher.count == 8
    assert (last.pending, last.unrepaired, last.stopped) == (0, 0, None)


def test_one_that_the_teacher_refuses_leaves_the_answer_as_it_is(tmp_path: Path) -> None:
    def script(call: Call) -> Reply:
        return failure(400) if len(turns(call)) > 1 else answer(BAD)

    with Teacher(script) as teacher:
        done = run_engine(tmp_path, RouteWork(make_route(teacher.endpoint), questions(3)))[ROUTE]
    assert (done.answered, done.failures, done.pending, done.stopped) == (3, 0, 0, None)
