"""An answer that violates its JSON Schema leads to one follow-up, under the same rules."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from schemas.inputs.budget import Budget as Caps
from schemas.inputs.registry import Price
from schemas.requests import Request
from schemas.responses import Completion, FinishReason, Usage
from tests.teacher import Call, Reply, Teacher, always, answer, failure
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
    return Completion(
        text=text,
        reasoning="",
        finish_reason=finish,
        usage=Usage(prompt_tokens=1, completion_tokens=1),
        response_model="m",
        response_id="",
        system_fingerprint="",
        refusal=refusal,
    )


def turns(call: Call) -> list[str]:
    return [turn["content"] for turn in call.body["messages"]]


def mend(call: Call) -> Reply:
    """Answers badly at first, and well to a follow-up."""
    return answer(GOOD if len(turns(call)) > 1 else BAD)


def test_the_follow_up_shows_the_answer_and_its_error() -> None:
    [request] = questions()
    following = repair_request(request, said(BAD))
    assert following is not None
    assert following.messages[:-2] == request.messages
    answer_shown, error_shown = following.messages[-2:]
    assert (answer_shown.role, answer_shown.content, error_shown.role) == ("assistant", BAD, "user")
    assert "at $.n: 'seven' is not of type 'integer'" in error_shown.content
    assert following.parameters == request.parameters


def test_a_follow_up_has_its_own_id_in_the_same_bucket() -> None:
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
def test_there_is_no_follow_up_to_an_answer_that_it_cannot_repair(completion: Completion) -> None:
    [request] = questions()
    assert repair_request(request, completion) is None


def test_there_is_no_follow_up_to_a_follow_up_or_without_repair() -> None:
    [request] = questions()
    following = repair_request(request, said(BAD))
    assert following is not None
    assert repair_request(following, said(BAD)) is None
    assert repair_request(questions(repair=False)[0], said(BAD)) is None
    assert repair_request(next(make_requests(1)), said(BAD)) is None


def test_the_quoted_error_is_bounded() -> None:
    [request] = questions()
    following = repair_request(request, said(json.dumps({"n": "x" * 10_000})))
    assert following is not None
    assert len(following.messages[-1].content) < 600


def test_a_follow_up_is_paid_for_but_is_no_request(tmp_path: Path) -> None:
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


def test_a_failed_repair_is_not_repeated(tmp_path: Path) -> None:
    with Teacher(lambda _: answer(BAD)) as teacher:
        route = make_route(teacher.endpoint)
        for run_id in ("run-1", "run-2"):
            run_engine(tmp_path, RouteWork(route, questions(5)), run_id=run_id)
        assert teacher.count == 10


def test_a_later_run_repairs_an_answer_of_an_earlier_one(tmp_path: Path) -> None:
    with Teacher(mend) as teacher:
        route = make_route(teacher.endpoint)
        run_engine(tmp_path, RouteWork(route, questions(5, repair=False)))
        assert teacher.count == 5
        done = run_engine(tmp_path, RouteWork(route, questions(5)), run_id="run-2")[ROUTE]
        assert teacher.count == 10
    assert (done.from_ledger, done.answered, done.attempts) == (5, 0, 5)
    assert set(teacher.times_asked.values()) == {1}


def test_a_follow_up_beyond_the_budget_is_counted_as_unrepaired(tmp_path: Path) -> None:
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


def test_a_refused_follow_up_leaves_the_answer(tmp_path: Path) -> None:
    def script(call: Call) -> Reply:
        return failure(400) if len(turns(call)) > 1 else answer(BAD)

    with Teacher(script) as teacher:
        done = run_engine(tmp_path, RouteWork(make_route(teacher.endpoint), questions(3)))[ROUTE]
    assert (done.answered, done.failures, done.pending, done.stopped) == (3, 0, 0, None)


def test_a_schema_that_takes_for_ever_stops_nothing_else(tmp_path: Path) -> None:
    schema = {"type": "string", "pattern": "^(a+)+$"}
    wanted = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}
    slow = [replace(each, repair=True) for each in make_requests(2, response_format=wanted)]
    looks = 0

    def look() -> bool:
        nonlocal looks
        looks += 1
        return False

    with Teacher(always(answer(json.dumps("a" * 40 + "!")))) as teacher:
        work = RouteWork(make_route(teacher.endpoint), slow)
        done = run_engine(tmp_path, work, stop=look)[ROUTE]
        assert teacher.count == 2  # what cannot be checked is not sent back
    assert done.answered == 2
    assert looks >= 8  # ten in each of two seconds, if the event loop is free
