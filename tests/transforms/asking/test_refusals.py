"""What servers send instead of answers: what fails, what stops a route, what is asked again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from schemas.codes import StopReason
from schemas.inputs.registry import Quota
from tests.teacher import (
    Call,
    Reply,
    Teacher,
    always,
    answer,
    by_prompt,
    error,
    failure,
    in_turn,
    raw,
)
from tests.transforms.asking.asking import (
    ROUTE,
    Naps,
    ask_teacher,
    make_requests,
    make_route,
    responses,
    run_engine,
    work,
)
from transforms.asking.progress import ACCESS_REFUSALS_IN_A_ROW
from transforms.asking.route_loop import FAILURES_IN_A_ROW
from transforms.ledger import Ledger
from transforms.limits.route_work import RouteWork
from transforms.providers.key import Key
from transforms.providers.retry import MAX_ATTEMPTS
from transforms.transport.masking import MASK

FIREWALL = raw(b"<html>Attention Required!</html>", status=403, content_type="text/html")
MODERATION = error(403, {"code": 403, "message": "flagged", "metadata": {"flagged_input": "Q"}})
FILTERED = error(400, {"message": "The prompt was filtered", "code": "content_filter"})
SIGN_IN = raw(b"<html>Sign in</html>", content_type="text/html")
GEMINI_QUOTA = {
    "code": 429,
    "status": "RESOURCE_EXHAUSTED",
    "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "31s"}],
}


@pytest.mark.parametrize("refusal", [FIREWALL, MODERATION, failure(403)])
def test_one_refused_prompt_of_many_fails_alone(tmp_path: Path, refusal: Reply) -> None:
    with Teacher(by_prompt({"Question 7": refusal})) as teacher:
        one = Quota(concurrency=1)
        done = run_engine(tmp_path, work(teacher, 60, quota=one))[ROUTE]
        again = run_engine(tmp_path, work(teacher, 60, quota=one), run_id="run-2")[ROUTE]
    assert (done.answered, done.failed, done.stopped) == (59, {"http_403": 1}, None)
    assert (again.from_ledger, again.failed, again.stopped) == (59, {"http_403": 1}, None)


def test_refusals_that_name_no_prompt_stop_the_route_if_they_go_on(tmp_path: Path) -> None:
    with Teacher(always(FIREWALL)) as teacher:
        done = run_engine(tmp_path, work(teacher, 60, quota=Quota(concurrency=1)))[ROUTE]
        assert teacher.count == ACCESS_REFUSALS_IN_A_ROW
    assert (done.stopped, done.ended) == ("access", 60)


def test_any_number_of_refused_prompts_stops_nothing(tmp_path: Path) -> None:
    prompts = {f"bad {n}": MODERATION for n in range(2 * FAILURES_IN_A_ROW)}
    with Teacher(by_prompt(prompts)) as teacher:
        done = run_engine(tmp_path, work(teacher, [*prompts, "good"]))[ROUTE]
    assert (done.answered, done.failures, done.stopped) == (1, len(prompts), None)


@pytest.mark.parametrize(
    "refusal", [FILTERED, error(400, {"message": "no", "code": "context_length_exceeded"})]
)
def test_a_prompt_that_the_server_refused_is_not_sent_in_another_run(
    tmp_path: Path, refusal: Reply
) -> None:
    with Teacher(by_prompt({"bad": refusal})) as teacher:
        first = run_engine(tmp_path, work(teacher, ["bad", "good"]))[ROUTE]
        again = run_engine(tmp_path, work(teacher, ["bad", "good"]), run_id="run-2")[ROUTE]
        assert teacher.count == 2
    assert first.failed == again.failed == {"http_400": 1}


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (SIGN_IN, "html"),
        (raw(b"\n\n\n"), "empty_body"),
        (raw(b'{"choices": []}'), "no_choices"),
        (error(200, {"code": 502, "message": "Provider returned error"}), "error_object"),
        (answer("cut", finish_reason="error"), "error_object"),
    ],
)
def test_status_200_without_an_answer_is_asked_again_at_once_and_later(
    tmp_path: Path, reply: Reply, reason: str
) -> None:
    done = ask_teacher(tmp_path, always(reply), 3)
    assert (done.answered, done.failed, done.attempts) == (0, {reason: 3}, 3 * MAX_ATTEMPTS)
    for attempts in responses(tmp_path).values():
        assert {each.body for each in attempts} == {reply.body}
        assert [each.final for each in attempts] == [False] * (MAX_ATTEMPTS - 1) + [True]
    later = ask_teacher(tmp_path, in_turn(reply, answer()), 3, run_id="run-2")
    assert (later.answered, later.attempts, later.stopped) == (3, 6, None)


def test_sign_in_pages_for_every_prompt_stop_the_route(tmp_path: Path) -> None:
    done = ask_teacher(tmp_path, always(SIGN_IN), 60)
    assert (done.stopped, done.ended, done.answered) == ("failing", 60, 0)
    with Teacher() as healthy:
        later = run_engine(tmp_path, work(healthy, 60), run_id="run-2")[ROUTE]
    assert later.answered == 60


def test_what_an_older_version_stored_as_answers_is_asked_again(tmp_path: Path) -> None:
    ask_teacher(tmp_path, by_prompt({"page": SIGN_IN}), ["page", "good"])
    make_old(tmp_path)
    assert {each[-1].outcome for each in responses(tmp_path).values()} == {"html", "answer"}
    later = ask_teacher(tmp_path, always(answer()), ["page", "good"], run_id="run-2")
    assert (later.from_ledger, later.answered) == (1, 1)
    [request] = make_requests(["page"])
    kept = Ledger(tmp_path).reader().read(request.request_id)
    assert kept is not None
    assert (kept.outcome, kept.run_id) == ("answer", "run-2")


def make_old(folder: Path) -> None:
    """Rewrites a ledger as an older version wrote it: any response with status 200 is an answer."""
    from transforms.ledger.entries import encode, make_line, read_line

    for segment in (folder / "segments").glob("*.jsonl"):
        lines = [read_line(line) for line in segment.read_bytes().splitlines(keepends=True)]
        for entry in lines:
            entry.pop("judged", None)
            if entry.get("status") == 200:
                entry |= {"outcome": "answer", "final": True}
        segment.write_bytes(b"".join(make_line([encode(entry)]) for entry in lines))
        segment.with_suffix(".idx").unlink(missing_ok=True)


@pytest.mark.parametrize(
    "reply",
    [
        failure(402),
        error(429, {"type": "insufficient_quota", "code": "insufficient_quota"}),
        error(400, {"type": "invalid_request_error", "message": "Your credit balance is too low"}),
        error(200, {"code": 402, "message": "Insufficient credits"}),
    ],
)
def test_an_account_without_money_stops_the_route_at_once(tmp_path: Path, reply: Reply) -> None:
    with Teacher(always(reply)) as teacher:
        done = run_engine(tmp_path, work(teacher, 60))[ROUTE]
        assert teacher.count <= 4
        assert max(teacher.times_asked.values()) == 1
    assert (done.stopped, done.pending, done.failures) == ("money", 60, 0)
    assert "the account's money is used up" in done.detail


def test_a_rate_limit_that_outlasts_the_attempts_leaves_a_reason(tmp_path: Path) -> None:
    done = ask_teacher(tmp_path, by_prompt({"Question 1": failure(429)}), 3)
    assert (done.answered, done.pending, done.stopped) == (2, 1, "quota")
    assert "1 requests are pending" in done.detail


def test_the_wait_in_google_s_error_is_obeyed(tmp_path: Path) -> None:
    naps = Naps()
    replies = in_turn(error(429, GEMINI_QUOTA), answer())
    done = ask_teacher(tmp_path, replies, 1, clock=naps.clock())
    assert (done.answered, done.attempts) == (1, 2)
    assert 31 <= sum(naps.taken) <= 33


@pytest.mark.parametrize("name", ["retry-after-ms", "x-ms-retry-after-ms"])
def test_a_wait_in_milliseconds_is_obeyed(tmp_path: Path, name: str) -> None:
    naps = Naps()
    busy = error(429, {"code": "429"}, **{name: "31000"})
    assert ask_teacher(tmp_path, in_turn(busy, answer()), 1, clock=naps.clock()).answered == 1
    assert 31 <= sum(naps.taken) <= 33


def test_lost_access_replaces_the_note_of_a_request_beyond_the_quota(tmp_path: Path) -> None:
    def script(call: Call) -> Reply:
        return error(401, {"code": "invalid_api_key"}) if call.prompt == "last" else answer()

    quota = Quota(tokens_per_minute=500, concurrency=1)
    with Teacher(script) as teacher:
        route_work = work(teacher, ["long " * 2000, "first", "last"], quota=quota)
        done = run_engine(tmp_path, route_work)[ROUTE]
    assert (done.stopped, done.pending) == (StopReason.ACCESS, 1)


def test_the_server_s_words_are_kept_once_by_reason_without_the_key(tmp_path: Path) -> None:
    def script(call: Call) -> Reply:
        if call.prompt.startswith("bad"):
            return FILTERED
        named: dict[str, Any] = {"code": "model_not_found", "message": "no model; key sk-short"}
        return error(404, named)

    with Teacher(script) as teacher:
        requests = make_requests(["bad 1", "bad 2", "other 1", "other 2"])
        done = run_engine(
            tmp_path, RouteWork(make_route(teacher.endpoint), requests, Key("sk-short"))
        )[ROUTE]
        url = f"{teacher.endpoint}/chat/completions"
    assert sorted(done.errors.values()) == [
        f"{url}: http_400 (HTTP 400 Bad Request: content_filter): The prompt was filtered",
        f"{url}: http_404 (HTTP 404 Not Found: model_not_found): no model; key {MASK}",
        f"{url}: the server returned your key. stillroom masked it; others may not",
    ]
    details = {each[-1].detail for each in responses(tmp_path).values()}
    assert details == {
        "HTTP 400 Bad Request: content_filter",
        "HTTP 404 Not Found: model_not_found",
    }


def test_the_tokens_of_an_error_with_status_200_are_counted(tmp_path: Path) -> None:
    body = json.loads(answer("half", finish_reason="error", usage=(40, 30)).body)
    replies = in_turn(raw(json.dumps(body).encode()), answer(usage=(10, 5)))
    done = ask_teacher(tmp_path, replies, 1)
    assert (done.prompt_tokens, done.completion_tokens) == (50, 35)
