from __future__ import annotations

import errno
import itertools
import json
import os
import resource
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from schemas.canonical import sha256
from schemas.errors import InputError, StillroomError
from schemas.manifest import Removed
from tests.corpus_builder import (
    make_build,
    make_record,
    publish_rows,
    publish_typical,
    stage,
    typical_rows,
)
from transforms.auditing.verify import verify
from transforms.corpus.publish import preflight, publish
from transforms.corpus.read import open_corpus


def visible(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def test_a_version_holds_every_file_that_a_reader_needs(tmp_path: Path) -> None:
    version = publish_typical(tmp_path).version
    assert visible(tmp_path) == sorted([version, "LATEST.json"])
    assert visible(tmp_path / version) == [
        "README.md",
        "croissant.json",
        "data",
        "manifest.json",
        "rejected",
        "report.html",
    ]


def test_the_pointer_names_version_manifest_and_digest(tmp_path: Path) -> None:
    version = publish_typical(tmp_path).version
    manifest = (tmp_path / version / "manifest.json").read_bytes()
    assert json.loads((tmp_path / "LATEST.json").read_text()) == {
        "version": version,
        "manifest": f"{version}/manifest.json",
        "sha256": sha256(manifest),
    }


def test_the_order_of_buckets_changes_nothing(tmp_path: Path) -> None:
    records, rejected = typical_rows()
    build = make_build(len(records) + len(rejected) - 1)
    shards = stage(tmp_path / ".work", records, rejected, buckets=4)
    one = publish(shards, tmp_path / "one", build)
    other = publish(reversed(shards), tmp_path / "other", build)
    assert one == other
    for path in (tmp_path / "one").rglob("*"):
        if path.is_file():
            twin = tmp_path / "other" / path.relative_to(tmp_path / "one")
            assert path.read_bytes() == twin.read_bytes()


def test_publishing_the_same_again_keeps_the_existing_version(tmp_path: Path) -> None:
    records, _ = typical_rows()
    first = publish_rows(tmp_path, records)
    before = (tmp_path / first.version).stat()
    later = replace(make_build(len(records)), run_id="run-2", created_at="2027-01-01T00:00:00Z")
    assert publish_rows(tmp_path, records, build=later) == first
    assert (tmp_path / first.version).stat() == before


def test_a_new_version_leaves_the_old_one_readable(tmp_path: Path) -> None:
    old = publish_rows(tmp_path, [make_record(1)])
    new = publish_rows(tmp_path, [make_record(1), make_record(2)])
    assert open_corpus(tmp_path).manifest == new
    assert open_corpus(tmp_path, old.version).manifest == old
    assert verify(tmp_path, old.version).ok


def test_a_damaged_version_is_named_and_not_taken_for_the_new_one(tmp_path: Path) -> None:
    version = publish_typical(tmp_path).version
    shard = next((tmp_path / version / "data").rglob("*.parquet"))
    shard.unlink()
    with pytest.raises(StillroomError, match=shard.name):
        publish_typical(tmp_path)


def damage(path: Path) -> None:
    """Changes a byte of a file; the staged shard, a link to it, stays as it is."""
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))


def test_a_version_with_a_changed_byte_is_named_and_not_pointed_to(tmp_path: Path) -> None:
    version = publish_typical(tmp_path).version
    shard = next((tmp_path / version / "data").rglob("*.parquet"))
    damage(shard)
    (tmp_path / "LATEST.json").unlink()
    with pytest.raises(StillroomError, match=shard.name):
        publish_typical(tmp_path)
    assert not (tmp_path / "LATEST.json").exists()


def test_a_version_whose_manifest_has_other_content_is_named(tmp_path: Path) -> None:
    path = tmp_path / publish_typical(tmp_path).version / "manifest.json"
    path.write_text(path.read_text().replace('"unapproved": "deny"', '"unapproved": "allow"'))
    with pytest.raises(StillroomError, match=r"manifest\.json: differs"):
        publish_typical(tmp_path)


def test_a_version_is_durable_before_it_gets_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    fsync, rename = os.fsync, Path.rename

    def record_fsync(handle: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{handle}"))
        fsync(handle)

    def record_rename(path: Path, target: Path) -> Path:
        synced.append("renamed")
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", record_fsync)
    monkeypatch.setattr(Path, "rename", record_rename)
    version = publish_typical(tmp_path).version
    before, after = synced[: synced.index("renamed")], synced[synced.index("renamed") :]
    hidden = tmp_path / f".{version}.partial"
    folders = [path for path in (tmp_path / version).rglob("*") if path.is_dir()]
    for folder in [tmp_path / version, *folders]:
        assert str(hidden / folder.relative_to(tmp_path / version)) in before
    assert str(tmp_path) in after


def test_a_corpus_without_accepted_records_can_be_published(tmp_path: Path) -> None:
    _, rejected = typical_rows()
    manifest = publish_rows(tmp_path, [], rejected)
    assert manifest.funnel.accepted == 0
    assert verify(tmp_path).ok


def test_a_withdrawal_names_its_parent_and_what_was_removed(tmp_path: Path) -> None:
    removed = Removed(where="license = 'MIT'", records=3, sha256=sha256(b"ids"))
    build = replace(make_build(1), parent="0123456789abcdef", removed=removed)
    manifest = publish_rows(tmp_path, [make_record(1)], build=build)
    assert open_corpus(tmp_path).manifest.removed == removed
    assert manifest.version != publish_rows(tmp_path, [make_record(1)]).version


def test_shards_are_copied_where_links_are_not_possible(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.EXDEV, "another file system")

    monkeypatch.setattr(os, "link", refuse)
    publish_typical(tmp_path)
    assert verify(tmp_path).ok


def killed_at(step: int, folder: Path) -> bool:
    """Publishes in a child process, killed before one change of a file. Returns whether it was."""
    child = os.fork()
    if child == 0:
        shards = stage(folder / ".work", [make_record(1), make_record(2)], [])
        steps = iter(range(step))

        def kill(event: str, arguments: tuple[Any, ...]) -> None:
            changes = event in ("os.rename", "os.link", "os.mkdir", "os.remove", "shutil.rmtree")
            writes = event == "open" and isinstance(arguments[1], str) and "w" in arguments[1]
            if (changes or writes) and next(steps, None) is None:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(kill)
        publish(shards, folder, make_build(2))
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def test_a_kill_at_any_moment_leaves_a_complete_corpus(tmp_path: Path) -> None:
    for step in itertools.count():
        folder = tmp_path / str(step)
        old = publish_rows(folder, [make_record(1)])
        if not killed_at(step, folder):
            break
        pointed = open_corpus(folder).manifest
        assert pointed == old or pointed.funnel.accepted == 2
        versions = [name for name in visible(folder) if name != "LATEST.json"]
        assert all(verify(folder, version).ok for version in versions)
        assert publish_rows(folder, [make_record(1), make_record(2)]).funnel.accepted == 2
        assert verify(folder).records == 2
    assert step > 25  # else the child was not killed where it matters


def test_preflight_makes_the_folder_and_leaves_nothing_in_it(tmp_path: Path) -> None:
    preflight(str(tmp_path / "corpora" / "new"))
    assert list((tmp_path / "corpora" / "new").iterdir()) == []


def test_preflight_refuses_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "corpus").write_text("a file in the way")
    with pytest.raises(InputError) as refused:
        preflight(str(tmp_path / "corpus"))
    (problem,) = refused.value.problems
    assert problem.where == str(tmp_path / "corpus")
    assert "cannot be written" in problem.what
    assert "corpus:" in problem.remedy


def test_preflight_notices_a_full_disk_and_leaves_nothing(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4_096, hard))
    try:
        with pytest.raises(InputError, match="free disk space"):
            preflight(str(tmp_path))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_preflight_refuses_an_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="gs://bucket/corpus"):
        preflight("gs://bucket/corpus")
    assert list(tmp_path.iterdir()) == []
