"""One line of results: the bytes of an answer in it, and the outcome of its request."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.teacher import answer
from transforms.asking.batch.results import http_result, member_bytes, unanswered_result


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


@pytest.mark.parametrize(
    ("status", "outcome", "final"),
    [(200, "answer", True), (400, "http_400", True), (429, "http_429", False)],
)
def test_an_http_response_in_a_batch_is_judged_like_a_live_one(
    status: int, outcome: str, final: bool
) -> None:
    body = answer().body
    result = http_result("r", status, body)
    assert (result.outcome, result.status, result.body) == (outcome, status, body)
    assert result.final == final


def test_a_result_without_an_answer_is_submitted_again() -> None:
    result = http_result("r", 200, b'{"choices": []}')
    assert (result.outcome, result.final) == ("no_choices", False)


@pytest.mark.parametrize(
    ("code", "outcome", "final"),
    [
        ("batch_expired", "batch_expired", False),
        ("expired", "batch_expired", False),
        ("invalid_json_line", "batch_invalid_json_line", True),
        ("../x", "batch_error", True),
    ],
)
def test_a_reason_without_a_response_becomes_an_outcome(
    code: str, outcome: str, final: bool
) -> None:
    result = unanswered_result("r", code)
    assert (result.outcome, result.status, result.final) == (outcome, None, final)
