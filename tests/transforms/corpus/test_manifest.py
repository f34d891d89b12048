"""A manifest counts requests and costs, names shards, and lists the duties that are still due."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from schemas.errors import StillroomError
from schemas.terms import Duty
from tests.corpus_builder import (
    NOTICE,
    PREFIX,
    make_build,
    make_record,
    publish_rows,
    publish_typical,
    stage,
    typical_rows,
)
from transforms.corpus.manifest import make_funnel, make_spend
from transforms.corpus.publish import publish
from transforms.corpus.shards import BucketShards


def test_shards_are_numbered_within_class_and_split_in_the_order_of_buckets(tmp_path: Path) -> None:
    records, _ = typical_rows()
    shards = stage(tmp_path / ".work", records, [], buckets=4)
    manifest = publish(reversed(shards), tmp_path, make_build(len(records)))
    names = [shard.path for shard in manifest.shards if shard.path.startswith("data/none/train")]
    stems = [name.rpartition("-")[0] for name in names]
    assert stems == [f"data/none/train-0000{number}-of-00004" for number in range(4)]
    ids = [
        record_id
        for name in names
        for record_id in pq.read_table(tmp_path / manifest.version / name)["record_id"].to_pylist()
    ]
    assert ids == sorted(ids)


def test_a_run_that_does_not_balance_publishes_nothing(tmp_path: Path) -> None:
    old = publish_rows(tmp_path, [make_record(1)])
    with pytest.raises(StillroomError, match="3 requests, but 2 ended"):
        publish_rows(tmp_path, [make_record(1), make_record(2)], build=make_build(3))
    published = {path.name for path in tmp_path.iterdir() if not path.name.startswith(".")}
    assert published == {old.version, "LATEST.json"}


def test_the_manifest_sums_up_what_was_spent(tmp_path: Path) -> None:
    spend = publish_typical(tmp_path).spend
    assert dataclasses.astuple(spend) == pytest.approx(
        (0.0071, 0.006, 0.0008, 0, 0.0002, 0.0001, 0, 720, 432, 132, 33, 0)
    )


def test_pending_duties_are_those_of_the_records(tmp_path: Path) -> None:
    assert publish_typical(tmp_path / "typical").pending_duties == (NOTICE, PREFIX)
    assert publish_rows(tmp_path / "free", [make_record(1)]).pending_duties == ()


def test_shards_are_listed_by_path(tmp_path: Path) -> None:
    record = make_record(1)
    provenance = dataclasses.replace(record.provenance, obligation_class="none+more")
    records = [dataclasses.replace(record, provenance=provenance), make_record(2)]
    paths = [shard.path for shard in publish_rows(tmp_path, records).shards]
    assert [path.split("/")[1] for path in paths] == ["none+more", "none"]  # "+" is before "/"
    assert paths == sorted(paths)


def test_a_duty_that_was_due_at_collection_is_not_pending(tmp_path: Path) -> None:
    record = make_record(4, llama=True)
    due = Duty(kind="notice", text="Show it.", due="collection", document="llama/license")
    provenance = dataclasses.replace(record.provenance, duties=(due, NOTICE))
    manifest = publish_rows(tmp_path, [dataclasses.replace(record, provenance=provenance)])
    assert manifest.pending_duties == (NOTICE,)


def test_the_funnel_and_costs_of_buckets_are_added_up() -> None:
    buckets = [
        BucketShards(
            bucket=number,
            counts={"rejected": {"b": 2, "a": 1}, "duplicate": {"exact_duplicate": 3}},
            picodollars={"accepted": 1, "truncated": 10**12},
            rejected_prompt_tokens=4,
        )
        for number in range(3)
    ]
    build = dataclasses.replace(make_build(21, pending=2), usd_judge=0.5, usd_uncertain=0.25)
    funnel, spend = make_funnel(iter(buckets), build), make_spend(iter(buckets), build)
    assert list(funnel.rejected.items()) == [("a", 3), ("b", 6)]
    assert (funnel.requests, funnel.pending, funnel.duplicates) == (21, 2, 9)
    assert not funnel.balances
    assert (spend.usd_accepted, spend.usd_truncated) == (3e-12, 3.0)
    assert (spend.usd, spend.usd_judge, spend.usd_uncertain) == (3.500000000003, 0.5, 0.25)
    assert (spend.rejected_prompt_tokens, spend.prompt_tokens) == (12, 0)
