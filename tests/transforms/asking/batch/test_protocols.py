"""The two batch APIs: what is read from their responses, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.asking.batch import MODULES, has_batches
from transforms.asking.batch.protocols import BatchProtocol, find_protocol
from transforms.asking.batch.results import member_bytes
from transforms.providers.apis import HttpCall
from transforms.providers.wire import Unreadable

ID = "ab" * 32
OPENAI_JOB = {"id": "batch_1", "status": "in_progress", "created_at": 1_795_000_000}
ANTHROPIC_JOB = {
    "id": "msgbatch_1",
    "processing_status": "in_progress",
    "created_at": "2026-11-22T12:00:00.5Z",
    "request_counts": {"processing": 3, "succeeded": 1, "errored": 0},
}


def protocol(api: str) -> BatchProtocol:
    found = find_protocol(api)
    assert found is not None
    return found


OPENAI, ANTHROPIC = protocol("openai-chat"), protocol("anthropic-messages")


def encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


def test_only_apis_with_a_batch_protocol_have_one() -> None:
    assert [has_batches(api) for api in ("gemini", "embedded", *MODULES)] == [0, 0, 1, 1]
    assert find_protocol("gemini") is None


@pytest.mark.parametrize("status", ["validating", "in_progress", "finalizing", "cancelling"])
def test_an_openai_job_runs_until_its_status_is_an_end(status: str) -> None:
    assert not OPENAI.read_job(encoded(OPENAI_JOB | {"status": status})).ended


@pytest.mark.parametrize("status", ["completed", "expired", "cancelled"])
def test_an_ended_openai_job_has_the_results_of_both_files(status: str) -> None:
    files = {"output_file_id": "file-a", "error_file_id": "file-b"}
    job = OPENAI.read_job(encoded(OPENAI_JOB | {"status": status} | files))
    assert (job.ended, job.failed) == (True, "")
    assert job.results == ("/files/file-a/content", "/files/file-b/content")


def test_an_anthropic_job_has_as_many_requests_as_it_counts() -> None:
    job = ANTHROPIC.read_job(encoded(ANTHROPIC_JOB))
    assert (job.ended, job.size, job.results) == (False, 4, ())
    assert job.created == 1_795_348_800_500
    ended = ANTHROPIC.read_job(
        encoded(
            ANTHROPIC_JOB
            | {"processing_status": "ended", "results_url": "https://elsewhere.example/r"}
        )
    )
    assert ended.results == ("/v1/messages/batches/msgbatch_1/results",)


@pytest.mark.parametrize("read", [OPENAI.read_job, ANTHROPIC.read_job])
@pytest.mark.parametrize(
    "id_", ["../../files", "a/b", "a?b", "", None, 7, "x" * 200, "https://elsewhere.example"]
)
def test_an_unsafe_id_is_refused(read: Any, id_: object) -> None:
    with pytest.raises(Unreadable):
        read(encoded(OPENAI_JOB | ANTHROPIC_JOB | {"id": id_}))


def test_a_file_elsewhere_is_refused() -> None:
    job = OPENAI_JOB | {"status": "completed", "output_file_id": "//elsewhere.example"}
    with pytest.raises(Unreadable):
        OPENAI.read_job(encoded(job))


def test_an_openai_job_matches_by_its_metadata_or_by_its_file() -> None:
    marked = OPENAI_JOB | {"metadata": {"stillroom-intent": "intent-1"}}
    job = OPENAI.read_job(encoded(marked | {"input_file_id": "file-1"}))
    assert OPENAI.match(job, "intent-1", "", 5) == "yes"
    assert OPENAI.match(job, "intent-2", "file-1", 5) == "yes"
    assert OPENAI.match(job, "intent-2", "file-2", 5) == "no"
    assert OPENAI.match(job, "intent-2", "", 5) == "no"


def test_an_anthropic_job_may_match_if_it_has_as_many_requests() -> None:
    job = ANTHROPIC.read_job(encoded(ANTHROPIC_JOB))
    assert (ANTHROPIC.match(job, "i", "", 4), ANTHROPIC.match(job, "i", "", 5)) == ("maybe", "no")


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
    (OPENAI, {"response": {"status_code": 200, "body": {"a": 1}}}, "answer", True),
    (OPENAI, {"response": {"status_code": 400, "body": {}}}, "http_400", True),
    (OPENAI, {"response": {"status_code": 429, "body": {}}}, "http_429", False),
    (OPENAI, {"response": {"status_code": 500}}, "http_500", False),
    (OPENAI, {"response": None, "error": {"code": "batch_expired"}}, "batch_expired", False),
    (OPENAI, {"error": {"code": "batch_cancelled"}}, "batch_cancelled", False),
    (OPENAI, {"error": {"code": "request_timeout"}}, "batch_request_timeout", False),
    (OPENAI, {"error": {"code": "Tell me: ../x"}}, "batch_error", True),
    (OPENAI, {"error": "gone"}, "batch_error", True),
    (OPENAI, {"response": []}, "batch_error", True),
    (ANTHROPIC, {"result": {"type": "succeeded", "message": {"a": 1}}}, "answer", True),
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


def _json() -> st.SearchStrategy[Any]:
    plain = st.none() | st.booleans() | st.integers() | st.text()
    return st.recursive(plain, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))


@settings(max_examples=50)
@given(
    st.dictionaries(st.text(), _json()),
    _json(),
    st.sampled_from([None, 1]),
    st.sampled_from([(",", ":"), (" , ", " : "), (",\t", "\r: ")]),
    st.booleans(),
)
def test_the_bytes_of_a_value_are_unchanged(
    around: dict[str, Any],
    value: Any,
    indent: int | None,
    separators: tuple[str, str],
    escaped: bool,
) -> None:
    def dumps(each: Any) -> str:
        return json.dumps(each, indent=indent, separators=separators, ensure_ascii=escaped)

    inner = {**around, "body": value, "": 0}
    text = dumps({**around, "response": inner})
    found = member_bytes(text, "response", "body")
    assert json.loads(found) == value
    assert found.decode() in text
