"""`extra` adds to a body what we do not send, word for word, and never replaces what we send."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.canonical import canonical_json
from schemas.inputs.registry import Api
from schemas.requests import Request
from tests.transforms.providers.apis.bodies import conversation
from transforms.providers.apis import find_api, unsendable_extra
from transforms.providers.tokens import estimated_tokens, most_tokens

APIS = sorted(get_args(Api))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
NAMES = st.sampled_from(
    ["top_k", "max_tokens", "generationConfig", "output_config", "n", "model", "contents"]
)
INNER = st.sampled_from(["topK", "maxOutputTokens", "max_output_tokens", "effort", "format"])
MEMBERS = st.dictionaries(
    NAMES | st.text(max_size=8), JSON | st.dictionaries(INNER, JSON), max_size=4
)


def asking(extra: dict[str, Any] | None) -> Request:
    asked = {"temperature": 0.5, "max_tokens": 10}
    settings = asked if extra is None else {**asked, "extra": extra}
    return conversation(("user", "Why?"), system="Be brief.", **settings)


def body(api: str, extra: dict[str, Any] | None) -> dict[str, Any]:
    sent: dict[str, Any] = json.loads(find_api(api).build(asking(extra)).body)
    return sent


def is_within(part: Any, whole: Any) -> bool:
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(key in whole and is_within(value, whole[key]) for key, value in part.items())
    return bool(canonical_json(part) == canonical_json(whole))


@given(st.sampled_from(APIS), MEMBERS)
def test_what_is_permitted_is_sent_as_written_beside_all_that_we_send(
    api: str, extra: dict[str, Any]
) -> None:
    if list(unsendable_extra(api, extra)):
        return
    sent = body(api, extra)
    assert is_within(body(api, None), sent)
    assert is_within(extra, sent)


@given(st.sampled_from(APIS), MEMBERS)
def test_no_member_that_we_send_is_permitted(api: str, extra: dict[str, Any]) -> None:
    ours = body(api, None)
    refused = {steps[0] for steps, _ in unsendable_extra(api, extra)}
    taken = {key for key, value in ours.items() if key in extra and not isinstance(value, dict)}
    assert taken <= refused


@pytest.mark.parametrize(
    ("api", "extra", "steps", "words"),
    [
        ("openai-chat", {"model": "m"}, "model", "stillroom sends it itself"),
        ("openai-chat", {"messages": []}, "messages", "stillroom sends it itself"),
        ("openai-chat", {"temperature": 1}, "temperature", "`parameters`"),
        ("openai-chat", {"topP": 1}, "topP", "stillroom sends it itself"),
        ("openai-chat", {"n": 2}, "n", "ask for `samples`"),
        ("openai-chat", {"best_of": 2}, "best_of", "ask for `samples`"),
        ("openai-chat", {"n_cmpl": 2}, "n_cmpl", "ask for `samples`"),
        ("openai-chat", {"stream": True}, "stream", "read whole"),
        ("openai-chat", {"n_predict": 9}, "n_predict", "max_tokens"),
        ("openai-chat", {"models": ["a/b"]}, "models", "give each model a route"),
        ("openai-chat", {"api_key": "x"}, "api_key", "in the registry"),
        ("openai-chat", {"plugins": [{"id": "web"}]}, "plugins", "billed beside"),
        ("openai-chat", {"a": {"b": "sk-proj-0123456789abcdefghij"}}, "a.b", "characters: perhaps"),
        ("openai-chat", {"a": [{"b": "None"}]}, "a.0.b", "expected null"),
        ("openai-chat", {"a": {"b": "False"}}, "a.b", "expected false"),
        ("openai-chat", {"a": "None"}, "a", "expected null"),
        ("openai-chat", {"a": {"b": ".NaN"}}, "a.b", "no such number"),
        ("anthropic-messages", {"system": "x"}, "system", "stillroom sends it itself"),
        ("anthropic-messages", {"stop_sequences": []}, "stop_sequences", "itself"),
        ("anthropic-messages", {"output_config": {"format": {}}}, "output_config.format", "itself"),
        ("gemini", {"generationConfig": 1}, "generationConfig", "a mapping"),
        ("gemini", {"generation_config": {}}, "generation_config", "'generationConfig'"),
        (
            "gemini",
            {"generationConfig": {"candidate_count": 2}},
            "generationConfig.candidate_count",
            "itself",
        ),
        (
            "gemini",
            {"generationConfig": {"maxOutputTokens": 2}},
            "generationConfig.maxOutputTokens",
            "itself",
        ),
        ("gemini", {"cachedContent": "cachedContents/1"}, "cachedContent", "from the prompts"),
    ],
)
def test_what_would_change_question_limit_model_or_bill_is_refused(
    api: str, extra: dict[str, Any], steps: str, words: str
) -> None:
    ((found, problem),) = unsendable_extra(api, extra)
    assert ".".join(map(str, found)) == steps
    assert words in str(problem)


@pytest.mark.parametrize(
    ("api", "extra"),
    [
        ("openai-chat", {"top_k": 20, "min_p": 0.05, "repetition_penalty": 1.1}),
        ("openai-chat", {"chat_template_kwargs": {"enable_thinking": False, "n": 1}}),
        ("openai-chat", {"guided_choice": ["True", "False", "no"]}),
        ("openai-chat", {"reasoning": {"effort": "low"}, "provider": {"order": ["a"]}}),
        ("embedded", {"top_k": 1, "cache_prompt": False}),
        ("anthropic-messages", {"top_k": 5, "thinking": {"type": "disabled"}}),
        ("anthropic-messages", {"output_config": {"effort": "low"}}),
        ("gemini", {"generationConfig": {"topK": 5, "thinkingConfig": {"thinkingBudget": 0}}}),
        ("gemini", {"safetySettings": [{"category": "C", "threshold": "OFF"}]}),
    ],
)
def test_what_hosts_offer_is_sent(api: str, extra: dict[str, Any]) -> None:
    assert list(unsendable_extra(api, extra)) == []
    assert is_within(extra, body(api, extra))


def test_a_member_of_an_object_that_we_send_too_joins_it() -> None:
    sent = body("gemini", {"generationConfig": {"topK": 5}})
    assert sent["generationConfig"] == {"temperature": 0.5, "maxOutputTokens": 10, "topK": 5}


def test_the_upper_bound_of_tokens_counts_what_a_template_may_add() -> None:
    plain, more = asking(None), asking({"documents": [{"text": "wört " * 50}]})
    assert estimated_tokens(more) == estimated_tokens(plain)
    assert most_tokens(more).prompt >= most_tokens(plain).prompt + 50 * len("wört ".encode())
