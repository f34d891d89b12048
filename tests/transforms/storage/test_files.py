"""Files are written whole or not at all, and are durable before they have their name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.errors import StillroomError
from transforms.storage.files import commit_folder, partial_file, write_file, write_parts

Calls = list[tuple[str, str]]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Calls:
    """What is fsynced and renamed, in order, by name below the test's folder."""
    made: Calls = []
    fsync, replace = os.fsync, os.replace

    def below(path: object) -> str:
        name = os.path.relpath(str(path), tmp_path)
        return "partial" if name.endswith(".partial") else name

    def recorded_fsync(descriptor: int) -> None:
        made.append(("fsync", below(Path(f"/proc/self/fd/{descriptor}").readlink())))
        fsync(descriptor)

    def recorded_replace(source: object, target: object) -> None:
        made.append(("rename", below(target)))
        replace(str(source), str(target))

    monkeypatch.setattr(os, "fsync", recorded_fsync)
    monkeypatch.setattr(os, "replace", recorded_replace)
    return made


def test_a_file_is_durable_before_it_has_its_name_and_its_name_after(
    tmp_path: Path, calls: Calls
) -> None:
    write_file(tmp_path / "file", b"data")
    assert (tmp_path / "file").read_bytes() == b"data"
    assert calls == [("fsync", "partial"), ("rename", "file"), ("fsync", ".")]


def test_a_file_of_a_work_folder_is_not_fsynced(tmp_path: Path, calls: Calls) -> None:
    write_file(tmp_path / "file", b"data", durable=False)
    assert calls == [("rename", "file")]


def test_the_names_in_a_folder_are_durable_before_it_has_its_own(
    tmp_path: Path, calls: Calls
) -> None:
    (tmp_path / "hidden/inner").mkdir(parents=True)
    commit_folder(tmp_path / "hidden", tmp_path / "folder")
    assert (tmp_path / "folder/inner").is_dir()
    assert calls == [("fsync", "hidden/inner"), ("fsync", "hidden"), ("fsync", ".")]


def test_a_writer_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    def parts() -> Iterator[bytes]:
        yield b"new"
        raise ValueError("broken off")

    write_file(tmp_path / "file", b"old")
    with pytest.raises(ValueError, match="broken off"):
        write_parts(tmp_path / "file", parts())
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("file", b"old")]


def test_a_partial_file_that_is_not_committed_is_removed(tmp_path: Path) -> None:
    with partial_file(tmp_path) as hidden:
        hidden.write_bytes(b"data")
    assert [*tmp_path.iterdir()] == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StillroomError, match=r"file/inner: cannot be written \(Not a directory\)"):
        write_file(tmp_path / "file/inner/name", b"")
