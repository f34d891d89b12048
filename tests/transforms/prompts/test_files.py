"""The readers of prompt files: every kind gives the same records, and broken ones are reported."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from schemas.errors import InputError
from transforms.prompts.files import TEXT_FIELD, RawRecord, find_files, read_records

TEXTS = ["What is 2 + 2?", "Was ist, bitte, ein „Destillat“?", "蒸留とは何ですか"]


def write_all_kinds(folder: Path) -> None:
    rows = [{"text": text} for text in TEXTS]
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (folder / "a.jsonl").write_text(lines)
    (folder / "b.ndjson.gz").write_bytes(gzip.compress(lines.encode()))
    pq.write_table(pa.Table.from_pylist(rows), folder / "c.parquet")
    (folder / "d.csv").write_text("text\n" + "".join(f'"{text}"\n' for text in TEXTS))
    (folder / "e.txt").write_text("\n\n".join(TEXTS) + "\n")


def test_all_kinds_of_files_give_the_same_records(tmp_path: Path) -> None:
    write_all_kinds(tmp_path)
    files = find_files(("*",), str(tmp_path), "prompts")
    assert [name for name, _ in files] == ["a.jsonl", "b.ndjson.gz", "c.parquet", "d.csv", "e.txt"]
    for name, path in files:
        records = list(read_records(name, path))
        assert [record.fields for record in records] == [{TEXT_FIELD: text} for text in TEXTS]
        assert {(record.file, record.reason) for record in records} == {(name, "")}


def test_lines_are_counted_from_one_with_blank_ones(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text('\n{"text": "one"}\n\n{"text": "two"}\n')
    assert list(read_records("p.jsonl", str(path))) == [
        RawRecord("p.jsonl", 2, fields={"text": "one"}),
        RawRecord("p.jsonl", 4, fields={"text": "two"}),
    ]


@pytest.mark.parametrize("name", ["p.jsonl", "p.csv", "p.txt"])
def test_a_byte_that_is_not_utf_8_breaks_its_record_alone(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    lines = {"p.jsonl": b'{"text": "%s"}\n', "p.csv": b"%s\n", "p.txt": b"%s\n"}[name]
    head = b"text\n" if name == "p.csv" else b""
    path.write_bytes(head + b"".join(lines % text for text in (b"one", b"\xff", b"two")))
    records = list(read_records(name, str(path)))
    assert [record.fields and record.fields["text"] for record in records] == ["one", None, "two"]
    assert [record.reason for record in records] == ["", "invalid_utf8", ""]


def test_a_file_that_two_patterns_match_is_read_once(tmp_path: Path) -> None:
    write_all_kinds(tmp_path)
    files = find_files(("e.txt", "*.txt", "a.jsonl"), str(tmp_path), "prompts")
    assert files == [("a.jsonl", f"{tmp_path}/a.jsonl"), ("e.txt", f"{tmp_path}/e.txt")]


def test_a_pattern_without_a_file_is_an_error_of_the_run_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        find_files(("*.jsonl",), str(tmp_path), "run.yaml:3")


def test_an_unknown_ending_is_an_error_of_the_run_file(tmp_path: Path) -> None:
    (tmp_path / "p.docx").write_text("x")
    with pytest.raises(InputError, match="unknown kind of prompt file"):
        find_files(("*",), str(tmp_path), "run.yaml:3")


@pytest.mark.parametrize("name", ["p.parquet", "p.jsonl.gz"])
def test_a_file_with_other_content_than_its_ending_is_an_error(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"not what it says")
    with pytest.raises(InputError, match="cannot be read"):
        list(read_records(name, str(tmp_path / name)))


def test_an_address_of_another_store_is_an_error_of_the_run_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"run.yaml:3: unknown kind of address .*s3://bucket"):
        find_files(("s3://bucket/*.jsonl",), str(tmp_path), "run.yaml:3")
