from __future__ import annotations

import os
import pickle
import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.arrow import RECORDS, REJECTED, VERSION_KEY, table
from schemas.canonical import sha256
from schemas.codes import RowKind
from schemas.errors import StillroomError
from schemas.files import check, structure
from schemas.records import Record, Rejected
from tests.corpus_builder import LLAMA_CLASS, make_record, make_rejected, shuffled, typical_rows
from transforms.corpus.read import plain
from transforms.corpus.shards import write_bucket, write_shard

_IN_ANOTHER_PROCESS = """
import sys
from pathlib import Path
from tests.corpus_builder import shuffled, typical_rows
from transforms.corpus.shards import write_bucket
records, rejected = typical_rows()
write_bucket(shuffled(records, 5), shuffled(rejected, 5), Path(sys.argv[1]), 0)
"""


def files_in(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@settings(max_examples=20)
@given(seed=st.integers(0, 10**6))
def test_order_of_arrival_changes_neither_bytes_nor_names(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    records, rejected = typical_rows()
    one, other = tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("other")
    write_bucket(records, rejected, one, 3)
    write_bucket(shuffled(records, seed), shuffled(rejected, seed), other, 3)
    assert files_in(one) == files_in(other)


def test_another_process_with_another_hash_seed_writes_the_same_bytes(tmp_path: Path) -> None:
    write_bucket(*typical_rows(), tmp_path / "one", 0)
    subprocess.run(
        [sys.executable, "-c", _IN_ANOTHER_PROCESS, str(tmp_path / "other")],
        check=True,
        env=os.environ | {"PYTHONHASHSEED": "12345"},
    )
    assert files_in(tmp_path / "one") == files_in(tmp_path / "other")


def test_tables_in_pieces_give_the_same_bytes_as_records(tmp_path: Path) -> None:
    records = [make_record(number) for number in range(50)]
    whole = write_shard(records, RECORDS, tmp_path / "one", "train")
    pieces = pa.concat_tables([table([record], RECORDS) for record in reversed(records)])
    assert write_shard(pieces, RECORDS, tmp_path / "other", "train").sha256 == whole.sha256


def test_a_retry_writes_the_same_files_over_the_old_ones(tmp_path: Path) -> None:
    first = write_bucket(*typical_rows(), tmp_path, 7)
    before = files_in(tmp_path)
    assert write_bucket(*typical_rows(), tmp_path, 7) == first
    assert files_in(tmp_path) == before


def test_a_shard_is_named_by_the_digest_of_its_content(tmp_path: Path) -> None:
    shard = write_shard([make_record(1)], RECORDS, tmp_path, "train-00007")
    data = Path(shard.path).read_bytes()
    assert (shard.sha256, shard.bytes) == (sha256(data), len(data))
    assert Path(shard.path).name == f"train-00007-{shard.sha256[:16]}.parquet"


def test_a_shard_is_sorted_compressed_and_indexed(tmp_path: Path) -> None:
    shard = write_shard([make_record(n) for n in range(9)], RECORDS, tmp_path, "train")
    with pq.ParquetFile(shard.path) as file:
        ids = file.read(columns=["record_id"]).column(0).to_pylist()
        group = file.metadata.row_group(0)
        assert ids == sorted(ids)
        assert file.schema_arrow.metadata == {VERSION_KEY: b"1"}
        assert group.sorting_columns == (pq.SortingColumn(0),)
        columns = [group.column(index) for index in range(group.num_columns)]
    assert {column.compression for column in columns} == {"ZSTD"}
    assert all(column.has_column_index and column.has_offset_index for column in columns)
    assert all(column.statistics is not None for column in columns)


def test_repeated_values_are_encoded_as_a_dictionary(tmp_path: Path) -> None:
    shard = write_shard([make_record(n) for n in range(50)], RECORDS, tmp_path, "train")
    with pq.ParquetFile(shard.path) as file:
        group = file.metadata.row_group(0)
        columns = [group.column(index) for index in range(group.num_columns)]
    license = next(c for c in columns if c.path_in_schema == "provenance.prompt.license")
    assert "RLE_DICTIONARY" in license.encodings


def test_large_shards_are_cut_into_row_groups(tmp_path: Path) -> None:
    records = [make_record(number) for number in range(5_000)]
    shard = write_shard(records, RECORDS, tmp_path, "train")
    with pq.ParquetFile(shard.path) as file:
        sizes = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
    assert sizes == [4_096, 904]


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@settings(max_examples=40)
@given(text=texts, reasoning=texts, tokens=st.none() | st.integers(0, 2**40), llama=st.booleans())
def test_a_record_reads_back_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory,
    text: str,
    reasoning: str,
    tokens: int | None,
    llama: bool,
) -> None:
    record = make_record(1, text=text, llama=llama)
    response = replace(record.provenance.response, completion_tokens=tokens)
    provenance = replace(record.provenance, response=response)
    record = replace(record, reasoning=reasoning, provenance=provenance)
    shard = write_shard([record], RECORDS, tmp_path_factory.mktemp("shard"), "train")
    row = plain(pq.read_table(shard.path).to_pylist()[0])
    check(row, "record", "row")
    assert structure(row, Record) == record


@pytest.mark.parametrize("kind", RowKind)
def test_a_rejected_row_reads_back_as_it_was_written(tmp_path: Path, kind: RowKind) -> None:
    rejected = make_rejected(1, kind=kind)
    shard = write_shard([rejected], REJECTED, tmp_path, "rejected")
    assert structure(plain(pq.read_table(shard.path).to_pylist()[0]), Rejected) == rejected


def test_a_bucket_counts_its_rows_by_kind_and_reason(tmp_path: Path) -> None:
    bucket = write_bucket(*typical_rows(), tmp_path, 0)
    assert pickle.loads(pickle.dumps(bucket)) == bucket  # noqa: S301 - our own bytes
    assert {
        (part.obligation_class, part.split): part.shard.records for part in bucket.partitions
    } == {
        (LLAMA_CLASS, "train"): 12,
        (LLAMA_CLASS, "validation"): 3,
        ("none", "train"): 39,
        ("none", "validation"): 6,
    }
    assert bucket.accepted == 60
    assert bucket.counts == {
        "duplicate": {"exact_duplicate": 2},
        "failed": {"http_500": 1},
        "rejected": {"refusal": 2, "repetition": 6},
        "unread": {"broken_json": 1},
    }
    assert bucket.picodollars == {
        "accepted": 6_000_000_000,
        "duplicate": 200_000_000,
        "failed": 100_000_000,
        "rejected": 800_000_000,
        "unread": 0,
    }
    assert (bucket.prompt_tokens, bucket.completion_tokens) == (720, 432)


def test_the_cost_of_truncated_answers_is_counted_apart(tmp_path: Path) -> None:
    cut = replace(make_rejected(1), finish_reason="length", usd=0.25)
    failed = replace(make_rejected(2, kind=RowKind.FAILED), finish_reason="length", usd=0.5)
    bucket = write_bucket([], [cut, failed, make_rejected(3)], tmp_path, 0)
    assert bucket.picodollars == {
        "failed": 500_000_000_000,
        "rejected": 100_000_000,
        "truncated": 250_000_000_000,
    }


def test_an_empty_bucket_writes_nothing(tmp_path: Path) -> None:
    bucket = write_bucket([], [], tmp_path, 0)
    assert (bucket.partitions, bucket.rejected, bucket.accepted) == ((), None, 0)
    assert files_in(tmp_path) == {}


def test_a_request_that_ends_in_two_places_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StillroomError, match=make_record(1).record_id):
        write_bucket([make_record(1)], [make_rejected(1)], tmp_path, 0)
    assert files_in(tmp_path) == {}


@pytest.mark.parametrize("name", ["../elsewhere", "a/b", "", ".hidden"])
def test_a_class_that_is_not_a_valid_folder_name_is_refused(tmp_path: Path, name: str) -> None:
    record = make_record(1)
    record = replace(record, provenance=replace(record.provenance, obligation_class=name))
    with pytest.raises(StillroomError, match="is not a valid name of a folder"):
        write_bucket([record], [], tmp_path / "shards", 0)
    assert files_in(tmp_path) == {}


def test_a_folder_that_cannot_be_written_says_that_nothing_is_lost(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file in the way")
    with pytest.raises(StillroomError, match="nothing that was paid for is lost"):
        write_bucket([make_record(1)], [], tmp_path, 0)


def test_a_full_disk_stops_the_write_and_leaves_no_file_behind(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4_096, hard))
    try:
        with pytest.raises(StillroomError, match="run again"):
            write_shard([make_record(n) for n in range(500)], RECORDS, tmp_path, "train")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert files_in(tmp_path) == {}
