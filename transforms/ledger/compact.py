"""Merges the segments of a ledger into one, sorted by id. Nothing is dropped.

The new segment and its index are durable before the segment gets its name, and its name marks the
segments before it as replaced. So a compaction that is killed has happened or has not; the next one
removes its leftovers.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from transforms.ledger.damage import refuse_damage
from transforms.ledger.entries import encode, make_line
from transforms.ledger.folder import Ledger
from transforms.ledger.index import ROW, IndexEntry, write_index
from transforms.ledger.reader import LedgerReader
from transforms.ledger.segments import COMPACTED, next_number
from transforms.storage.files import make_durable, write_parts
from transforms.storage.locks import ALL_DIGITS


def compact(ledger: Ledger, run_id: str) -> int:
    """Merges all segments into one. It needs free space on disk for a second copy of them.

    Args:
        ledger: The ledger.
        run_id: The name of this compaction, for those who find the ledger locked.

    Returns:
        How many segments were merged.

    Raises:
        LedgerBusy: A run is writing to the ledger.
        InputError: The folder is no ledger, its disk is full, or it has damage that is not
            accepted.
        StillroomError: An entry is damaged. Nothing has changed.
    """
    ledger.prepare(any_scheme=True)
    with ledger.explain_os_errors(), ledger.locked(ALL_DIGITS, run_id):
        merged = closed_segments(ledger.segments)
        if len(merged) < 2:
            return 0
        reader = ledger.reader(any_scheme=True)
        refuse_damage(reader, str(ledger.path))
        _write(ledger, reader, run_id)
        remove_segments(merged, reader.spoiled())
        return len(merged)


def closed_segments(folder: Path) -> list[Path]:
    """Returns the segments, which no writer has open, and removes what a killed compaction left."""
    found = sorted(folder.glob("*.jsonl"))
    for left in folder.glob(f"*{COMPACTED}.[ij]*"):
        if left.with_suffix(".jsonl") not in found:
            left.unlink()
    return found


def compacted_path(folder: Path) -> Path:
    """Returns the path of a segment that replaces all that are there."""
    return folder / f"{next_number(folder):08d}{COMPACTED}.jsonl"


def _write(ledger: Ledger, reader: LedgerReader, run_id: str) -> None:
    target = compacted_path(ledger.segments)
    header = make_line([encode(ledger.header(run_id))])
    size = len(header) + sum(entry.length for entry in _entries(reader))
    write_index(target, size, _rows(reader, len(header)))
    write_parts(target, _lines(reader, header))


def _entries(reader: LedgerReader) -> Iterator[IndexEntry]:
    return (entry for found in reader.entries() for entry in found)


def _rows(reader: LedgerReader, offset: int) -> Iterator[bytes]:
    for entry in _entries(reader):
        yield ROW.pack(entry.id, offset, entry.length, entry.flags)
        offset += entry.length


def _lines(reader: LedgerReader, header: bytes) -> Iterator[bytes]:
    yield header
    for entry in _entries(reader):
        yield entry.line()


def remove_segments(merged: list[Path], damaged: set[Path]) -> None:
    """Removes merged segments; a damaged one is renamed and kept, as evidence."""
    for path in merged:
        if path in damaged:
            path.rename(path.with_suffix(".damaged"))
        else:
            path.unlink()
        path.with_suffix(".idx").unlink(missing_ok=True)
    make_durable(merged[0].parent)
