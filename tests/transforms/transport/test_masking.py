"""A key that comes back is masked in every form, and what holds it stays readable."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from transforms.transport.masking import MASK, Masker

KEY = 'nv-"Ab/9+x\\Zq~7#secret-_value'
KEYS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=8, max_size=60)


def masker(*keys: str) -> Masker:
    made = Masker()
    for key in keys:
        made.learn({"Authorization": f"Bearer {key}"})
    return made


def escaped(key: str) -> str:
    return "".join(f"\\u{ord(sign):04x}" for sign in key)


def in_base64(key: str, before: str) -> str:
    return base64.b64encode(f"{before}{key}:after".encode()).decode()


FORMS: dict[str, Callable[[str], str]] = {
    "plain": json.dumps,
    "with scheme": lambda key: json.dumps(f"Bearer {key}"),
    "spaces around": lambda key: json.dumps(f" \t{key}\n"),
    "slashes escaped": lambda key: json.dumps(key).replace("/", "\\/"),
    "every sign escaped": lambda key: f'"{escaped(key)}"',
    "capital digits": lambda key: f'"{escaped(key).replace("a", "A")}"',
    "JSON in JSON": lambda key: json.dumps(json.dumps({"key": key})),
    "JSON in JSON in JSON": lambda key: json.dumps(json.dumps(json.dumps(key))),
    "in an address": lambda key: json.dumps(quote(key, safe="")),
    "every sign in per cent": lambda key: json.dumps("".join(f"%{ord(s):02x}" for s in key)),
    "after a line end": lambda key: json.dumps(f"\n{key}"),
    "base64": lambda key: json.dumps(base64.b64encode(key.encode()).decode()),
    "base64 of a header": lambda key: json.dumps(in_base64(key, "Bearer ")),
    "base64 of a login": lambda key: json.dumps(in_base64(key, "ab")),
    "base64 for addresses": lambda key: json.dumps(
        base64.urlsafe_b64encode(f"Bearer {key}".encode()).decode()
    ),
}


TEXTS = st.text(max_size=5)


@settings(max_examples=60)
@given(st.sampled_from(sorted(FORMS)), KEYS, TEXTS, TEXTS)
@example("JSON in JSON", KEY, "", "")
@example("base64 for addresses", KEY, "", "")
def test_no_form_of_a_key_remains_and_the_body_stays_json(
    form: str, key: str, before: str, after: str
) -> None:
    body = f"[{json.dumps(before)}, {FORMS[form](key)}, {json.dumps(after)}]"
    found = json.loads(masker(key).masked_body(body.encode()))
    assert [found[0], found[2]] == [before, after]
    assert MASK in found[1]
    assert key not in found[1].replace(MASK, "")


@settings(max_examples=30)
@given(KEYS, st.text())
def test_what_holds_no_key_is_left_as_it_is(key: str, text: str) -> None:
    body = text.replace("%", "").replace("\\", "").encode()
    short = {key[at : at + 4].encode() for at in range(len(key) - 3)}
    changed = masker(key).masked_body(body) is not body
    assert not changed or any(part in body for part in short)


def test_half_of_an_escape_before_the_key_keeps_its_other_half() -> None:
    body = rb'{"a":"\nv-key-of-mine","b":"\\nv-key-of-mine"}'
    found = json.loads(masker("nv-key-of-mine").masked_body(body))
    assert found == {"a": f"\n{MASK}", "b": f"\\{MASK}"}


def test_old_and_new_tokens_of_all_routes_are_masked() -> None:
    learned = masker("ya29.first-token", "ya29.second-token")
    learned.learn({"x-api-key": "sk-ant-other"})
    body = b"ya29.first-token ya29.second-token sk-ant-other"
    assert learned.masked_body(body) == b" ".join([MASK.encode()] * 3)


@pytest.mark.parametrize("key", ["EMPTY", "none", "test", "ollama", "not-needed"])
def test_words_that_stand_for_no_key_are_not_masked(key: str) -> None:
    body = f"the word {key}".encode()
    assert masker(key).masked_body(body) is body


def test_other_headers_are_no_keys() -> None:
    learned = Masker()
    learned.learn({"Content-Type": "application/json", "anthropic-version": "2023-06-01"})
    assert learned.masked_body(b"application/json") == b"application/json"


def test_headers_are_masked_in_names_and_values() -> None:
    headers = {
        "x-request-id": f"r-{KEY}",
        f"x-ratelimit-{KEY.lower()}": "1",
        "date": "today",
    }
    assert masker(KEY).masked_headers(headers) == {"x-request-id": f"r-{MASK}", "date": "today"}
    clean = {"date": "today"}
    assert masker(KEY).masked_headers(clean) is clean


def test_tokens_that_would_spell_the_key_are_left_out() -> None:
    tokens: list[Any] = [{"token": sign, "logprob": -1.0} for sign in "sk-abcdefgh"]
    choice = {"message": {"content": "sk-abcdefgh"}, "logprobs": {"content": tokens}}
    body = json.dumps({"choices": [choice], "usage": {"total_tokens": 3}}).encode()
    found = json.loads(masker("sk-abcdefgh").masked_body(body))
    assert found["choices"] == [{"message": {"content": MASK}, "logprobs": None}]
    assert found["usage"] == {"total_tokens": 3}


def test_a_body_of_escapes_alone_is_searched_in_little_time() -> None:
    learned = masker(KEY, "\\\\\\\\\\\\\\\\backslashes")
    began = time.perf_counter()
    for body in (b"\\" * 2**20, b"\\u0073" * 2**17, b"%73" * 2**18, KEY.encode() * 2**12):
        learned.masked_body(body)
    assert time.perf_counter() - began < 5
