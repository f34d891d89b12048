from __future__ import annotations

import json
from pathlib import Path

import pytest

from schemas.errors import InputError
from schemas.manifest import Kind
from tests.corpus_builder import make_record, publish_rows, publish_typical, typical_rows
from transforms.corpus.read import open_corpus


def problem(path: Path, version: str | None = None) -> str:
    with pytest.raises(InputError) as refused:
        open_corpus(path, version)
    return str(refused.value)


def test_a_corpus_opens_by_its_folder_its_version_and_its_manifest(tmp_path: Path) -> None:
    manifest = publish_typical(tmp_path)
    version = tmp_path / manifest.version
    for path in (tmp_path, tmp_path / "LATEST.json", version, version / "manifest.json"):
        corpus = open_corpus(path)
        assert (corpus.folder, corpus.manifest) == (version, manifest)


def test_an_older_version_opens_by_its_name(tmp_path: Path) -> None:
    old = publish_rows(tmp_path, [make_record(1)])
    publish_rows(tmp_path, [make_record(2)])
    assert open_corpus(tmp_path, old.version).manifest == old


def test_tables_hold_every_record_once(tmp_path: Path) -> None:
    publish_typical(tmp_path)
    records, rejected = typical_rows()
    assert sorted(ids(tmp_path, "records")) == sorted(row.record_id for row in records)
    assert sorted(ids(tmp_path, "rejected")) == sorted(row.record_id for row in rejected)


def ids(corpus: Path, kind: Kind) -> list[str]:
    tables = open_corpus(corpus).tables(kind, ["record_id"])
    return [record_id for table in tables for record_id in table.column(0).to_pylist()]


def test_a_folder_without_a_corpus_says_what_is_missing(tmp_path: Path) -> None:
    assert "there is no corpus here" in problem(tmp_path)
    assert "LATEST.json" in problem(tmp_path / "nowhere")


def test_an_unknown_version_names_the_nearest(tmp_path: Path) -> None:
    version = publish_typical(tmp_path).version
    assert version in problem(tmp_path, version[:-1] + "x")


def test_a_manifest_that_was_changed_is_not_opened(tmp_path: Path) -> None:
    version = publish_typical(tmp_path).version
    path = tmp_path / version / "manifest.json"
    path.write_text(path.read_text().replace("sums-tutor", "another"))
    assert "not the one that LATEST.json points to" in problem(tmp_path)


def test_a_pointer_to_nothing_names_the_missing_file(tmp_path: Path) -> None:
    version = publish_typical(tmp_path).version
    (tmp_path / version / "manifest.json").unlink()
    assert f"{version}/manifest.json" in problem(tmp_path)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        pytest.param({"format": 2}, "format", id="a newer format"),
        pytest.param({"version": "new"}, "version", id="no version"),
        pytest.param({"extra": 1}, "extra", id="an unknown field"),
    ],
)
def test_a_manifest_of_another_form_names_the_field(
    tmp_path: Path, change: dict[str, object], what: str
) -> None:
    version = publish_typical(tmp_path).version
    path = tmp_path / version / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    assert what in problem(tmp_path / version)


def test_a_manifest_that_is_not_json_says_so(tmp_path: Path) -> None:
    version = publish_typical(tmp_path).version
    (tmp_path / version / "manifest.json").write_bytes(b"\xff{")
    assert "not valid JSON" in problem(tmp_path / version)
