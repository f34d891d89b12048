"""Identity: the same question has the same id, and any other question another."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.buckets import (
    MAX_BUCKET_BITS,
    REQUESTS_PER_BUCKET,
    Slice,
    bucket_bits,
    bucket_of,
    slices_of,
)
from schemas.errors import InputError
from schemas.inputs.run import TeacherChoice
from schemas.prompts import Message, Prompt, prompt_id
from schemas.requests import Request, make_request

TURNS = (Message("user", "What is a still?"),)
PROMPT = Prompt(
    prompt_id=prompt_id(TURNS),
    messages=TURNS,
    source="here",
    license="MIT",
    file="p.jsonl",
    line=1,
    sha256="0" * 64,
)
QUESTION: dict[str, Any] = {
    "teacher": "a/b",
    "model": "m",
    "revision": "r1",
    "system": "Be brief.",
    "parameters": {"temperature": 1, "max_tokens": 10, "seed": 7},
    "sample_index": 0,
}


def _ask(**changes: Any) -> Request:
    return make_request(PROMPT, **QUESTION | changes)


def test_the_order_of_parameters_and_the_form_of_a_number_do_not_matter() -> None:
    same = {"seed": 7, "max_tokens": 10.0, "temperature": 1.0}
    assert _ask(parameters=same).request_id == _ask().request_id


@pytest.mark.parametrize(
    "changes",
    [
        {"teacher": "a/c"},
        {"model": "n"},
        {"revision": "r2"},
        {"system": ""},
        {"parameters": {"temperature": 1, "max_tokens": 10, "seed": 8}},
        {"sample_index": 1},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_whatever_changes_the_question_changes_its_id(changes: dict[str, Any]) -> None:
    assert _ask(**changes).request_id != _ask().request_id


def test_a_question_keeps_its_id_from_version_to_version() -> None:
    assert _ask().request_id == "be2e5577157cb94270c09df259d1560e2ea544afe6949a399d47eb6fe2865ef6"


def test_tools_are_part_of_the_question() -> None:
    def offering(name: str, **rest: Any) -> str:
        tools = [{"type": "function", "function": {"name": name}}]
        return _ask(parameters=QUESTION["parameters"] | {"tools": tools} | rest).request_id

    ids = {_ask().request_id, offering("a"), offering("b"), offering("a", tool_choice="required")}
    assert len(ids) == 4


def test_extra_is_part_of_the_question_and_none_leaves_the_id_as_it_was() -> None:
    def teacher(**extra: Any) -> Mapping[str, Any]:
        return TeacherChoice(id="a/b", parameters=QUESTION["parameters"], extra=extra).settings

    assert _ask(parameters=teacher()) == _ask()
    ids = {_ask(parameters=teacher(**extra)).request_id for extra in ({}, {"k": 1}, {"k": 2})}
    assert len(ids) == 3


def test_each_sample_gets_a_seed_of_its_own() -> None:
    seeds = [json.loads(_ask(sample_index=i).parameters)["seed"] for i in range(3)]
    assert seeds == [7, 8, 9]


def test_the_system_prompt_is_sent_first_and_is_no_part_of_the_prompts_id() -> None:
    request = _ask()
    assert request.messages == (Message("system", "Be brief."), *TURNS)
    assert request.prompt.prompt_id == _ask(system="").prompt.prompt_id


def test_a_seed_that_json_numbers_do_not_hold_is_an_input_error() -> None:
    with pytest.raises(InputError, match=r"parameters\.seed: .*found 9007199254740993"):
        _ask(parameters={"seed": 2**53 - 1}, sample_index=2)


@given(st.integers(0, 10**9))
def test_buckets_are_no_larger_than_need_be(requests: int) -> None:
    bits = bucket_bits(requests)
    assert bits == MAX_BUCKET_BITS or requests <= REQUESTS_PER_BUCKET << bits
    assert bits == 0 or requests > REQUESTS_PER_BUCKET << (bits - 1)


@given(st.binary(min_size=32, max_size=32), st.integers(1, 16))
def test_each_id_is_in_exactly_one_slice_and_one_bucket(raw: bytes, count: int) -> None:
    request_id = raw.hex()
    holders = [index for index in range(count) if Slice(index=index, count=count).holds(request_id)]
    assert len(holders) == 1
    assert request_id[0] in Slice(index=holders[0], count=count).digits()
    for bits in range(MAX_BUCKET_BITS + 1):
        assert holders[0] in slices_of(bucket_of(request_id, bits), bits, count)
        assert bucket_of(request_id, bits) == int(request_id, 16) >> (256 - bits)
