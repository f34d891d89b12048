"""The API `gemini` gives a reason for each bad answer, and raises on no bytes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.responses import Malformed
from tests.transforms.providers.apis.bodies import (
    JSON,
    NO_OBJECT,
    body_of,
    texts_of,
)
from tests.transforms.providers.apis.bodies import (
    gemini_candidate as candidate,
)
from transforms.providers.apis import find_api
from transforms.providers.apis.gemini import Gemini

API = Gemini()


def body(name: str = "answer", **changes: Any) -> bytes:
    return body_of("gemini", name, **changes)


MALFORMED = NO_OBJECT | {
    "half": (body()[: len(body()) // 2], "truncated_json"),
    "an error": (
        b'{"error": {"code": 503, "message": "secret prompt", "status": "UNAVAILABLE"}}',
        "error_object",
    ),
    "another API's answer": (b'{"choices": [{"message": {"content": "Hi."}}]}', "no_candidates"),
    "no candidates": (body(candidates=[]), "no_candidates"),
    "feedback that blocks nothing": (
        body(candidates=None, promptFeedback={"safetyRatings": []}),
        "no_candidates",
    ),
    "candidates of another type": (body(candidates={"0": 1}), "wrong_type"),
    "a candidate of another type": (body(candidates=["Hi."]), "wrong_type"),
    "no content": (body(candidates=[{"finishReason": "STOP"}]), "null_content"),
    "no content, no reason": (body(candidates=[{}]), "null_content"),
    "content of another type": (body(candidates=[{"content": "Hi."}]), "wrong_type"),
    "parts of another type": (candidate("Hi."), "wrong_type"),
    "a part of another type": (candidate(["Hi."]), "wrong_type"),
    "a text of another type": (candidate([{"text": ["Hi."]}]), "wrong_type"),
    "half a surrogate pair": (candidate([{"text": "a\ud800b"}]), "lone_surrogate"),
    "U+0000": (candidate([{"text": "a\x00b"}]), "nul_character"),
    "U+0000 in the thoughts": (candidate([{"text": "\x00", "thought": True}]), "nul_character"),
    "a model of another type": (body(modelVersion=["m"]), "wrong_type"),
    "a call of another type": (candidate([{"functionCall": "f"}]), "wrong_type"),
    "a tool's name of another type": (candidate([{"functionCall": {"name": 7}}]), "wrong_type"),
    "half a surrogate pair in the arguments": (
        candidate([{"functionCall": {"name": "f", "args": {"a": "\ud800"}}}]),
        "lone_surrogate",
    ),
}


@pytest.mark.parametrize(("data", "reason"), MALFORMED.values(), ids=MALFORMED.keys())
def test_each_bad_answer_has_its_reason(data: bytes, reason: str) -> None:
    found = API.parse(data)
    assert isinstance(found, Malformed), found
    assert found.reason == reason
    assert found.detail
    assert not {"secret", "upstream", "Hi."} & set(found.detail.split())


@given(st.binary())
def test_no_bytes_raise(data: bytes) -> None:
    assert isinstance(API.parse(data), Malformed)


CALLS = st.fixed_dictionaries(
    {}, optional={"id": JSON, "name": st.text() | JSON, "args": st.dictionaries(st.text(), JSON)}
)
TOKENS = st.lists(st.fixed_dictionaries({"token": st.text() | JSON}))
PARTS = st.lists(
    st.dictionaries(st.sampled_from(["text", "thought", "functionCall"]), CALLS | JSON)
)
CANDIDATES = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "content": st.fixed_dictionaries({"parts": PARTS | JSON}) | JSON,
            "finishReason": st.sampled_from(["STOP", "SAFETY"]) | JSON,
            "finishMessage": JSON,
            "logprobsResult": st.fixed_dictionaries({"chosenCandidates": TOKENS}) | JSON,
        },
    )
)
FIELDS = ("responseId", "modelVersion", "usageMetadata", "error", "promptFeedback")


@given(
    changes=st.dictionaries(st.sampled_from(FIELDS), JSON),
    candidates=CANDIDATES | JSON,
    blocked=st.none() | JSON,
)
def test_no_answer_raises_and_each_can_be_stored(
    changes: dict[str, Any], candidates: Any, blocked: Any
) -> None:
    feedback = {} if blocked is None else {"promptFeedback": {"blockReason": blocked}}
    texts = texts_of(API.parse(body(**changes | feedback, candidates=candidates)))
    assert "\x00" not in texts
    texts.encode()  # raises on half a surrogate pair


GOOD = body()


@given(st.integers(0, len(GOOD) - 1))
def test_an_incomplete_answer_is_never_taken_for_a_complete_one(end: int) -> None:
    assert isinstance(find_api("gemini").parse(GOOD[:end]), Malformed)
