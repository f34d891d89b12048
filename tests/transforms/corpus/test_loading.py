"""Common readers load a corpus, provenance included, with nothing of ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import datasets
import duckdb
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from schemas.arrow import RECORDS
from tests.corpus_builder import publish_typical, typical_rows


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    return folder / publish_typical(folder).version


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)


def expected() -> dict[str, Any]:
    return {record.record_id: record for record in typical_rows()[0]}


def test_datasets_loads_shards_by_split(version: Path, tmp_path: Path) -> None:
    files = {split: str(version / f"data/*/{split}-*.parquet") for split in ("train", "validation")}
    loaded = datasets.load_dataset("parquet", data_files=files, cache_dir=str(tmp_path))
    assert {split: len(rows) for split, rows in loaded.items()} == {"train": 51, "validation": 9}
    assert_equal(loaded["train"])
    assert_equal(loaded["validation"])


def test_datasets_loads_a_configuration_of_the_card(version: Path, tmp_path: Path) -> None:
    loaded = datasets.load_dataset(str(version), "none", cache_dir=str(tmp_path))
    assert {split: len(rows) for split, rows in loaded.items()} == {"train": 39, "validation": 6}


def assert_equal(rows: Any) -> None:
    for row in rows:
        record = expected()[row["record_id"]]
        provenance = row["provenance"]
        turns = [(turn["role"], turn["content"]) for turn in row["messages"]]
        assert turns == [(turn.role, turn.content) for turn in record.messages]
        assert provenance["teacher"]["route"] == record.provenance.teacher.route
        assert [duty["kind"] for duty in provenance["duties"]] == [
            duty.kind for duty in record.provenance.duties
        ]
        sent_at = provenance["request"]["sent_at"].timestamp() * 1000
        assert round(sent_at) == record.provenance.request.sent_at


def test_pyarrow_dataset_reads_and_filters_by_provenance(version: Path) -> None:
    dataset = ds.dataset(version / "data")
    assert dataset.schema.equals(RECORDS, check_metadata=True)
    route = ds.field("provenance", "teacher", "route")
    found = dataset.to_table(columns=["record_id"], filter=route == "our-vllm/llama")
    ids = {name for name, r in expected().items() if r.provenance.teacher.route == "our-vllm/llama"}
    assert set(found["record_id"].to_pylist()) == ids


def test_duckdb_queries_nested_provenance(version: Path) -> None:
    found = duckdb.execute(
        """
        SELECT provenance.teacher.route, provenance.terms[1].document, count(*),
               sum(provenance.response.usd), max(len(messages)),
               max(provenance.request.sent_at) > TIMESTAMPTZ '2026-11-01'
        FROM read_parquet(?) GROUP BY ALL ORDER BY 1
        """,
        [str(version / "data" / "*" / "*.parquet")],
    ).fetchall()
    assert found == [
        ("our-vllm/llama", "llama/license", 15, pytest.approx(0.0015), 2, True),
        ("our-vllm/qwen", "apache/license", 45, pytest.approx(0.0045), 2, True),
    ]


def test_duckdb_counts_rejected_rows_by_reason(version: Path) -> None:
    found = duckdb.execute(
        "SELECT kind, reason, count(*) FROM read_parquet(?) GROUP BY ALL ORDER BY ALL",
        [str(version / "rejected" / "*.parquet")],
    ).fetchall()
    assert found == [
        ("duplicate", "exact_duplicate", 2),
        ("failed", "http_500", 1),
        ("rejected", "refusal", 2),
        ("rejected", "repetition", 6),
        ("unread", "broken_json", 1),
    ]


def test_messages_have_the_shape_that_chat_trainers_read(version: Path) -> None:
    """A list of role and content, the assistant's last: TRL's conversational form."""
    table = pq.read_table(version / "data", columns=["messages"])
    last = pc.list_element(table["messages"].combine_chunks(), 1)
    assert set(last.field("role").to_pylist()) == {"assistant"}
