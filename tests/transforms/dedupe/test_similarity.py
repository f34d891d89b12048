"""Exact comparison of candidates."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.index import Unit
from schemas.inputs.quality import NearDedupe
from schemas.records import Record
from transforms.dedupe.candidates import PAIR
from transforms.dedupe.keys import Shingles
from transforms.dedupe.rows import references
from transforms.dedupe.similarity import compare_pairs, similarity
from transforms.dedupe.sketch import sketch_bucket
from transforms.dedupe.sources import Sources

SETS = st.sets(st.integers(0, 40), min_size=1)


def _shingles(values: set[int], shared: int = 0) -> Shingles:
    return Shingles(np.array(sorted(values), np.uint64), shared)


@given(SETS, SETS)
def test_the_similarity_is_that_of_jaccard(one: set[int], other: set[int]) -> None:
    expected = len(one & other) / len(one | other)
    assert similarity(_shingles(one), _shingles(other), same_prompt=False) == expected


@given(SETS, SETS, SETS)
def test_shingles_of_a_shared_prompt_do_not_count(
    one: set[int], other: set[int], prompt: set[int]
) -> None:
    asked = {value + 100 for value in prompt}
    answer, second = (_shingles(own | asked, shared=len(asked)) for own in (one, other))
    expected = len(one & other) / len(one | other)
    assert similarity(answer, second, same_prompt=True) == expected
    assert similarity(answer, second, same_prompt=False) >= expected


def test_two_answers_that_are_compared_by_their_one_prompt_are_not_similar() -> None:
    prompt = _shingles({1, 2, 3}, shared=3)
    assert similarity(prompt, prompt, same_prompt=True) == 0.0


def _edges(
    folder: Path, records: dict[int, list[Record]], unit: Unit = "completion"
) -> list[float]:
    """Compares every record with every other."""
    for bucket, found in records.items():
        sketch_bucket(bucket, found, NearDedupe(threshold=0.8, unit=unit), folder)
    refs = [references(bucket, np.arange(len(found))) for bucket, found in records.items()]
    every = np.sort(np.concatenate(refs))
    pairs = [(one, other) for one in every for other in every if one < other]
    edges: list[float] = compare_pairs(np.array(pairs * 2, PAIR), 0.8, Sources(folder))[
        "similarity"
    ].tolist()
    return edges


@pytest.mark.parametrize("buckets", [1, 2])
def test_the_threshold_itself_is_enough(
    buckets: int, tmp_path: Path, make_record: Callable[..., Record]
) -> None:
    # Of 40 words' 36 runs of five all are in a text of nine words more, which has 45: 36/45.
    words = [f"word{number}" for number in range(40)]
    more = [f"more{number}" for number in range(10)]
    texts = [words, words + more[:9], ["another", *words, *more[::-1]]]
    records = [make_record(number, " ".join(text)) for number, text in enumerate(texts)]
    spread = {bucket: records[bucket::buckets] for bucket in range(buckets)}
    assert _edges(tmp_path, spread) == [0.8]


def test_answers_to_one_prompt_need_a_higher_similarity(
    tmp_path: Path, make_record: Callable[..., Record], writer: Any, jaccard: Callable[..., float]
) -> None:
    words = writer.words(300)
    edited, alike = (writer.edited(words, target, block=True) for target in (0.85, 0.92))
    one, other, close = (" ".join(text) for text in (words, edited, alike))
    same = {"prompt": "a question"}
    one_prompt = [make_record(1, one, **same), make_record(2, other, **same)]
    two_prompts = [make_record(1, one), make_record(2, other)]
    closer = [make_record(1, one, **same), make_record(2, close, **same)]
    assert _edges(tmp_path / "one", {0: one_prompt}) == []
    assert _edges(tmp_path / "two", {0: two_prompts}) == [jaccard(words, edited)]
    assert _edges(tmp_path / "closer", {0: closer}) == [jaccard(words, alike)]


@pytest.mark.parametrize("unit", ["prompt", "pair"])
def test_different_answers_to_one_long_prompt_are_not_similar(
    unit: Unit, tmp_path: Path, make_record: Callable[..., Record], writer: Any
) -> None:
    prompt = " ".join(writer.words(400))
    answers = [" ".join(writer.words(30)) for _ in range(3)]
    records = [make_record(text, text, prompt=prompt) for text in answers]
    assert _edges(tmp_path, {0: records}, unit) == []


@pytest.mark.parametrize(("unit", "found"), [("prompt", 1), ("pair", 1), ("completion", 0)])
def test_records_of_two_similar_prompts(
    unit: Unit, found: int, tmp_path: Path, make_record: Callable[..., Record], writer: Any
) -> None:
    words = writer.words(400)
    prompts = [words, writer.edited(words, 0.95, block=False)]
    records = [
        make_record(number, " ".join(writer.words(30)), prompt=" ".join(prompt))
        for number, prompt in enumerate(prompts)
    ]
    assert len(_edges(tmp_path, {0: records}, unit)) == found
