"""Verifying finds every difference between the files of a corpus and its manifest."""

from __future__ import annotations

import json
import random
import shutil
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.arrow import RECORDS
from schemas.canonical import sha256
from schemas.errors import InputError
from schemas.files import structure
from schemas.manifest import Manifest, Shard
from tests.corpus_builder import (
    make_build,
    make_record,
    make_rejected,
)
from tests.transforms.auditing.damage import (
    GOOD,
    files_of,
    first_shard,
    rewrite_manifest,
    text_of,
    version_folder,
)
from transforms.auditing.verify import FileProblem, verify
from transforms.corpus.publish import publish
from transforms.corpus.shards import write_bucket


def test_a_published_corpus_verifies(published: Path) -> None:
    found = verify(published)
    assert (found.ok, found.records, found.shards, found.problems) == (True, 60, 10, ())
    assert found.version == version_folder(published).name


def test_a_folder_without_a_corpus_is_wrong_input(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        verify(tmp_path)


@settings(max_examples=25)
@given(data=st.data())
def test_one_changed_byte_of_any_file_is_found_and_named(published: Path, data: Any) -> None:
    folder = version_folder(published)
    shards = sorted(folder.rglob("*.parquet"))
    path = data.draw(st.sampled_from([*shards, folder / "manifest.json"]))
    before = path.read_bytes()
    place = data.draw(st.integers(0, len(before) - 1))
    changed = bytearray(before)
    changed[place] ^= data.draw(st.integers(1, 255))
    path.unlink()  # the staged file is the same one by another name
    path.write_bytes(changed)
    try:
        found = verify(published)
    finally:
        path.write_bytes(before)
    assert not found.ok
    assert files_of(found.problems) == {str(path.relative_to(folder))}


def test_a_missing_shard_is_named(corpus: Path) -> None:
    path = first_shard(corpus)
    path.unlink()
    assert (
        FileProblem(str(path.relative_to(version_folder(corpus))), "is missing")
        in verify(corpus).problems
    )


def test_a_file_that_is_not_listed_is_named(corpus: Path) -> None:
    stray = version_folder(corpus) / "data" / "none" / "train-00009.parquet"
    shutil.copy(first_shard(corpus), stray)
    assert files_of(verify(corpus).problems) == {"data/none/train-00009.parquet"}


def test_a_truncated_shard_is_named(corpus: Path) -> None:
    path = first_shard(corpus)
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data[:-1])
    assert "bytes, in the manifest" in text_of(verify(corpus).problems)


def test_a_missing_manifest_is_a_problem_of_the_corpus(corpus: Path) -> None:
    (version_folder(corpus) / "manifest.json").unlink()
    found = verify(corpus)
    assert (found.ok, files_of(found.problems)) == (False, {"manifest.json"})


def test_a_manifest_with_all_its_digests_right_verifies(corpus: Path) -> None:
    assert verify(rewrite_manifest(corpus, lambda data: data.update(unapproved="allow"))).ok


@pytest.mark.parametrize(
    ("field", "value", "what"),
    [
        pytest.param("accepted", 61, "does not balance", id="balance"),
        pytest.param("rejected", {"repetition": 5, "refusal": 3}, "rejected", id="reasons"),
        pytest.param("failed", {"timeout": 1}, "failed", id="failures"),
        pytest.param("unread", {}, "unread", id="unread"),
        pytest.param("duplicates", 3, "counts 3 duplicates, the files hold 2", id="duplicates"),
    ],
)
def test_a_funnel_that_differs_from_the_files_is_found(
    corpus: Path, field: str, value: object, what: str
) -> None:
    rewrite_manifest(corpus, lambda data: data["funnel"].update({field: value}))
    found = verify(corpus)
    assert files_of(found.problems) == {"manifest.json"}
    assert what in text_of(found.problems)


def test_a_version_in_the_folder_of_another_version_is_found(corpus: Path) -> None:
    renamed = version_folder(corpus).rename(corpus / "0123456789abcdef")
    assert "is in folder 0123456789abcdef" in text_of(verify(renamed).problems)


def test_a_copy_of_a_version_verifies_in_a_folder_of_any_name(corpus: Path) -> None:
    assert verify(version_folder(corpus).rename(corpus / "copy")).ok


def test_a_manifest_with_another_version_than_its_content_is_found(corpus: Path) -> None:
    folder = version_folder(corpus)
    data = json.loads((folder / "manifest.json").read_text())
    data["purpose"]["use"] = "evaluate"
    (folder / "manifest.json").write_text(json.dumps(data))
    assert "the digest of its content is" in text_of(verify(folder).problems)


def test_a_record_in_two_shards_is_found(tmp_path: Path) -> None:
    buckets = [write_bucket([GOOD], [], tmp_path / "a", 0)]
    buckets += [write_bucket([replace(GOOD, split="validation")], [], tmp_path / "b", 1)]
    publish(buckets, tmp_path, make_build(2))
    assert f"record {GOOD.record_id} is in data/none/train-" in text_of(verify(tmp_path).problems)


def test_a_request_both_accepted_and_rejected_is_found(tmp_path: Path) -> None:
    buckets = [write_bucket([GOOD], [], tmp_path / "a", 0)]
    buckets += [write_bucket([], [make_rejected(1)], tmp_path / "b", 1)]
    publish(buckets, tmp_path, make_build(2))
    assert files_of(verify(tmp_path).problems) & {
        shard.path for shard in open_shards(tmp_path, "rejected")
    }


def test_shards_out_of_order_are_found(tmp_path: Path) -> None:
    low, high = sorted((make_record(1), make_record(2)), key=lambda record: record.record_id)
    buckets = [write_bucket([high], [], tmp_path, 0), write_bucket([low], [], tmp_path, 1)]
    publish(buckets, tmp_path, make_build(2))
    assert f"record {low.record_id} is out of order" in text_of(verify(tmp_path).problems)


def open_shards(corpus: Path, kind: str) -> list[Shard]:
    data = json.loads((version_folder(corpus) / "manifest.json").read_text())
    return [shard for shard in structure(data, Manifest).shards if shard.kind == kind]


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param(RECORDS.with_metadata(None), id="no version"),
        pytest.param(RECORDS.append(pa.field("note", pa.string())), id="a column more"),
    ],
)
def test_a_shard_of_another_schema_is_found(corpus: Path, schema: pa.Schema) -> None:
    path = first_shard(corpus)
    table = pq.read_table(path)
    for field in list(schema)[len(RECORDS) :]:
        table = table.append_column(field, pa.nulls(len(table), field.type))
    path.unlink()
    pq.write_table(table.cast(schema), path)
    data = path.read_bytes()

    def follow(manifest: dict[str, Any]) -> None:
        for shard in manifest["shards"]:
            if shard["path"].endswith(path.name):
                shard.update(sha256=sha256(data), bytes=len(data))

    found = verify(rewrite_manifest(corpus, follow))
    assert "its schema is not stillroom's schema version 1" in text_of(found.problems)


def test_memory_does_not_grow_with_the_corpus(tmp_path: Path) -> None:
    """Python's own memory; what Arrow holds is one row group of at most 4,096 records."""

    def peak(records: int) -> int:
        folder = tmp_path / str(records)
        rows = [make_record(number) for number in range(records)]
        publish([write_bucket(rows, [], folder / ".work", 0)], folder, make_build(records))
        tracemalloc.start()
        assert verify(folder).ok
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    assert peak(15_000) < 1.5 * peak(5_000)  # both hold a whole row group


def test_random_garbage_in_place_of_a_shard_is_named(corpus: Path) -> None:
    path = first_shard(corpus)
    size = path.stat().st_size
    path.unlink()
    path.write_bytes(random.Random(1).randbytes(size))
    assert files_of(verify(corpus).problems) == {str(path.relative_to(version_folder(corpus)))}


def relist(corpus: Path, **changes: Any) -> Path:
    """Changes the entry of the first shard in the manifest."""
    name = str(first_shard(corpus).relative_to(version_folder(corpus)))

    def change(manifest: dict[str, Any]) -> None:
        (entry,) = (shard for shard in manifest["shards"] if shard["path"] == name)
        entry.update(changes)

    return rewrite_manifest(corpus, change)


def test_a_wrong_number_of_records_in_the_manifest_is_found(corpus: Path) -> None:
    found = verify(relist(corpus, records=1))
    assert "records, in the manifest 1" in text_of(found.problems)


def test_a_wrong_size_in_the_manifest_is_found(corpus: Path) -> None:
    assert "bytes, in the manifest 1" in text_of(verify(relist(corpus, bytes=1)).problems)


@pytest.mark.parametrize("field", ["split", "obligation_class"])
def test_a_shard_with_the_name_of_another_partition_is_found(corpus: Path, field: str) -> None:
    found = text_of(verify(relist(corpus, **{field: "other"})).problems)
    assert "its name does not start with data/" in found
    assert f"{field} is not the shard's" in found
