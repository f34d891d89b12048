"""What calls and results of a batch say of the account means the same as in a live response."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.batch_server import BatchServer
from tests.transforms.asking.asking import responses
from tests.transforms.asking.batch.batches import BOTH, answers, ask_in_batches, notes

NO_MONEY = {"error": {"code": "insufficient_quota", "type": "insufficient_quota"}}
NO_KEY = {"error": {"code": "invalid_api_key", "message": "no"}}
BILLING = {"type": "error", "error": {"type": "billing_error", "message": "no"}}
CREDIT = {
    "type": "error",
    "error": {"type": "invalid_request_error", "message": "Your credit balance is too low"},
}


def erring(status: int, error: dict[str, Any], some: Callable[[int], bool]) -> Any:
    """Returns a change of a job's results: some of them become errors."""

    def change(lines: list[str]) -> Iterable[str]:
        for place, line in enumerate(map(json.loads, lines)):
            if some(place) and "result" in line:
                line["result"] = {"type": "errored", "error": error}
            elif some(place):
                line["response"] = {"status_code": status, "body": error}
            yield json.dumps(line)

    return change


@pytest.mark.parametrize(
    ("api", "path", "status", "body"),
    [
        ("openai-chat", "/files", 402, {}),
        ("openai-chat", "/files", 429, NO_MONEY),
        ("openai-chat", "/batches", 429, NO_MONEY),
        ("openai-chat", "/batches", 403, NO_MONEY),
        ("anthropic-messages", "/batches", 402, BILLING),
        ("anthropic-messages", "/batches", 400, CREDIT),
    ],
)
def test_an_order_that_the_account_cannot_pay_is_not_repeated(
    tmp_path: Path, api: str, path: str, status: int, body: dict[str, Any]
) -> None:
    with BatchServer() as server:
        server.fail("POST", path, status=status, body=body)
        done = ask_in_batches(server, api, tmp_path)
        assert (done.pending, done.stopped, done.failures) == (5, "money", 0)
        assert "the account's money is used up" in done.detail
        assert len([call for call in server.calls if call[1].endswith(path)]) == 1
        assert notes(tmp_path) == []
        again = ask_in_batches(server, api, tmp_path, run_id="run-2")
        assert (again.answered, again.stopped) == (5, None)
        assert set(server.charged.values()) == {1}


@BOTH
@pytest.mark.parametrize("status", [200, 500])
def test_an_order_that_may_have_been_taken_is_searched_though_the_error_names_money(
    tmp_path: Path, api: str, status: int
) -> None:
    with BatchServer() as server:
        server.fail("POST", "/batches", after=True, status=status, body=NO_MONEY)
        done = ask_in_batches(server, api, tmp_path)
        assert (done.answered, done.pending) == (5, 0)
        assert len(server.jobs) == 1
        assert set(server.charged.values()) == {1}


@BOTH
@pytest.mark.parametrize(("status", "body", "reason"), [(402, {}, "money"), (401, {}, "access")])
def test_a_job_that_may_not_be_polled_now_is_collected_by_the_next_run(
    tmp_path: Path, api: str, status: int, body: dict[str, Any], reason: str
) -> None:
    with BatchServer() as server:
        server.fail("GET", "/batches/batch_0", status=status, body=body)
        done = ask_in_batches(server, api, tmp_path)
        assert (done.pending, done.stopped) == (5, reason)
        again = ask_in_batches(server, api, tmp_path, run_id="run-2")
        assert (again.answered, len(server.jobs)) == (5, 1)


@BOTH
def test_results_without_money_are_pending_and_the_rest_is_kept(tmp_path: Path, api: str) -> None:
    with BatchServer() as server:
        error = NO_MONEY if api == "openai-chat" else BILLING
        server.lines = erring(429, error, lambda place: place > 1)
        done = ask_in_batches(server, api, tmp_path)
        assert (done.answered, done.pending, done.stopped, done.failures) == (2, 3, "money", 0)
        server.lines = lambda lines: lines
        again = ask_in_batches(server, api, tmp_path, run_id="run-2")
        assert (again.from_ledger, again.answered, again.stopped) == (2, 3, None)
    assert len(answers(tmp_path)) == 5


def test_a_job_refused_for_lack_of_money_leaves_its_requests_pending(tmp_path: Path) -> None:
    with BatchServer() as server:
        server.refuse_jobs = "billing_hard_limit_reached"
        done = ask_in_batches(server, "openai-chat", tmp_path)
        assert (done.pending, done.stopped, done.failures) == (5, "money", 0)
        server.refuse_jobs = ""
        assert ask_in_batches(server, "openai-chat", tmp_path, run_id="run-2").answered == 5


@BOTH
def test_one_result_that_names_the_key_stops_the_account(tmp_path: Path, api: str) -> None:
    named = {"type": "error", "error": {"type": "authentication_error"}}
    error = NO_KEY if api == "openai-chat" else named
    with BatchServer() as server:
        server.lines = erring(401, error, lambda place: place == 1)
        done = ask_in_batches(server, api, tmp_path)
    assert (done.answered, done.failed, done.stopped) == (4, {"http_401": 1}, "access")


def test_refusals_that_name_nothing_stop_the_account_only_if_none_was_answered(
    tmp_path: Path,
) -> None:
    with BatchServer() as server:
        server.lines = erring(403, {}, lambda place: place > 0)
        some = ask_in_batches(server, "openai-chat", tmp_path / "some", 9)
        assert (some.answered, some.failed, some.stopped) == (1, {"http_403": 8}, None)
        server.lines = erring(403, {}, lambda place: True)
        none = ask_in_batches(server, "openai-chat", tmp_path / "none", 9)
        assert (none.answered, none.failed, none.stopped) == (0, {"http_403": 9}, "access")


def test_a_refused_prompt_fails_with_its_code_and_is_not_ordered_again(tmp_path: Path) -> None:
    refused = {"error": {"code": "content_filter", "message": "no"}}
    with BatchServer() as server:
        server.lines = erring(400, refused, lambda place: place == 2)
        done = ask_in_batches(server, "openai-chat", tmp_path)
        assert (done.answered, done.failed, done.stopped) == (4, {"http_400": 1}, None)
        assert any("content_filter" in each for each in done.errors.values())
        kept = [each for tries in responses(tmp_path).values() for each in tries if each.detail]
        assert [each.detail for each in kept] == ["HTTP 400 in a batch: content_filter"]
        again = ask_in_batches(server, "openai-chat", tmp_path, run_id="run-2")
        assert (again.from_ledger, again.failures, len(server.jobs)) == (4, 1, 1)
