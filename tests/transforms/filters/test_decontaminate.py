"""Evaluation items are found in a record by the published rules, whole or in part."""

from __future__ import annotations

import pickle
import random

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from schemas.prompts import Message
from transforms.filters.decontaminate import (
    COMMON_ITEMS,
    EvaluationIndex,
    EvaluationItem,
    build_index,
)
from transforms.filters.rules import Candidate, Finding
from transforms.text import tokens

ITEM = (
    "A baker bakes forty loaves before sunrise and sells a quarter of them to the inn, half of the "
    "rest to the school, and gives three away. How many loaves does she still have at noon?"
)
OTHER = "Nine boats leave the harbour at dawn; four come back by dusk. How many are still at sea?"
SHORT = "What is the square root of two hundred and fifty-six?"
TINY = "Name three rivers."
WORDS = ITEM.split()


def _index(*texts: str) -> EvaluationIndex:
    return build_index(EvaluationItem("quiz.jsonl", n, text) for n, text in enumerate(texts, 1))


def _check(index: EvaluationIndex, prompt: str = "", completion: str = "") -> Finding | None:
    return index.check(Candidate((Message("user", prompt),), completion))


INDEX = _index(OTHER, ITEM, SHORT, TINY)


@pytest.mark.parametrize(
    ("text", "item"),
    [
        pytest.param(ITEM, 2, id="as-it-is"),
        pytest.param(f"Solve this step by step.\n\n{ITEM}\n\nThink first.", 2, id="inside"),
        pytest.param(ITEM.upper().replace(" ", "\n"), 2, id="other-case-and-blanks"),
        pytest.param(ITEM.replace("quarter", "qu\u00adarter"), 2, id="invisible-character"),
        pytest.param(" ".join(WORDS[:18]), 2, id="half-of-it"),
        pytest.param(f"No. {' '.join(WORDS[:9])}; {' '.join(WORDS[14:23])}.", 2, id="two-pieces"),
        pytest.param(" ".join(WORDS[5:17]) + " to", 2, id="thirteen-in-a-row"),
        pytest.param(" ".join(WORDS[5:14]), None, id="nine-in-a-row"),
        pytest.param(" ".join(reversed(WORDS)), None, id="the-same-words-backwards"),
        pytest.param(ITEM.replace(" ", " so ").replace(",", ""), None, id="no-8-gram"),
        pytest.param(f"Well: {SHORT} Tell me.", 3, id="short-item-whole"),
        pytest.param(SHORT.removesuffix("-six?") + ".", None, id="short-item-in-part"),
        pytest.param("Name  three rivers.", 4, id="tiny-item-alone"),
        pytest.param(f"{TINY} And two lakes.", None, id="tiny-item-inside"),
        pytest.param("", None, id="empty"),
        pytest.param(
            "Something else altogether, said in plain words of its own.", None, id="clean"
        ),
    ],
)
@pytest.mark.parametrize("part", ["message 1", "completion"])
def test_an_item_is_found_in_prompt_and_completion(text: str, item: int | None, part: str) -> None:
    prompt, completion = (text, "Twelve.") if part == "message 1" else ("Go on.", text)
    found = _check(INDEX, prompt, completion)
    if item is None:
        assert found is None
    else:
        assert found is not None
        assert found.span is not None
        assert f"of item {item} of quiz.jsonl" in found.detail
        assert found.span.part == part


def test_an_item_in_the_reasoning_is_found() -> None:
    found = INDEX.check(Candidate((), "12", reasoning=f"The task says: {ITEM}"))
    assert found is not None
    assert found.span is not None
    assert found.span.part == "reasoning"


@pytest.mark.parametrize(
    ("before", "item", "after"),
    [
        ("Solve this: ", ITEM, " Thanks!"),
        ("请解答：", "小明每天早上在公园里跑五公里然后去学校上课", "谢谢"),
    ],
)
def test_the_span_covers_the_item(before: str, item: str, after: str) -> None:
    text = before + item + after
    found = _check(_index(item), text)
    assert found is not None
    assert found.span is not None
    assert text[found.span.start : found.span.end] == item
    assert found.value == 1.0


def test_the_most_covered_item_is_reported() -> None:
    found = _check(INDEX, f"{' '.join(WORDS[:20])} {OTHER}")
    assert found is not None
    assert (found.value, found.detail) == (1.0, "holds 100% of item 1 of quiz.jsonl")


def test_sets_keep_their_names_and_numbers() -> None:
    index = build_index([EvaluationItem("a", 7, OTHER), EvaluationItem("b", 9, ITEM)])
    found = _check(index, ITEM)
    assert found is not None
    assert "item 9 of b" in found.detail


def test_an_item_listed_twice_is_reported_as_the_first() -> None:
    found = _check(_index(ITEM, OTHER, ITEM), ITEM)
    assert found is not None
    assert "item 1 of" in found.detail


def test_an_index_of_nothing_finds_nothing() -> None:
    assert _check(_index(), ITEM, ITEM) is None
    assert _check(_index("", " \n"), "", " ") is None


def test_wording_shared_by_very_many_items_matches_none() -> None:
    frame = "Read the following passage with care and then answer the question that comes after it"
    passages = [
        f"{frame} {' '.join(f'w{n}x{m}' for m in range(20))}" for n in range(COMMON_ITEMS + 1)
    ]
    index = _index(*passages)
    assert _check(index, frame) is None
    found = _check(index, passages[40])
    assert found is not None
    assert "item 41 of" in found.detail
    assert _check(_index(*passages[:5]), frame) is not None


def test_the_same_items_give_the_same_index_and_it_survives_pickling() -> None:
    one, other = pickle.dumps(_index(ITEM, OTHER)), pickle.dumps(_index(ITEM, OTHER))
    assert one == other
    assert _check(pickle.loads(one), ITEM) == _check(_index(ITEM, OTHER), ITEM)  # noqa: S301 - our own


def test_an_8_gram_takes_8_bytes() -> None:
    draw = random.Random(5)
    texts = [" ".join(f"w{draw.randrange(10**6)}" for _ in range(60)) for _ in range(5_000)]
    index = _index(*texts)
    size = sum(value.nbytes for value in _arrays(index))
    assert index.keys.size == 5_000 * 53
    assert size <= 5_000 * (53 * 8 + 32)
    assert all(_check(index, text) for text in texts[::500])


def _arrays(index: EvaluationIndex) -> list[np.ndarray[tuple[int, ...], np.dtype[np.generic]]]:
    values = [getattr(index, name) for name in index.__dataclass_fields__]
    return [value for value in values if isinstance(value, np.ndarray)]


def _holds(text: list[str], item: list[str]) -> bool:
    """The rule, word by word as it is written down."""
    if not item or text == item:
        return bool(item)
    runs = {
        n: {tuple(text[i : i + n]) for i in range(len(text) - n + 1)} for n in (8, 13, len(item))
    }
    if len(item) < 8:
        return False
    if len(item) < 20:
        return tuple(item) in runs[len(item)]
    covered: set[int] = set()
    for start in range(len(item) - 7):
        if tuple(item[start : start + 8]) in runs[8]:
            covered.update(range(start, start + 8))
    long_runs = (tuple(item[start : start + 13]) for start in range(len(item) - 12))
    return len(covered) * 2 >= len(item) or any(run in runs[13] for run in long_runs)


LETTERS = st.text("ab", max_size=45)


@settings(max_examples=400)
@given(text=LETTERS, items=st.lists(LETTERS, max_size=6))
@example(text="ab" * 10, items=["ab" * 10, "b" + "ab" * 9])
@example(text="a" * 12 + "b" + "a" * 8, items=["a" * 20, "a" * 26])
def test_the_index_finds_what_the_rule_says(text: str, items: list[str]) -> None:
    spaced = [" ".join(item) for item in items]
    found = _check(_index(*spaced), " ".join(text))
    expected = any(_holds(list(text), tokens(item)) for item in spaced)
    assert (found is not None) == expected
