"""Bad answers: each has its reason, is stored unchanged, and affects no other request."""

from __future__ import annotations

import json
from pathlib import Path

from schemas.inputs.registry import Quota, Timeouts
from schemas.responses import Completion
from tests.teacher import (
    Reply,
    Teacher,
    answer,
    by_prompt,
    close,
    cut,
    drip,
    failure,
    hang,
    raw,
    redirect,
)
from tests.transforms.asking.asking import make_requests, make_route, responses, run_engine
from transforms.limits.route_work import RouteWork
from transforms.providers.apis import find_api
from transforms.providers.retry import MAX_ATTEMPTS

GOOD = answer().body
REASONS: dict[str, Reply] = {
    "truncated_json": raw(GOOD[:-20]),
    "not_json": raw(b"An answer."),
    "html": raw(b"<html><h1>Bad gateway</h1></html>", content_type="text/html"),
    "error_object": raw(b'{"error": {"message": "overloaded", "type": "server_error"}}'),
    "invalid_utf8": raw(GOOD.replace(b"An answer", b"\xff\xfe")),
    "lone_surrogate": raw(GOOD.replace(b"An answer", rb"\ud83d")),
    "nul_character": raw(GOOD.replace(b"An answer", rb"\u0000")),
    "no_choices": raw(b'{"choices": []}'),
    "null_content": answer(None),
    "duplicate_key": raw(GOOD.replace(b'"id"', b'"model"')),
    "empty_body": raw(b""),
    "body_too_large": raw(b"x" * (64 * 2**20)),
    "timeout": hang(),
    "connection_closed": close(),
    "redirect": redirect("http://127.0.0.1:9/"),
    "http_400": failure(400),
    "http_503": failure(503),
    "http_529": failure(529),
}
ODDLY_GOOD = {
    "no usage": answer(usage=None),
    "usage that is no number": raw(GOOD.replace(b"10", b"NaN")),
    "another model": answer(model="other-model"),
}
BARE = {"a bare 429": failure(429)}
LIKE_OTHERS = {"a byte at a time": drip(answer()), "cut in the middle": cut(answer())}
RETRIED = {
    *("timeout", "connection_closed", "http_503", "http_529", "http_429"),
    *("not_json", "html", "error_object", "no_choices", "empty_body"),  # no answer, so not paid for
}


def test_all_bad_answers_in_one_run_with_a_healthy_route(tmp_path: Path) -> None:
    replies = REASONS | ODDLY_GOOD | BARE | LIKE_OTHERS
    impatient = Timeouts(connect_seconds=2.0, response_seconds=1.5, patience_seconds=600.0)
    with Teacher(by_prompt(replies)) as bad, Teacher() as healthy:
        done = run_engine(
            tmp_path,
            RouteWork(
                make_route(bad.endpoint, "t/bad", timeouts=impatient, quota=Quota(concurrency=32)),
                make_requests(replies, "t/bad"),
            ),
            RouteWork(make_route(healthy.endpoint, "t/healthy"), make_requests(100, "t/healthy")),
        )
        assert set(healthy.times_asked.values()) == {1}
        attempts = {
            json.loads(body)["messages"][0]["content"]: times
            for body, times in bad.times_asked.items()
        }
    assert (done["t/healthy"].answered, done["t/healthy"].failures) == (100, 0)
    assert (done["t/bad"].ended, done["t/bad"].pending) == (len(replies), 1)

    kept = responses(tmp_path)
    prompts = {
        each.request_id: each.messages[0].content for each in make_requests(replies, "t/bad")
    }
    found = {}
    for request_id, prompt in prompts.items():
        last = kept[request_id][-1]
        read = find_api("openai-chat").parse(last.body) if last.answered else None
        found[prompt] = last.outcome if read is None else getattr(read, "reason", read)
        assert len(kept[request_id]) == attempts[prompt]
        if last.status == 200 and last.outcome != "body_too_large":
            assert last.body == replies[prompt].body
    assert {prompt: found[prompt] for prompt in REASONS} == {prompt: prompt for prompt in REASONS}
    assert (found["a bare 429"], found["a byte at a time"]) == ("http_429", "timeout")
    assert found["cut in the middle"] == "connection_closed"
    assert all(isinstance(found[prompt], Completion) for prompt in ODDLY_GOOD)

    for prompt, reason in found.items():
        assert attempts[prompt] == (MAX_ATTEMPTS if reason in RETRIED else 1), prompt
