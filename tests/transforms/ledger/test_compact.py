"""Compaction: one segment with the same entries, also after it was killed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from schemas.errors import InputError, LedgerBusy, StillroomError
from schemas.responses import Response
from tests.transforms.ledger.samples import (
    ALL,
    VERDICT,
    answer,
    append,
    failure,
    name,
    segments,
    write,
)
from transforms.ledger import Ledger
from transforms.ledger.compact import compact
from transforms.ledger.damage import accept_loss


@pytest.fixture
def ledger(folder_ledger: Ledger) -> Ledger:
    return folder_ledger


def filled(ledger: Ledger) -> list[Response]:
    """Writes several sessions; returns what was written, in order."""
    sessions = [
        [failure(name(i), attempt=attempt) for i in range(20)] for attempt in range(1, 3)
    ] + [[answer(name(i), attempt=3) for i in range(0, 20, 2)]]
    for session in sessions:
        with ledger.writer(ALL, "run-1") as writer:
            writer.note_decision(VERDICT)
            append(writer, session)
    return [response for session in sessions for response in session]


def content(ledger: Ledger) -> tuple[object, ...]:
    """Returns all that a ledger holds."""
    reader = ledger.reader()
    return (
        len(reader),
        [reader.attempts(name(i)) for i in range(20)],
        [reader.outcome(name(i)) for i in range(20)],
        [reader.request(name(i)) for i in range(20)],
        reader.decision(VERDICT.decision_id),
    )


def test_compaction_leaves_one_segment_and_changes_no_answer(ledger: Ledger) -> None:
    written = filled(ledger)
    before = content(ledger)
    assert before[0] == len(written) == 50
    assert compact(ledger, "tidy") == 3
    assert len(segments(ledger)) == 1
    assert content(ledger) == before
    assert compact(ledger, "tidy") == 0
    segments(ledger)[0].with_suffix(".idx").unlink()
    assert content(ledger) == before


def test_a_ledger_grows_and_is_compacted_again(ledger: Ledger) -> None:
    filled(ledger)
    compact(ledger, "tidy")
    write(ledger, answer(name("new")))
    assert compact(ledger, "tidy") == 2
    assert ledger.reader().read(name("new")) == answer(name("new"))
    assert len(ledger.reader()) == 51


def test_a_compaction_killed_before_it_removed_the_old_segments_counts_nothing_twice(
    ledger: Ledger, tmp_path: Path
) -> None:
    filled(ledger)
    before = content(ledger)
    shutil.copytree(ledger.folder, tmp_path / "copy")
    compact(ledger, "tidy")
    for old in (tmp_path / "copy" / "segments").iterdir():
        shutil.copy(old, Path(ledger.folder) / "segments")
    assert content(ledger) == before
    compact(ledger, "tidy")
    assert content(ledger) == before
    assert len(segments(ledger)) == 1


def test_a_compaction_killed_before_its_segment_had_a_name_never_was(ledger: Ledger) -> None:
    filled(ledger)
    before = content(ledger)
    folder = Path(ledger.folder) / "segments"
    (folder / "00000004-compacted.idx").write_bytes(b"half")
    (folder / ".00000004-compacted.jsonl.12345678").write_bytes(b"half")
    assert content(ledger) == before
    compact(ledger, "tidy")
    assert content(ledger) == before
    assert len([*folder.iterdir()]) == 2


def test_compaction_puts_a_damaged_segment_aside(ledger: Ledger) -> None:
    filled(ledger)
    damaged = segments(ledger)[0]
    content = damaged.read_bytes().replace(b"http_429", b"http_420", 1)
    damaged.write_bytes(content)
    damaged.with_suffix(".idx").unlink()
    with pytest.raises(InputError, match="accept-loss"):
        compact(ledger, "tidy")
    assert accept_loss(ledger, "run-1")
    compact(ledger, "tidy")
    assert len(ledger.reader()) == 49
    assert damaged.with_suffix(".damaged").read_bytes() == content


def test_compaction_that_meets_damage_changes_nothing(ledger: Ledger) -> None:
    filled(ledger)
    before = segments(ledger)
    before[0].write_bytes(before[0].read_bytes().replace(b"http_429", b"http_420", 1))
    with pytest.raises(StillroomError, match="damaged"):
        compact(ledger, "tidy")
    assert segments(ledger) == before


def test_compaction_waits_for_no_run(ledger: Ledger) -> None:
    with ledger.writer("7", "run-1"), pytest.raises(LedgerBusy, match="run-1"):
        compact(ledger, "tidy")
