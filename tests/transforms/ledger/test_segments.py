"""Segments: torn ends are cut, damage is reported, an index that does not fit is made again."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import StillroomError
from tests.transforms.ledger.samples import (
    ALL,
    answer,
    append,
    name,
    segments,
    write,
)
from transforms.ledger import Ledger
from transforms.ledger.entries import make_line
from transforms.ledger.segments import OpenSegment


@pytest.fixture
def ledger(folder_ledger: Ledger) -> Ledger:
    return folder_ledger


def test_entries_are_durable_before_their_append_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []

    def record(descriptor: int) -> None:
        synced.append(os.fstat(descriptor).st_size)

    monkeypatch.setattr(os, "fdatasync", record)
    segment = OpenSegment(tmp_path, {"kind": "header"})
    assert synced == [segment.path.stat().st_size]
    segment.append([(bytes(32), 0, make_line([b"{}"])), (bytes(32), 0, make_line([b"{}"]))])
    assert synced[1:] == [segment.path.stat().st_size]


def test_an_append_that_is_not_durable_raises(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    with ledger.writer(ALL, "run-1") as writer:
        append(writer, [answer(name(1))])
        monkeypatch.setattr(os, "fdatasync", fail)
        with pytest.raises(StillroomError, match="Input/output error"):
            append(writer, [answer(name(2))])
    assert [*ledger.reader().since(0)] == [answer(name(1))]


def test_an_entry_cut_at_any_byte_is_cut_off_and_the_rest_is_there(ledger: Ledger) -> None:
    write(ledger, answer(name(1)), answer(name(2), body=b"", headers={}))
    (segment,) = segments(ledger)
    whole = segment.read_bytes()
    kept = whole[: whole[:-1].rindex(b"\n") + 1]
    for length in range(len(kept) + 1, len(whole)):
        segment.with_suffix(".idx").unlink()
        segment.write_bytes(whole[:length])
        reader = ledger.reader()
        assert reader.outcome(name(1))
        assert reader.outcome(name(2)) is None
        assert reader.damaged() == []
        assert segment.read_bytes() == kept


@pytest.mark.parametrize("rest", [b"\0" * 512, b"12345678 {"], ids=["zeros", "part"])
def test_what_a_power_loss_left_at_the_end_is_cut_and_kept_aside(
    ledger: Ledger, rest: bytes
) -> None:
    write(ledger, answer(name(1)))
    (segment,) = segments(ledger)
    whole = segment.read_bytes()
    segment.write_bytes(whole + rest)
    assert ledger.reader().read(name(1)) == answer(name(1))
    assert segment.read_bytes() == whole
    assert segment.with_suffix(".cut").read_bytes() == rest
    assert ledger.reader().damage() == []


@pytest.mark.parametrize("rest", [b"junk\njunk\n", b"00000000 {}\n"], ids=["lines", "checksum"])
def test_a_whole_line_at_the_end_that_is_not_intact_is_damage(ledger: Ledger, rest: bytes) -> None:
    write(ledger, answer(name(1)))
    (segment,) = segments(ledger)
    whole = segment.read_bytes()
    segment.write_bytes(whole + rest)
    reader = ledger.reader()
    assert reader.read(name(1)) == answer(name(1))
    assert next(entry.offset for entry in reader.damaged()) == len(whole)
    assert segment.read_bytes() == whole + rest


def test_a_segment_torn_in_its_first_line_is_empty(ledger: Ledger) -> None:
    write(ledger, answer(name(1)))
    (segment,) = segments(ledger)
    segment.write_bytes(segment.read_bytes()[:20])
    assert len(ledger.reader()) == 0
    write(ledger, answer(name(2)))
    assert ledger.reader().read(name(2)) == answer(name(2))


def test_the_end_of_a_segment_is_left_alone_while_its_writer_lives(ledger: Ledger) -> None:
    with ledger.writer(ALL, "run-1") as writer:
        append(writer, [answer(name(1))])
        (segment,) = segments(ledger)
        with segment.open("ab") as file:  # as a reader sees it in the middle of a write
            file.write(b"12345678 {")
        assert ledger.reader().read(name(1)) == answer(name(1))
        assert segment.read_bytes().endswith(b"12345678 {")


@settings(max_examples=40)
@given(place=st.floats(0, 1, exclude_max=True), change=st.integers(1, 255))
def test_a_damaged_byte_loses_its_entry_and_is_reported(
    tmp_path_factory: pytest.TempPathFactory, place: float, change: int
) -> None:
    ledger = Ledger(tmp_path_factory.mktemp("spoiled") / "ledger")
    write(ledger, *(answer(name(i)) for i in range(3)))
    (segment,) = segments(ledger)
    content = bytearray(segment.read_bytes())
    lines = content.splitlines(keepends=True)
    start = len(lines[0]) + len(lines[1])
    content[start + int(place * (len(lines[2]) - 1))] ^= change  # any but the newline
    segment.write_bytes(content)
    segment.with_suffix(".idx").unlink()

    for _ in range(2):  # from the segment itself, then from the index made of it
        reader = ledger.reader()
        assert [reader.read(name(i)) for i in (0, 2)] == [answer(name(0)), answer(name(2))]
        assert reader.outcome(name(1)) is None
        assert sum(1 for _ in reader.since(0)) == len(reader) == 2
        damage = reader.damaged()
        assert damage[0].offset == start
        assert sum(entry.length for entry in damage) == len(lines[2])
        assert {entry.segment for entry in damage} == {segment}


def test_damage_is_logged_with_its_place(ledger: Ledger, caplog: pytest.LogCaptureFixture) -> None:
    write(ledger, answer(name(1)), answer(name(2)))
    (segment,) = segments(ledger)
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(lines[0] + b"f" + lines[1][1:] + lines[2])
    segment.with_suffix(".idx").unlink()
    with caplog.at_level(logging.WARNING):
        ledger.reader()
    place = f"{len(lines[1])} bytes from byte {len(lines[0])}"
    assert f"{segment}: damaged: {place}" in caplog.text


def test_damage_after_the_index_was_made_is_named_when_it_is_met(ledger: Ledger) -> None:
    write(ledger, answer(name(1)), answer(name(2)))
    (segment,) = segments(ledger)
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(lines[0] + lines[1].replace(b"choices", b"CHOICES") + lines[2])

    reader = ledger.reader()
    with pytest.raises(StillroomError, match=f"{segment.name}: the entry at byte {len(lines[0])}"):
        reader.read(name(1))
    assert reader.read(name(2)) == answer(name(2))

    segment.with_suffix(".idx").unlink()  # what the message says to do
    assert ledger.reader().outcome(name(1)) is None


@pytest.mark.parametrize("spoil", ["missing", "cut", "of another segment"])
def test_an_index_that_does_not_fit_is_made_again(ledger: Ledger, spoil: str) -> None:
    write(ledger, answer(name(1)), answer(name(2)))
    write(ledger, answer(name(3)))
    index, other = (segment.with_suffix(".idx") for segment in segments(ledger))
    right = index.read_bytes()
    if spoil == "missing":
        index.unlink()
    else:
        index.write_bytes(right[:-7] if spoil == "cut" else other.read_bytes())
    assert ledger.reader().read(name(2)) == answer(name(2))
    assert index.read_bytes() == right
