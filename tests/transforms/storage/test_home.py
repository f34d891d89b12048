"""The two homes of files keep one contract."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from schemas.errors import InputError, StillroomError
from tests.gcs_server import GcsServer
from transforms.storage.home import Home, open_home


@pytest.fixture(params=["folder", "bucket"])
def home(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Home]:
    if request.param == "folder":
        yield open_home(str(tmp_path / "home"), "the test")
        return
    with GcsServer() as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.endpoint)
        yield open_home("gs://bucket/home", "the test")


def test_a_file_is_created_once(home: Home) -> None:
    assert home.get_with_generation("a/b") is None
    generation = home.put("a/b", b"first")
    assert generation
    assert home.put("a/b", b"second") is None
    assert home.get_with_generation("a/b") == (b"first", generation)


def test_a_file_is_replaced_only_if_it_is_the_one_that_was_read(home: Home) -> None:
    first = home.put("a", b"first") or 0
    second = home.put("a", b"second", first)
    assert second
    assert home.put("a", b"late", first) is None
    assert home.get_with_generation("a") == (b"second", second)


def test_a_file_with_the_same_bytes_is_another_generation(home: Home) -> None:
    first = home.put("a", b"same") or 0
    second = home.put("a", b"same", first) or 0
    assert second != first
    assert home.put("a", b"late", first) is None


def test_what_is_not_there_cannot_be_replaced(home: Home) -> None:
    assert home.put("a", b"data", 7) is None
    assert home.get_with_generation("a") is None


def test_a_file_is_deleted_only_if_it_is_the_one_that_was_read(home: Home) -> None:
    first = home.put("a", b"first") or 0
    second = home.put("a", b"second", first) or 0
    home.delete("a", first)
    assert home.get_with_generation("a") == (b"second", second)
    home.delete("a", second)
    home.delete("a", second)
    home.delete("never/there", second)
    assert home.get_with_generation("a") is None


def test_of_many_writers_one_wins(home: Home) -> None:
    before = home.put("a", b"-") or 0
    with ThreadPoolExecutor(8) as pool:
        won = [*pool.map(lambda n: home.put("a", b"%d" % n, before), range(16))]
    (winner,) = [number for number, generation in enumerate(won) if generation]
    assert home.get_with_generation("a") == (b"%d" % winner, won[winner])


def test_a_home_that_cannot_be_used_is_an_error_with_its_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StillroomError, match=f"the test {tmp_path}/file cannot be used"):
        open_home(str(tmp_path / "file"), "the test").put("a", b"")
    with GcsServer() as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.endpoint)
        with pytest.raises(InputError, match="the test cannot be used"):
            open_home("gs://missing/home", "the test").get_with_generation("a")
