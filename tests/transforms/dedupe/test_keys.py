"""What records are compared by."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.prompts import Message
from schemas.responses import ToolCall
from transforms.dedupe.keys import (
    MAX_CHARACTERS,
    Shingles,
    answer_text,
    exact_key,
    prompt_key,
    unit_shingles,
)
from transforms.dedupe.similarity import similarity

WORDS = [f"word{number}" for number in range(40)]
TEXT = " ".join(WORDS)


def _ask(text: str) -> list[Message]:
    return [Message("user", text)]


def _key(prompt: str, completion: str) -> bytes:
    return exact_key(prompt_key(_ask(prompt)), completion)


def _shingles(completion: str, prompt: str = "") -> Shingles:
    return unit_shingles(_ask(prompt), completion, "completion")


def _alike(one: str, other: str) -> float:
    return similarity(_shingles(one), _shingles(other), same_prompt=False)


@pytest.mark.parametrize(
    "other",
    ["The Answer", "the answer\n", "ｔｈｅ answer", "the an\u200bswer"],
    ids=["case", "ends", "width", "invisible"],
)
def test_pairs_with_equal_normalised_texts_have_one_key(other: str) -> None:
    assert _key("a question", other) == _key("A question", "the answer")


@pytest.mark.parametrize(
    ("prompt", "completion"),
    [("ab", "c"), ("a", "bd"), ("a", ""), ("", "abc")],
)
def test_pairs_that_differ_have_different_keys(prompt: str, completion: str) -> None:
    assert _key(prompt, completion) != _key("a", "bc")


def test_answers_with_different_tool_calls_have_different_keys() -> None:
    def key(*calls: tuple[str, str, str]) -> bytes:
        made = [ToolCall(id=name, name=tool, arguments=text) for name, tool, text in calls]
        return _key("a", answer_text("", made))

    water, ethanol = ("1", "boil", '{"of":"water"}'), ("1", "boil", '{"of":"ethanol"}')
    assert len({key(), key(water), key(ethanol), key(water, ethanol)}) == 4
    assert key(water) == key(("call-7", *water[1:]))  # its id says nothing


def test_a_key_depends_on_the_roles_of_turns() -> None:
    user, assistant = Message("user", "a"), Message("assistant", "a")
    keys = {prompt_key(turns) for turns in ([user], [assistant], [user, assistant], [])}
    assert len(keys) == 4


def test_a_lone_surrogate_is_a_text_like_another() -> None:
    broken = TEXT + " \ud800"
    assert _key("q", broken) != _key("q", TEXT)
    assert _shingles(broken).values.size == _shingles(TEXT).values.size + 1


def test_operators_count() -> None:
    sums = " ".join(f"x{number} + y{number} ;" for number in range(20))
    assert _key("q", sums) != _key("q", sums.replace("+", "-"))
    assert _alike(sums, sums.replace("+", "-")) == 0.0


def test_composed_and_decomposed_accents_are_one_text() -> None:
    french = "Élève, où es-tu ? Près de la forêt, là où l'été s'achève déjà. " * 3
    assert _alike(french, unicodedata.normalize("NFD", french)) == 1.0


def test_scripts_without_spaces_are_compared_by_characters() -> None:
    text = (
        "我们在这个示例里用一段没有空格的文字来说明相似程度的计算方法因为中文的词与词之间没有空格"
    )
    assert _shingles(text).values.size == len(text) - 4
    assert 0.7 < _alike(text, text.replace("示例", "例子")) < 1.0


def test_fewer_than_20_tokens_have_no_shingles() -> None:
    assert _shingles(" ".join(WORDS[:19])).values.size == 0
    assert _shingles(" ".join(WORDS[:20])).values.size == 16


def test_shingles_of_the_prompt_are_removed_from_the_completion() -> None:
    quote, own = " ".join(WORDS[:20]), " ".join(f"own{number}" for number in range(30))
    shingles = _shingles(f"{quote} {own}", prompt=quote)
    assert shingles.values.size == 50 - 4 - 16
    assert shingles.shared == 0
    assert not np.isin(_shingles(quote).values, shingles.values).any()


def test_shingles_of_the_system_prompt_are_removed_too() -> None:
    prompt = [Message("system", TEXT), *_ask("a question")]
    own = " ".join(f"own{number}" for number in range(40))
    with_system = unit_shingles(prompt, f"{TEXT}\n{own}", "completion")
    assert with_system.values.size == 40


def test_a_completion_that_mostly_quotes_its_prompt_has_no_shingles() -> None:
    prompt = " ".join(f"asked{number}" for number in range(200))
    own = " ".join(f"own{number}" for number in range(30))
    assert _shingles(f"{prompt} {own}", prompt=prompt).values.size == 0
    assert _shingles(f"{prompt} {own}", prompt="other").values.size == 226


def test_the_unit_prompt_compares_prompts_without_the_system_prompt() -> None:
    prompt = [Message("system", "be kind " * 30), *_ask(TEXT)]
    one = unit_shingles(prompt, "an answer", "prompt")
    assert similarity(one, _shingles(TEXT), same_prompt=False) == 1.0
    assert one.shared == one.values.size


def test_the_unit_pair_compares_both() -> None:
    own = " ".join(f"own{number}" for number in range(30))
    pair = unit_shingles(_ask(TEXT), own, "pair")
    assert pair.values.size == 36 + 26
    assert pair.shared == 36
    assert np.all(np.diff(pair.values.astype(object)) > 0)


def test_a_very_long_text_is_compared_by_its_beginning() -> None:
    long = ("la " * MAX_CHARACTERS)[: MAX_CHARACTERS - len(TEXT)] + TEXT
    assert _alike(long, long + " and something else") == 1.0
    assert _key("q", long) != _key("q", long + " and something else")


def test_golden_keys() -> None:
    values = _shingles(TEXT).values
    assert _key("a question", "the answer").hex() == "b2963ddef91ef0d028e763f93f9e3252"
    assert f"{values[0]:016x}" == "131a29088dafafd2"
    assert f"{np.bitwise_xor.reduce(values):016x}" == "58a1915ae5805801"


@given(st.lists(st.sampled_from("abcdefgh"), min_size=20, max_size=60))
def test_there_is_one_shingle_for_each_distinct_run_of_five_tokens(letters: list[str]) -> None:
    runs = {tuple(letters[start : start + 5]) for start in range(len(letters) - 4)}
    values = _shingles(" ".join(letters)).values
    assert values.size == (len(runs) if len(runs) >= 16 else 0)
    assert np.all(values[1:] > values[:-1])
