"""What only a ledger in a folder has: segments, sessions, a disk that can be full."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.errors import InputError
from tests.transforms.ledger.samples import (
    ALL,
    answer,
    append,
    failure,
    name,
    segments,
    write,
)
from transforms.ledger import Ledger


@pytest.fixture
def ledger(folder_ledger: Ledger) -> Ledger:
    return folder_ledger


def test_text_is_in_the_ledger_as_text(ledger: Ledger) -> None:
    write(ledger, answer(name(1), body='{"text": "naïve"}'.encode()))
    assert '{\\"text\\": \\"naïve\\"}' in segments(ledger)[0].read_text(encoding="utf-8")


def test_a_reader_sees_what_a_living_writer_appended_and_nothing_later(ledger: Ledger) -> None:
    with ledger.writer(ALL, "run-1") as writer:
        append(writer, [answer(name(1))])
        reader = ledger.reader()
        append(writer, [answer(name(2))])
    assert reader.read(name(1)) == answer(name(1))
    assert reader.outcome(name(2)) is None
    assert ledger.reader().read(name(2)) == answer(name(2))


def test_a_run_that_asks_nothing_leaves_nothing(ledger: Ledger) -> None:
    write(ledger, answer(name(1)))
    before = segments(ledger)
    write(ledger)
    assert segments(ledger) == before


def test_a_long_run_writes_many_segments_and_knows_them_all(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger", segment_entries=10)
    with ledger.writer(ALL, "run-1") as writer:
        for i in range(45):
            append(writer, [answer(name(i))])
            assert all(writer.answered(name(j)) for j in range(i + 1))
    assert len(segments(ledger)) == 5
    reader = ledger.reader()
    assert len(reader) == 45
    assert all(reader.read(name(i)) == answer(name(i)) for i in range(45))


EDGES = ["0" * 64, "00ff" + "0" * 60, "7" + "f" * 63, "8" + "0" * 63, "f" * 64, "fff" + "0" * 61]


def test_entries_are_read_in_the_order_of_ids_across_segments(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger", segment_entries=50)
    keys = EDGES + [name(i) for i in range(200)]
    write(ledger, *(failure(key) for key in keys), *(answer(key) for key in keys))
    found = [*ledger.reader().entries()]
    assert [each[0].read()["request_id"] for each in found] == sorted(keys)
    assert {len(each) for each in found} == {2}


def test_a_closed_writer_appends_nothing(ledger: Ledger) -> None:
    with ledger.writer(ALL, "run-1") as writer:
        pass
    with pytest.raises(RuntimeError, match="closed"):
        append(writer, [answer(name(1))])


@pytest.mark.parametrize("exists", [True, False])
def test_a_ledger_not_yet_written_is_empty_and_reading_makes_nothing(
    tmp_path: Path, exists: bool
) -> None:
    folder = tmp_path / "ledger"
    if exists:
        folder.mkdir()
    reader = Ledger(folder).reader()
    assert len(reader) == 0
    assert reader.outcome(name(1)) is None
    assert [*reader.since(0)] == []
    assert folder.exists() is exists


def test_a_run_may_not_start_on_a_full_disk(ledger: Ledger) -> None:
    with pytest.raises(InputError, match=r"disk of the ledger is full .*MiB free"):
        ledger.preflight("run-1", needed_bytes=2**62)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=str(tmp_path / "file")):
        Ledger(tmp_path / "file" / "ledger").preflight("run-1")


def test_an_address_is_no_folder() -> None:
    with pytest.raises(InputError, match="gs://bucket/ledger"):
        Ledger("gs://bucket/ledger")
