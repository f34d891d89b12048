"""Texts that read alike are equal, and texts that mean something else are not."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from transforms.text import normalise, tokens, words

ANY_TEXT = st.text(st.characters(exclude_categories=()))  # lone surrogates too
WITH_MARKS = st.text(
    st.sampled_from("aAeİßǰΐᾳıﬁ\u0345\u0301\u0308\u0323\u034f\u200b\u1100\u1160\u1161\u11a8 2²")
)


@given(ANY_TEXT | WITH_MARKS)
@example("İ")
@example("\u03b1\u034f\u0345\u0301")
def test_normalising_twice_changes_nothing(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


def test_every_single_character_is_settled_after_one_pass() -> None:
    unsettled = [
        f"U+{code:04X}"
        for code in range(0x110000)
        if normalise(normalise(chr(code))) != normalise(chr(code))
    ]
    assert unsettled == []


@given(ANY_TEXT | WITH_MARKS)
def test_tokens_are_those_of_the_normalised_text(text: str) -> None:
    assert tokens(normalise(text)) == tokens(text)


@given(ANY_TEXT | WITH_MARKS)
def test_tokens_lose_nothing_but_blanks(text: str) -> None:
    assert "".join(tokens(text)) == "".join(normalise(text).split())


@given(st.text(st.characters(min_codepoint=1, max_codepoint=127)))
def test_plain_ascii_takes_no_other_way_than_the_rest(text: str) -> None:
    assert normalise(text) == unicodedata.normalize("NFKC", text).casefold()
    assert tokens(text) == [token for token in tokens(text + " é") if token][:-1]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("r\u00e9sum\u00e9", "re\u0301sume\u0301", id="composed-and-decomposed"),
        pytest.param("ＡＢＣ１２３", "abc123", id="full-width"),
        pytest.param("zero\u200bwidth so\u00adft", "zerowidth soft", id="invisible-characters"),
        pytest.param("Straße", "STRASSE", id="sharp-s"),
        pytest.param("ﬁne", "fine", id="ligature"),
        pytest.param("ｶﾞｷﾞｸﾞ", "ガギグ", id="half-width-kana"),
        pytest.param("x²", "x2", id="superscript"),
    ],
)
def test_texts_that_read_alike_are_equal(one: str, other: str) -> None:
    assert normalise(one) == normalise(other)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("Hello, World!", ["hello", ",", "world", "!"], id="english"),
        pytest.param("a+b != a-b", ["a", "+", "b", "!", "=", "a", "-", "b"], id="operators"),
        pytest.param("snake_case 3.14", ["snake_case", "3", ".", "14"], id="names-and-numbers"),
        pytest.param("这是例子。", ["这", "是", "例", "子", "。"], id="chinese"),
        pytest.param("犬がCatを見た", [*"犬が", "cat", *"を見た"], id="japanese-with-latin"),
        pytest.param("กินข้าว", list("กินข้าว"), id="thai"),
        pytest.param("हिन्दी में है।", ["हिन्दी", "में", "है", "।"], id="vowel-signs-stay-with-their-word"),
        pytest.param("كَتَبَ الولد", ["كَتَبَ", "الولد"], id="arabic-vowels-stay-with-their-word"),
        pytest.param("x́y", ["x́y"], id="accent-without-composed-form"),
        pytest.param(" \t\n\u3000", [], id="blanks"),
    ],
)
def test_a_text_is_cut_into_words_signs_and_characters(text: str, expected: list[str]) -> None:
    assert tokens(text) == expected


def test_other_operators_give_other_tokens() -> None:
    assert tokens("return a + b") != tokens("return a - b")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("Well, well: 42 + x_1!", ["well", "well", "42", "x_1"], id="english"),
        pytest.param("这是，例子。", ["这", "是", "例", "子"], id="chinese"),
        pytest.param("| --- | 👍 |", [], id="signs-alone"),
    ],
)
def test_words_are_the_tokens_that_are_no_signs(text: str, expected: list[str]) -> None:
    assert words(text) == expected
