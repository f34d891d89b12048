"""Old versions are removed; the current one and the newest stay, and are whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from schemas.errors import InputError
from tests.corpus_builder import make_build, make_record, stage
from tests.gcs_server import GcsServer
from transforms.auditing.verify import verify
from transforms.corpus.bucket import local_corpus
from transforms.corpus.prune import prune
from transforms.corpus.publish import publish
from transforms.corpus.read import open_corpus

Corpus = tuple[str, list[str]]


@pytest.fixture(params=["folder", "bucket"])
def corpus(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Corpus]:
    """Yields a corpus's address and its four versions, the oldest first."""
    with GcsServer() as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.endpoint)
        address = str(tmp_path / "corpus") if request.param == "folder" else "gs://bucket/corpus"
        yield address, [_publish(address, tmp_path / "work", size) for size in range(1, 5)]


def _publish(address: str, work: Path, records: int) -> str:
    """Publishes a version on a day of its own."""
    build = replace(make_build(records), created_at=f"2026-11-2{records}T00:00:00+00:00")
    shards = stage(work / str(records), [make_record(number) for number in range(records)], [])
    return publish(shards, address, build).version


def _there(address: str, versions: list[str]) -> list[str]:
    there = []
    for version in versions:
        try:
            with local_corpus(address, version) as path:
                open_corpus(path, version)
        except InputError:
            continue
        there.append(version)
    return there


def test_the_newest_versions_stay(corpus: Corpus) -> None:
    address, versions = corpus
    assert prune(address, 2) == versions[:2]
    assert _there(address, versions) == versions[2:]
    assert prune(address, 2) == []
    with local_corpus(address) as path:
        assert verify(path).ok


def test_a_dry_run_removes_nothing(corpus: Corpus) -> None:
    address, versions = corpus
    assert prune(address, 1, dry=True) == versions[:3]
    assert _there(address, versions) == versions


def test_the_current_version_stays_though_it_is_not_the_newest(
    corpus: Corpus, tmp_path: Path
) -> None:
    address, versions = corpus
    assert _publish(address, tmp_path / "again", 1) == versions[0]
    assert prune(address, 2) == versions[1:3]
    assert _there(address, versions) == [versions[0], versions[3]]


def test_where_there_is_no_corpus_nothing_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").write_text("")
    with GcsServer() as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.endpoint)
        server.put("mine/file", b"")
        for address in (str(tmp_path), "gs://bucket/mine"):
            with pytest.raises(InputError, match="there is no corpus here"):
                prune(address, 1)
        assert server.names() == ["mine/file"]
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_removal_that_was_killed_is_finished_by_the_next(tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    versions = [_publish(str(folder), tmp_path / "work", size) for size in (1, 2, 3)]
    (folder / versions[0]).rename(folder / f".{versions[0]}-0123.pruned")
    assert prune(folder, 1) == [versions[1]]
    assert {path.name for path in folder.iterdir()} == {"LATEST.json", versions[2]}
