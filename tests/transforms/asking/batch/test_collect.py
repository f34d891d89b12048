"""Collecting a job: each result reaches its request, at the price of batches."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from schemas.inputs.budget import Budget as Caps
from schemas.inputs.registry import Price
from tests.batch_server import USAGE, BatchServer
from tests.money import known
from tests.transforms.asking.asking import (
    make_requests,
    responses,
)
from tests.transforms.asking.batch.batches import BOTH, answers, ask_in_batches, notes
from transforms.ledger import Ledger
from transforms.limits.totals import usage_totals
from transforms.providers.key import Key
from transforms.transport.masking import MASK

HALF = (USAGE[0] * 0.5 + USAGE[1] * 1.0) / 1e6  # of Price(1.0, 2.0)


@BOTH
def test_each_answer_is_stored_under_the_request_that_it_names(tmp_path: Path, api: str) -> None:
    with BatchServer() as server:
        server.lines = lambda lines: reversed(lines)
        done = ask_in_batches(server, api, tmp_path)
    assert (done.answered, done.asked, done.pending, done.stopped) == (5, 5, 0, None)
    asked = {request.request_id: request.messages[0].content for request in make_requests(5)}
    for name, response in answers(tmp_path).items():
        assert f"You said: {asked.pop(name)}" in response.body.decode()
    assert not asked
    assert len(server.jobs) == 1
    assert notes(tmp_path) == []


@BOTH
def test_a_body_is_stored_byte_for_byte(tmp_path: Path, api: str) -> None:
    def spaced(lines: list[str]) -> list[str]:
        return [line.replace('"role": "assistant"', '"role" :  "assistant"') for line in lines]

    with BatchServer() as server:
        server.lines = spaced
        ask_in_batches(server, api, tmp_path, 1)
    (response,) = answers(tmp_path).values()
    assert b'"role" :  "assistant"' in response.body
    assert json.loads(response.body)["model"] == "test-model"


@BOTH
def test_a_batch_costs_half(tmp_path: Path, api: str) -> None:
    with BatchServer() as server:
        done = ask_in_batches(server, api, tmp_path, 4)
    (account,) = usage_totals(Ledger(tmp_path).reader()).values()
    assert account.spent.usd == pytest.approx(4 * HALF)
    assert done.usd == pytest.approx(4 * HALF)
    assert (account.uncertain, done.usd_uncertain) == (0, 0)


@BOTH
def test_a_route_may_have_its_own_price_factor_for_batches(tmp_path: Path, api: str) -> None:
    with BatchServer() as server:
        done = ask_in_batches(
            server,
            api,
            tmp_path,
            1,
            route={
                "price": Price(
                    input_usd_per_million=1.0, output_usd_per_million=2.0, batch_factor=0.25
                )
            },
        )
    assert done.usd == pytest.approx(HALF / 2)


@BOTH
def test_the_answers_of_an_expired_job_are_stored(tmp_path: Path, api: str) -> None:
    with BatchServer() as server:
        server.expired = lambda place: place >= 3
        done = ask_in_batches(server, api, tmp_path)
        assert (done.answered, done.pending, done.stopped) == (3, 2, "quota")
        assert "2 x batch_expired" in done.detail
        assert done.usd == pytest.approx(3 * HALF)
        server.expired = lambda _: False
        again = ask_in_batches(server, api, tmp_path, run_id="run-2")
        assert (again.from_ledger, again.answered, again.pending) == (3, 2, 0)
        assert set(server.charged.values()) == {1}
        assert [len(job.requests) for job in server.jobs] == [5, 2]


@BOTH
def test_an_error_result_fails_its_request_alone(tmp_path: Path, api: str) -> None:
    with BatchServer() as server:
        server.broken = lambda place: place == 1
        done = ask_in_batches(server, api, tmp_path)
    assert (done.answered, done.failed, done.pending) == (4, {"http_400": 1}, 0)
    assert done.usd_uncertain == 0


@BOTH
def test_unknown_repeated_and_broken_lines_are_ignored(tmp_path: Path, api: str) -> None:
    def troubled(lines: list[str]) -> list[str]:
        stranger = json.loads(lines[0]) | {"custom_id": "f" * 64}
        nameless: dict[str, Any] = {"result": {}}
        return [json.dumps(stranger), "{half", json.dumps(nameless), "", *lines, lines[0]]

    with BatchServer() as server:
        server.lines = troubled
        done = ask_in_batches(server, api, tmp_path)
    assert (done.answered, done.pending) == (5, 0)
    assert len(answers(tmp_path)) == 5


@BOTH
def test_a_missing_result_counts_as_uncertain_cost(tmp_path: Path, api: str) -> None:
    with BatchServer() as server:
        server.lines = lambda lines: lines[1:]
        done = ask_in_batches(server, api, tmp_path)
    missing = done.pending
    assert missing >= 1
    assert done.answered + missing == 5
    assert known(done.usd_uncertain) > 0
    assert f"{missing} x batch_missing" in done.detail


def test_a_refused_job_fails_its_requests_and_costs_nothing(tmp_path: Path) -> None:
    with BatchServer() as server:
        server.refuse_jobs = "invalid_json_line"
        done = ask_in_batches(server, "openai-chat", tmp_path)
    assert (done.failed, done.usd_uncertain) == ({"batch_failed": 5}, 0)


def test_a_job_refused_for_a_full_queue_is_left_to_a_later_run(tmp_path: Path) -> None:
    with BatchServer() as server:
        server.refuse_jobs = "token_limit_exceeded"
        done = ask_in_batches(server, "openai-chat", tmp_path)
        assert (done.pending, done.stopped, done.usd_uncertain) == (5, "quota", 0)
        server.refuse_jobs = ""
        assert ask_in_batches(server, "openai-chat", tmp_path, run_id="run-2").answered == 5


@BOTH
def test_a_broken_download_is_repeated(tmp_path: Path, api: str) -> None:
    with BatchServer() as server:
        ending = "/content" if api == "openai-chat" else "/results"
        server.fail("GET", ending, after=True)
        server.fail("GET", ending, status=500)
        done = ask_in_batches(server, api, tmp_path)
    assert (done.answered, done.pending) == (5, 0)
    assert all(len(attempts) == 1 for attempts in responses(tmp_path).values())


@BOTH
def test_a_key_in_a_result_is_masked_before_it_is_stored(tmp_path: Path, api: str) -> None:
    key = "sk-batch-1a2b3c4d"

    def returned(lines: list[str]) -> list[str]:
        return [line.replace("You said", f"You sent {key}") for line in lines]

    with BatchServer() as server:
        server.lines = returned
        done = ask_in_batches(server, api, tmp_path, key=Key(key))
    assert done.answered == 5
    assert all(f"You sent {MASK}".encode() in each.body for each in answers(tmp_path).values())
    assert "the server returned your key" in "".join(done.errors.values())


@BOTH
def test_a_line_that_no_answer_fills_is_left_out(tmp_path: Path, api: str) -> None:
    with BatchServer() as server:
        server.lines = lambda lines: [lines[0] + " " * (17 * 2**20), *lines[1:]]
        done = ask_in_batches(server, api, tmp_path)
    assert (done.answered, done.pending) == (4, 1)


def test_a_job_ordered_without_a_price_is_counted_at_the_price_that_is_known_now(
    tmp_path: Path,
) -> None:
    with BatchServer() as server:
        server.ends_after = None
        route = {"price": Price()}
        first = ask_in_batches(server, "openai-chat", tmp_path, route=route)
        assert (first.pending, first.usd, first.usd_uncertain) == (5, 0, None)
        server.ends_after = 1
        caps = Caps(usd=1.0)
        done = ask_in_batches(server, "openai-chat", tmp_path, 9, run_id="run-2", caps=caps)
    assert (done.answered, done.stopped) == (9, None)
    assert done.usd == pytest.approx(9 * HALF)
