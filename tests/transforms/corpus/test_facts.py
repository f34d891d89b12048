"""Records are counted by their provenance."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from schemas.arrow import RECORDS, table
from schemas.terms import Duty
from tests.corpus_builder import (
    NOTICE,
    PREFIX,
    make_pair,
    make_record,
    publish_rows,
    publish_typical,
)
from tests.transforms.auditing.damage import JUDGED
from transforms.corpus.facts import (
    Facts,
    OtherModel,
    column,
    combinations,
    gather_facts,
    generators_of,
    read_generators,
)
from transforms.corpus.read import open_corpus


def facts(folder: Path) -> Facts:
    corpus = open_corpus(folder)
    return gather_facts(corpus.path(shard) for shard in corpus.shards("records"))


def test_records_are_counted_by_what_their_provenance_holds(tmp_path: Path) -> None:
    publish_typical(tmp_path)
    found = facts(tmp_path)
    assert found.records == 60
    assert found.partitions["none", "validation"] == 6
    assert {teacher.route: count for teacher, count in found.teachers.items()} == {
        "our-vllm/qwen": 45,
        "our-vllm/llama": 15,
    }
    assert {terms.document: count for terms, count in found.terms.items()} == {
        "apache/license": 45,
        "llama/license": 15,
        "MIT": 60,
    }
    assert {duty.kind: count for duty, count in found.duties.items()} == {
        "name_prefix": 15,
        "notice": 15,
    }


def test_a_judge_is_another_model_that_touched_a_record(tmp_path: Path) -> None:
    publish_rows(tmp_path, [JUDGED, make_record(2)])
    found = facts(tmp_path)
    judge = OtherModel(role="judge", route="our-vllm/llama", model="llama-3.1-8b")
    assert found.others == {judge: 1}
    assert {teacher.route: count for teacher, count in found.teachers.items()} == {
        "our-vllm/qwen": 2
    }
    assert found.duties == {PREFIX: 1, NOTICE: 1}


def test_rejected_sides_of_pairs_are_counted_apart(tmp_path: Path) -> None:
    better = make_record(1)
    worse = replace(make_record(4, llama=True), prompt_id=better.prompt_id)
    publish_rows(tmp_path, [better], pairs=[make_pair(better, worse)])
    corpus = open_corpus(tmp_path)
    paths = [[corpus.path(s) for s in corpus.shards(kind)] for kind in ("records", "preferences")]
    found = gather_facts(*paths)
    assert (found.records, found.duties) == (1, {})
    assert found.rejected_sides is not None
    assert (found.rejected_sides.records, set(found.rejected_sides.duties)) == (1, {PREFIX, NOTICE})
    assert found.owed() == [NOTICE, PREFIX]


def test_a_corpus_without_pairs_has_no_rejected_sides(tmp_path: Path) -> None:
    publish_rows(tmp_path, [make_record(1)])
    assert facts(tmp_path).rejected_sides is None


def test_duties_are_sorted_by_when_they_are_due() -> None:
    late = Duty(kind="attribution", text="a", due="release", document="a")
    early = Duty(kind="notice", text="z", due="publication", document="z")
    found = Facts()
    found.duties.update([late, early])
    assert found.owed() == [early, late]


def test_the_models_of_a_row_are_read_back_from_their_text() -> None:
    rows = table([JUDGED, make_record(2)], RECORDS)
    texts = generators_of(rows, "role", "route").to_pylist()
    assert [read_generators(text) for text in texts] == [
        [["teacher", "our-vllm/qwen"], ["judge", "our-vllm/llama"]],
        [["teacher", "our-vllm/qwen"]],
    ]
    assert read_generators("") == []


def test_combinations_of_values_are_counted() -> None:
    columns = {"a": pa.chunked_array([["x", "y", "x"]]), "b": pa.chunked_array([[1, 1, 1]])}
    found = sorted(combinations(columns), key=lambda row: row["a"])
    assert found == [{"a": "x", "b": 1, "count": 2}, {"a": "y", "b": 1, "count": 1}]


def test_a_column_of_an_empty_table_is_empty() -> None:
    assert len(column(RECORDS.empty_table(), ("provenance", "prompt", "license"))) == 0
