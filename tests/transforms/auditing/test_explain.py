"""Everything that a corpus holds about one record is explained."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from schemas.files import check, unstructure
from tests.corpus_builder import (
    LLAMA_CLASS,
    make_record,
    make_rejected,
    publish_rows,
    publish_typical,
)
from transforms.auditing.explain import Explanation, explain


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    publish_typical(folder)
    return folder


def text_of(explanation: Explanation) -> str:
    parts = [part for section in explanation.sections for part in (*section.facts, *section.texts)]
    return "\n".join(f"{name}: {value}" for name, value in parts)


def test_an_accepted_record_is_explained_in_full(corpus: Path) -> None:
    record = make_record(4, llama=True)
    explanation = explain(corpus, record.record_id)
    assert explanation.outcome == "accepted"
    assert explanation.file.startswith(f"data/{LLAMA_CLASS}/train-")
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
        assert part in text_of(explanation)


def test_a_record_without_duties_says_so(corpus: Path) -> None:
    assert "the terms require nothing" in text_of(explain(corpus, make_record(1).record_id))


def test_a_kept_record_names_its_duplicates(corpus: Path) -> None:
    explanation = text_of(explain(corpus, make_record(0).record_id))
    assert f"kept for: {make_rejected(108).record_id}" in explanation
    assert f"kept for: {make_rejected(109).record_id}" in explanation


@pytest.mark.parametrize(
    ("number", "outcome", "parts"),
    [
        (100, "rejected", ["repetition (at filter)", "assistant: and and and", "(drop)"]),
        (108, "duplicate", [f"duplicate of: {make_record(0).record_id}", "similarity: 1.000"]),
        (110, "failed", ["http_500 (at ask)"]),
    ],
)
def test_a_record_that_was_not_accepted_is_explained_by_its_reason(
    corpus: Path, number: int, outcome: str, parts: list[str]
) -> None:
    explanation = explain(corpus, make_rejected(number).record_id)
    assert explanation.outcome == outcome
    assert explanation.file.startswith("rejected/rejected-")
    assert all(part in text_of(explanation) for part in parts)


def test_an_explanation_is_plain_data_that_holds_the_record(corpus: Path) -> None:
    record = make_record(4, llama=True)
    explanation = json.loads(json.dumps(unstructure(explain(corpus, record.record_id))))
    check(explanation["record"], "record", "record")
    assert explanation["record"] == json.loads(json.dumps(unstructure(record)))


def test_an_older_version_is_explained_by_its_name(tmp_path: Path) -> None:
    old = publish_rows(tmp_path, [make_record(1)])
    publish_rows(tmp_path, [make_record(2)])
    assert explain(tmp_path, make_record(1).record_id, old.version).version == old.version
