from __future__ import annotations

import json
from pathlib import Path

import pytest

from schemas.errors import InputError
from schemas.files import Document, check, unstructure
from tests.corpus_builder import (
    LLAMA_CLASS,
    make_record,
    make_rejected,
    publish_rows,
    publish_typical,
    typical_rows,
)
from transforms.auditing.explain import Explanation, explain


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    publish_typical(folder)
    return folder


def told(story: Explanation) -> str:
    parts = [part for section in story.sections for part in (*section.facts, *section.texts)]
    return "\n".join(f"{name}: {value}" for name, value in parts)


def all_ids() -> list[str]:
    records, rejected = typical_rows()
    ids = [record.record_id for record in records] + [row.record_id for row in rejected]
    return sorted(filter(None, ids))


def test_an_accepted_record_tells_its_whole_story(corpus: Path) -> None:
    record = make_record(4, llama=True)
    story = explain(corpus, record.record_id)
    assert story.outcome == "accepted"
    assert story.file.startswith(f"data/{LLAMA_CLASS}/train-")
    for part in (
        "user: What is 4 and 4?",
        "assistant: 4 and 4 is 8.",
        "route: our-vllm/llama",
        "response model: llama-3.1-8b",
        "license: MIT",
        "file: data/sums.jsonl",
        'parameters: {"max_tokens":200,"temperature":0.7}',
        "sent: 2026-11-18T11:06:40.004+00:00",
        "use: train_generative",
        "llama/license 3.1: permitted_if (weights_licence)",
        "name_prefix, at release: Llama (llama/license)",
        "length 1: short: 8 tokens (tag)",
        "collected run: run-1",
    ):
        assert part in told(story)


def test_a_record_that_owes_nothing_says_so(corpus: Path) -> None:
    assert "the terms require nothing" in told(explain(corpus, make_record(1).record_id))


def test_a_surviving_record_names_the_duplicates_it_stands_for(corpus: Path) -> None:
    story = told(explain(corpus, make_record(0).record_id))
    assert f"kept for: {make_rejected(108).record_id}" in story
    assert f"kept for: {make_rejected(109).record_id}" in story


@pytest.mark.parametrize(
    ("number", "outcome", "parts"),
    [
        (100, "rejected", ["repetition (at filter)", "assistant: and and and", "(drop)"]),
        (108, "duplicate", [f"duplicate of: {make_record(0).record_id}", "similarity: 1.000"]),
        (110, "failed", ["http_500 (at ask)"]),
    ],
)
def test_a_record_that_was_not_accepted_tells_why(
    corpus: Path, number: int, outcome: str, parts: list[str]
) -> None:
    story = explain(corpus, make_rejected(number).record_id)
    assert story.outcome == outcome
    assert story.file.startswith("rejected/rejected-")
    assert all(part in told(story) for part in parts)


def test_a_story_is_plain_data_with_the_record_as_its_schema_says(corpus: Path) -> None:
    record = make_record(4, llama=True)
    story = json.loads(json.dumps(unstructure(explain(corpus, record.record_id))))
    check(Document(story["record"], {}, "record"), "record")
    assert story["record"] == json.loads(json.dumps(unstructure(record)))


def test_every_record_is_found_by_the_beginning_of_its_id(corpus: Path) -> None:
    for record_id in all_ids():
        assert explain(corpus, record_id[:10]).record_id == record_id


def test_a_beginning_that_fits_several_records_names_some(corpus: Path) -> None:
    with pytest.raises(InputError) as refused:
        explain(corpus, "a")
    (problem,) = refused.value.problems
    assert "9 records have an id that begins" in problem.what
    assert problem.found.startswith("a0ea860b")
    assert problem.found.endswith("and 6 more")


def test_an_unknown_id_names_its_neighbours(corpus: Path) -> None:
    ids = all_ids()
    with pytest.raises(InputError) as refused:
        explain(corpus, ids[30][:-1] + "x")
    assert f"the nearest are {ids[30]} and {ids[31]}" in str(refused.value)


def test_an_older_version_is_explained_by_its_name(tmp_path: Path) -> None:
    old = publish_rows(tmp_path, [make_record(1)])
    publish_rows(tmp_path, [make_record(2)])
    assert explain(tmp_path, make_record(1).record_id, old.version).version == old.version
