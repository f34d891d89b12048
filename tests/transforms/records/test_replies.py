"""Which of the responses in the ledger is used, and what all of them cost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from schemas.canonical import sha256
from schemas.codes import MalformedReason, UsageDoubt
from schemas.requests import Request
from schemas.responses import Completion, Malformed, Response, Usage
from tests.money import known
from tests.transforms.records.run_builder import (
    ROUTE,
    ask,
    body,
    fail,
    fill_ledger,
    make_job,
    respond,
)
from transforms.asking.repair import repair_request
from transforms.ledger import Ledger
from transforms.limits.budget import Spend
from transforms.records.replies import Replies, read_all_replies, read_replies

ANSWER = Spend(10 * 10**6 + 20 * 2 * 10**6, 1, 30)  # of `run_builder.respond`
NUMBER: dict[str, Any] = {
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "n", "schema": {"type": "integer"}},
    }
}


def read(folder: Path, request: Request, *responses: Response) -> Replies:
    """Returns the replies to a request from a real ledger that holds some responses."""
    job = make_job(folder)
    fill_ledger(job, *((request, response) for response in responses))
    return read_replies(Ledger(Path(job.run.ledger)).reader(), job.guard.route(ROUTE), request)


def follow_up(request: Request, text: str) -> Request:
    """Returns the follow-up to an answer with a text."""
    completion = Completion(
        text=text,
        reasoning="",
        finish_reason="stop",
        usage=Usage(),
        response_model="",
        response_id="",
        system_fingerprint="",
    )
    following = repair_request(request, completion)
    assert following is not None
    return following


def test_a_request_that_was_never_asked_has_no_response(tmp_path: Path) -> None:
    assert read(tmp_path, ask("Why?")) == Replies()


def test_the_first_answer_is_used_and_a_second_one_is_uncertain_cost(tmp_path: Path) -> None:
    request = ask("Why?")
    first, second = respond(request, "One."), respond(request, "Two.", attempt=2)
    replies = read(tmp_path, request, fail(request, "http_500", status=500), first, second)
    assert replies.response == first
    assert isinstance(replies.completion, Completion)
    assert replies.completion.text == "One."
    assert (replies.spend, replies.uncertain) == (ANSWER, ANSWER)
    assert replies.usd == 50e-6


def test_without_an_answer_the_last_attempt_is_used(tmp_path: Path) -> None:
    request = ask("Why?")
    attempts = (fail(request, "http_500", status=500), fail(request, "http_400", status=400))
    replies = read(tmp_path, request, *attempts)
    assert replies == Replies(response=attempts[-1])
    assert (replies.usage, replies.usd) == (Usage(), 0.0)


def test_an_attempt_that_broke_off_may_have_cost_the_most_that_it_could(tmp_path: Path) -> None:
    request = ask("Why?")
    replies = read(tmp_path, request, fail(request, "timeout"))
    assert replies.spend == Spend()
    assert replies.uncertain.requests == 1
    assert (
        known(replies.uncertain.picodollars) > 50 * 2 * 10**6
    )  # 50 completion tokens, and the prompt


def test_an_answer_without_token_counts_may_have_cost_the_most_that_it_could(
    tmp_path: Path,
) -> None:
    request = ask("Why?")
    replies = read(tmp_path, request, respond(request, body=body("One.", tokens=False)))
    assert (replies.usage, replies.spend.picodollars) == (Usage(), 0)
    assert known(replies.uncertain.picodollars) > 50 * 2 * 10**6


def test_a_body_without_an_answer_is_malformed_and_paid_for(tmp_path: Path) -> None:
    request = ask("Why?")
    broken = json.dumps({"choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 20}})
    replies = read(tmp_path, request, respond(request, body=broken.encode()))
    assert isinstance(replies.completion, Malformed)
    assert replies.completion.reason is MalformedReason.NO_CHOICES
    assert replies.spend == ANSWER


def test_a_follow_up_that_matches_the_schema_is_used_and_both_are_paid_for(tmp_path: Path) -> None:
    request = ask("How many?", repair=True, **NUMBER)
    following = follow_up(request, "two")
    first, second = respond(request, "two"), respond(following, "2")
    replies = read(tmp_path, request, first, second)
    assert (replies.response, replies.repairs) == (second, first)
    assert replies.repair_of == sha256(first.body)
    assert replies.usage == Usage(prompt_tokens=20, completion_tokens=40)
    assert replies.spend == ANSWER + ANSWER


@pytest.mark.parametrize("text", ["three", ""], ids=["violates", "empty"])
def test_a_follow_up_that_is_no_better_leaves_the_first_answer_in_use(
    tmp_path: Path, text: str
) -> None:
    request = ask("How many?", repair=True, **NUMBER)
    first, second = respond(request, "two"), respond(follow_up(request, "two"), text)
    replies = read(tmp_path, request, first, second)
    assert (replies.response, replies.repair_of) == (first, "")
    assert replies.spend == ANSWER + ANSWER


def test_a_follow_up_without_an_answer_leaves_the_first_answer_in_use(tmp_path: Path) -> None:
    request = ask("How many?", repair=True, **NUMBER)
    first, second = respond(request, "two"), fail(follow_up(request, "two"))
    replies = read(tmp_path, request, first, second)
    assert (replies.response, replies.spend) == (first, ANSWER)
    assert replies.uncertain.requests == 1


def test_an_answer_that_matches_its_schema_has_no_follow_up(tmp_path: Path) -> None:
    request = ask("How many?", repair=True, **NUMBER)
    replies = read(tmp_path, request, respond(request, "2"))
    assert (replies.repair_of, replies.spend) == ("", ANSWER)


def test_tokens_that_one_answer_does_not_report_are_unknown_for_all(tmp_path: Path) -> None:
    request = ask("How many?", repair=True, **NUMBER)
    second = respond(follow_up(request, "two"), body=body("2", tokens=False))
    assert read(tmp_path, request, respond(request, "two"), second).usage == Usage()


def test_replies_come_in_the_order_of_the_requests(tmp_path: Path) -> None:
    job = make_job(tmp_path)
    requests = [ask(f"Question {n}") for n in range(20)]
    fill_ledger(job, *((request, respond(request, f"{n}")) for n, request in enumerate(requests)))
    ledger = Ledger(Path(job.run.ledger)).reader()
    found = list(read_all_replies(ledger, job.routes(), requests))
    assert [request for request, _ in found] == requests
    completions = [replies.completion for _, replies in found]
    assert [each.text for each in completions if isinstance(each, Completion)] == [
        f"{n}" for n in range(20)
    ]


@pytest.mark.parametrize(
    ("reported", "usage", "picodollars", "uncertain"),
    [
        # 50 tokens were allowed, at 2 dollars per million, and 10 of the prompt at 1 dollar.
        (
            {"prompt_tokens": 10, "completion_tokens": 10**9},
            Usage(prompt_tokens=10, completion_tokens=50, doubt=UsageDoubt.IMPLAUSIBLE),
            110 * 10**6,
            False,
        ),
        (
            {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 45},
            Usage(prompt_tokens=10, completion_tokens=35, doubt=UsageDoubt.CONTRADICTORY),
            80 * 10**6,
            False,
        ),
        (
            {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
            Usage(doubt=UsageDoubt.ZERO),
            0,
            True,
        ),
    ],
    ids=["implausible", "contradictory", "zero"],
)
def test_records_cost_what_the_budget_was_charged(
    tmp_path: Path, reported: dict[str, int], usage: Usage, picodollars: int, uncertain: bool
) -> None:
    request = ask("Why?")
    answer = json.loads(body("One.", tokens=False)) | {"usage": reported}
    replies = read(tmp_path, request, respond(request, body=json.dumps(answer).encode()))
    assert (replies.usage, replies.spend.picodollars) == (usage, picodollars)
    assert (known(replies.uncertain.picodollars) > 50 * 2 * 10**6) is uncertain
