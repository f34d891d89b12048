"""What the end of an attempt means, in the forms that servers really send."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.teacher import answer
from transforms.dialects.error_codes import CODES, PHRASES
from transforms.providers.meaning import lacks_answer, read_meaning

GOOD = answer().body


def meaning(status: int, body: Any, **headers: str) -> str:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    outcome = "answer" if status == 200 else f"http_{status}"
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return read_meaning(outcome, status, named, raw).meaning


def error(message: str = "no", **fields: Any) -> dict[str, Any]:
    return {"error": {"message": message, **fields}}


RECORDED = sorted((Path(__file__).parents[2] / "data" / "apis").rglob("*.json"))


@pytest.mark.parametrize("file", RECORDED, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_a_recorded_answer_of_each_api_is_an_answer(file: Path) -> None:
    assert meaning(200, file.read_bytes()) == "answer"


def test_blank_lines_before_an_answer_do_no_harm() -> None:
    assert meaning(200, b"\n \n" + GOOD) == "answer"


@pytest.mark.parametrize(
    "body",
    [
        GOOD[:-20],  # cut off: it may be paid for
        GOOD.replace(b"An answer.", b'say \\"error\\" please'),
        GOOD.replace(b"An answer", b"\xff"),
        b'{"choices": [{}]}',
        b'{"type": "message", "content": []}',
        b'{"promptFeedback": {"blockReason": "SAFETY"}}',
    ],
)
def test_what_may_be_paid_for_is_an_answer(body: bytes) -> None:
    assert lacks_answer(body) is None


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty_body"),
        (b"\n\n \n", "empty_body"),  # a proxy that kept the connection open, then gave up
        (b"<!doctype html><title>Sign in</title>", "html"),
        (b"upstream connect error", "not_json"),
        (b"null", "wrong_type"),
        (b'{"choices": []}', "no_choices"),
        (b'{"object": "error", "message": "x", "code": 500}', "error_object"),
        (b'{"usageMetadata": {"promptTokenCount": 4}, "modelVersion": "g"}', "no_candidates"),
        (b'{"type": "message", "role": "assistant"}', "no_content"),
        (b'{"error": {"code": 502, "message": "Provider returned error"}}', "error_object"),
        (b'[{"error": {"code": 503, "status": "UNAVAILABLE"}}]', "error_object"),
        (GOOD.replace(b'"finish_reason": "stop"', b'"finish_reason": "error"'), "error_object"),
    ],
)
def test_status_200_without_an_answer_may_pass(body: bytes, reason: str) -> None:
    assert lacks_answer(body) == reason
    assert read_meaning("answer", 200, {}, body).may_pass
    assert read_meaning(reason, 200, {}, body).may_pass  # as it is stored


@pytest.mark.parametrize(
    ("code", "expected"),
    [(429, "transient"), (502, "transient"), (402, "money"), (400, "request")],
)
def test_an_error_with_status_200_is_judged_by_its_own_code(code: int, expected: str) -> None:
    assert meaning(200, error(code=code)) == expected


@pytest.mark.parametrize("row", CODES.values(), ids=lambda row: row.text)
def test_each_code_is_found_wherever_a_server_puts_it(row: Any) -> None:
    assert row.source.address.startswith("https://")
    status = row.statuses[0] if row.statuses else 400
    for body in (
        error(code=row.text),
        error(type=row.text.upper()),
        error(error_code=row.text),
        {"errors": [{"message": "no", "code": row.text}]},
        error(details=[{"reason": row.text}]),
        {"error": "no", "code": row.text},
        [error(code=row.text)],
    ):
        assert meaning(status, body) == row.meaning


@pytest.mark.parametrize("row", PHRASES, ids=lambda row: row.text)
def test_each_phrase_is_found_with_its_statuses_alone(row: Any) -> None:
    assert row.source.address.startswith("https://")
    for status in row.statuses:
        assert meaning(status, error(f"Sorry: {row.text.capitalize()}.")) == row.meaning
    assert meaning(599, error(row.text)) == "transient"


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        # OpenRouter's moderation, and xAI's: one prompt.
        (403, error(code=403, metadata={"flagged_input": "…", "reasons": ["x"]}), "prompt"),
        (
            403,
            {
                "code": "The caller does not …",
                "error": "Content violates usage guidelines. Team: t, API key ID: k, Model: m",
            },
            "prompt",
        ),
        (403, b"<html>Attention Required!</html>", "request"),  # a firewall's
        (403, error(), "request"),
        (401, error("Incorrect API key provided: sk-…"), "account"),
        (
            400,
            error(
                "API key not valid",
                code=400,
                status="INVALID_ARGUMENT",
                details=[{"@type": "x/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}],
            ),
            "account",
        ),
        (402, b"", "money"),
        (429, error(code="insufficient_quota", type="insufficient_quota"), "money"),
        (429, error(code="rate_limit_exceeded"), "transient"),
        (404, error(code="model_not_found"), "request"),
        # A limit of a minute at DashScope, which names it as OpenAI names an empty account.
        (
            429,
            error("Allocated quota exceeded, please increase …", code="insufficient_quota"),
            "transient",
        ),
        (200, {"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}, "money"),
        (200, {"base_resp": {"status_code": 1002, "status_msg": "rate limit"}}, "not_an_answer"),
        (429, error(type="auth_error", code="429"), "transient"),  # LiteLLM
        (401, {"detail": "Invalid API key"}, "account"),  # llama-cpp-python
        (400, error(type="invalid_request_error"), "request"),
        (503, b"", "transient"),
    ],
)
def test_a_server_s_own_form_is_understood(status: int, body: Any, expected: str) -> None:
    assert meaning(status, body) == expected


def test_money_that_requests_in_flight_hold_comes_back() -> None:
    assert meaning(402, error(code=402), retry_after="5") == "transient"


def test_words_are_short_and_hold_no_control_character_and_no_key() -> None:
    key = "sk-proj-0123456789abcdefghij"
    body = json.dumps(error(f"bad\x1b[31m\nkey {key} " + "word " * 100, code="x_y")).encode()
    read = read_meaning("http_400", 400, {}, body)
    assert read.code == "x_y"
    assert read.words.startswith("bad [31m key … word")
    assert len(read.words) <= 120
    assert read.words.isprintable()


@given(
    st.binary()
    | st.text().map(str.encode)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["error", "code", "details", "choices", "metadata"]), inner
            )
        ),
    ).map(lambda value: json.dumps(value).encode())
)
def test_no_body_raises(body: bytes) -> None:
    for outcome, status in (("answer", 200), ("http_400", 400), ("html", 200)):
        read_meaning(outcome, status, {}, body)
