"""Files that are read: a pattern finds the same on a disk and in a bucket, and bytes are whole."""

from __future__ import annotations

import gzip
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import InputError, StillroomError
from tests.gcs_server import GcsServer
from transforms.storage.inputs import find_inputs, matches, open_input

_PART = st.sampled_from(["a", "b", "ab", ".a", "a.jsonl", "[a]"])
_PATTERN = st.sampled_from(["*", "**", "?", "a", "ab", ".*", "*.jsonl", "[ab]", "[!a]*", "[[]a]"])


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[GcsServer]:
    with GcsServer(page_size=3) as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.endpoint)
        yield server


@given(
    names=st.sets(st.lists(_PART, min_size=1, max_size=4).map("/".join), max_size=8),
    pattern=st.lists(_PATTERN, min_size=1, max_size=4).map("/".join),
)
def test_a_pattern_matches_what_it_matches_on_a_disk(names: set[str], pattern: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        files = set()
        for name in sorted(names):
            path = Path(folder, name)
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch(exist_ok=False)
            except (FileExistsError, NotADirectoryError):
                continue  # another name needs a folder here
            files.add(name)
        on_disk = set(find_inputs(pattern, folder))
    assert {name for name in files if matches(name.split("/"), pattern.split("/"))} == on_disk


def test_objects_are_found_page_by_page_in_the_order_of_their_names(server: GcsServer) -> None:
    for number in range(8):
        server.put(f"data/{number}.jsonl", b"{}")
    server.put("data/", b"")  # how the console of Cloud Storage makes a folder
    server.put("data/notes.txt", b"")
    server.put("other/0.jsonl", b"{}")
    expected = [f"gs://bucket/data/{number}.jsonl" for number in range(8)]
    assert find_inputs("gs://bucket/data/*.jsonl", "/nowhere") == expected
    assert find_inputs("gs://bucket/**/*.jsonl", "/nowhere")[:-1] == expected
    assert find_inputs("gs://bucket/data/7.jsonl", "/nowhere") == expected[-1:]
    assert find_inputs("gs://bucket/data/*.csv", "/nowhere") == []


def test_a_copy_is_removed_after_it_was_read(server: GcsServer) -> None:
    server.put("data/a.jsonl", b"content")
    with open_input("gs://bucket/data/a.jsonl") as path:
        assert (path.name, path.read_bytes()) == ("a.jsonl", b"content")
    assert not path.parent.exists()


def test_a_file_on_a_disk_is_not_copied(tmp_path: Path) -> None:
    with open_input(str(tmp_path / "a")) as path:
        assert path == tmp_path / "a"


def test_a_download_that_breaks_off_or_is_changed_is_made_again(server: GcsServer) -> None:
    data = gzip.compress(os.urandom(2**20))
    server.put("data/a.jsonl.gz", data)
    server.fail("GET", "alt=media", after=True)
    server.fail("GET", "alt=media", status=503)
    server.fail("GET", "alt=media", status=429)
    with open_input("gs://bucket/data/a.jsonl.gz") as path:
        assert path.read_bytes() == data


def test_what_is_not_there_and_what_is_forbidden_is_an_error_with_the_address(
    server: GcsServer,
) -> None:
    with (
        pytest.raises(InputError, match="gs://bucket/a: no such file"),
        open_input("gs://bucket/a"),
    ):
        pass
    with pytest.raises(InputError, match="missing"):
        find_inputs("gs://missing/a/*", "/nowhere")
    server.fail("GET", "alt=media", status=403)
    server.put("a", b"")
    with pytest.raises(InputError, match="403 Forbidden"), open_input("gs://bucket/a"):
        pass


def test_without_a_folder_for_copies_the_error_names_what_to_set(
    server: GcsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(StillroomError, match="TMPDIR"), open_input("gs://bucket/a"):
        pass


def test_a_full_disk_is_an_error_that_names_the_disk(server: GcsServer) -> None:
    server.put("a", b"content")
    with open_input("gs://bucket/a") as path:
        from transforms.storage.gcs import Store

        store = Store("bucket", connections=1, patience_seconds=1, what="the bucket")
        with pytest.raises(StillroomError, match="the disk is full"):
            store.download("a", Path("/dev/full"))
        assert path.exists()
