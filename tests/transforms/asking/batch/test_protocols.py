"""What both batch protocols must do: ids, lists, entries and results."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.transforms.asking.batch.protocols import (
    ANTHROPIC,
    ANTHROPIC_JOB,
    ID,
    OPENAI,
    OPENAI_JOB,
    encoded,
)
from transforms.asking.batch import MODULES, has_batches
from transforms.asking.batch.protocols import BatchProtocol, find_protocol
from transforms.providers.apis import HttpCall
from transforms.providers.wire import Unreadable


def test_only_apis_with_a_batch_protocol_have_one() -> None:
    assert [has_batches(api) for api in ("gemini", "embedded", *MODULES)] == [0, 0, 1, 1]
    assert find_protocol("gemini") is None


@pytest.mark.parametrize("read", [OPENAI.read_job, ANTHROPIC.read_job])
@pytest.mark.parametrize(
    "id_", ["../../files", "a/b", "a?b", "", None, 7, "x" * 200, "https://elsewhere.example"]
)
def test_an_unsafe_id_is_refused(read: Any, id_: object) -> None:
    with pytest.raises(Unreadable):
        read(encoded(OPENAI_JOB | ANTHROPIC_JOB | {"id": id_}))


@pytest.mark.parametrize("wanted", [OPENAI, ANTHROPIC], ids=MODULES)
def test_the_next_page_begins_after_the_last_job(wanted: BatchProtocol) -> None:
    job = OPENAI_JOB | ANTHROPIC_JOB | {"created_at": "2026-11-22T12:00:00Z"}
    page = wanted.read_page(encoded({"data": [job], "has_more": True}))
    assert [each.id for each in page.jobs] == ["msgbatch_1"]
    assert page.next.endswith("=msgbatch_1")
    assert wanted.read_page(encoded({"data": [job], "has_more": False})).next == ""
    assert wanted.read_page(encoded({"data": [], "has_more": True})).next == ""


@pytest.mark.parametrize("wanted", [OPENAI, ANTHROPIC], ids=MODULES)
def test_an_entry_holds_the_body_of_the_live_call(wanted: BatchProtocol) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "née \u2028 ?"}]}
    entry = wanted.entry(ID, HttpCall("/x", encoded(body)))
    assert b"\n" not in entry
    read = json.loads(entry)
    assert read["custom_id"] == ID
    assert read["body" if wanted.uploads else "params"] == body


def errored(kind: str) -> dict[str, Any]:
    error = {"type": "error", "error": {"type": kind, "message": "no"}}
    return {"result": {"type": "errored", "error": error}}


RESULTS: list[tuple[BatchProtocol, dict[str, Any], str, bool]] = [
    (OPENAI, {"response": {"status_code": 200, "body": {"choices": [{}]}}}, "answer", True),
    (OPENAI, {"response": {"status_code": 400, "body": {}}}, "http_400", True),
    (OPENAI, {"response": {"status_code": 429, "body": {}}}, "http_429", False),
    (OPENAI, {"response": {"status_code": 500}}, "http_500", False),
    (OPENAI, {"response": None, "error": {"code": "batch_expired"}}, "batch_expired", False),
    (OPENAI, {"error": {"code": "batch_cancelled"}}, "batch_cancelled", False),
    (OPENAI, {"error": {"code": "request_timeout"}}, "batch_request_timeout", False),
    (OPENAI, {"error": {"code": "Tell me: ../x"}}, "batch_error", True),
    (OPENAI, {"error": "gone"}, "batch_error", True),
    (OPENAI, {"response": []}, "batch_error", True),
    (ANTHROPIC, {"result": {"type": "succeeded", "message": {"content": []}}}, "answer", True),
    (ANTHROPIC, {"result": {"type": "expired"}}, "batch_expired", False),
    (ANTHROPIC, {"result": {"type": "canceled"}}, "batch_cancelled", False),
    (ANTHROPIC, errored("invalid_request_error"), "http_400", True),
    (ANTHROPIC, errored("overloaded_error"), "http_529", False),
    (ANTHROPIC, errored("some_news"), "http_500", False),
    (ANTHROPIC, {"result": {"type": ["odd"]}}, "batch_error", True),
    (ANTHROPIC, {"result": None}, "batch_error", True),
]


@pytest.mark.parametrize(("wanted", "line", "outcome", "final"), RESULTS)
def test_each_kind_of_result_has_its_outcome(
    wanted: BatchProtocol, line: dict[str, Any], outcome: str, final: bool
) -> None:
    result = wanted.read_result(encoded({"custom_id": ID} | line))
    assert (result.request_id, result.outcome) == (ID, outcome)
    assert result.final == final
    assert bool(result.detail) == (outcome != "answer")


@pytest.mark.parametrize("line", [b"", b"{", b"[]", b"{}", b'{"custom_id":7}', b"\xff{}"])
@pytest.mark.parametrize("wanted", [OPENAI, ANTHROPIC], ids=MODULES)
def test_a_line_that_is_no_result_is_unreadable(wanted: BatchProtocol, line: bytes) -> None:
    with pytest.raises(Unreadable):
        wanted.read_result(line)
