"""Migrates a ledger in a folder: all segments become one, as in a compaction, with new ids."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from schemas.requests import SCHEME
from transforms.ledger.compact import closed_segments, compacted_path, remove_segments
from transforms.ledger.damage import refuse_damage
from transforms.ledger.entries import encode, make_line, read_line
from transforms.ledger.folder import Ledger
from transforms.ledger.index import (
    DAMAGED,
    DECISION,
    ID_BYTES,
    ROW,
    IndexEntry,
    write_index,
)
from transforms.ledger.migrate import (
    DerivedRequests,
    Migration,
    check_no_open_batches,
    migrate_entry,
    plan_migration,
)
from transforms.ledger.notes import NOTES, FolderNotes
from transforms.ledger.reader import LedgerReader
from transforms.ledger.scheme import Asked
from transforms.storage.files import write_parts
from transforms.storage.locks import ALL_DIGITS

_PLACE = np.dtype([("id", "S32"), ("segment", "<u4"), ("row", "<u8")])


def migrate_folder(ledger: Ledger, run_id: str, derived: DerivedRequests) -> Migration:
    """Gives every response the id of today's scheme. It needs as much room on disk again.

    The new segment is whole and safe on disk before it replaces the old ones; so a migration that
    is killed is begun again from what was there.

    Args:
        ledger: The ledger.
        run_id: The name of this migration, for those who find the ledger locked.
        derived: Finds the new text of requests that name others.

    Raises:
        LedgerBusy: A run is writing to the ledger.
        InputError: The folder is no ledger, its disk is full, or batches are not yet collected.
        StillroomError: An entry is damaged. Nothing has changed.
    """
    ledger.prepare(any_scheme=True)
    with ledger.explain_os_errors(), ledger.locked(ALL_DIGITS, run_id):
        if ledger.scheme(any_scheme=True) == SCHEME:
            return Migration()
        check_no_open_batches(FolderNotes(ledger.path / NOTES).names())
        old = closed_segments(ledger.segments)
        reader = ledger.reader(any_scheme=True)
        refuse_damage(reader, str(ledger.path))
        migration = plan_migration(lambda: _requests(reader), derived)
        if migration.new_ids or len(old) > 1:  # as one that was killed leaves them
            _write(ledger, reader, run_id, migration.new_ids, derived)
            remove_segments(old, reader.spoiled())
        ledger.write_format()
        return migration


def _requests(reader: LedgerReader) -> Iterator[tuple[str, Asked | None]]:
    for found in reader.entries():
        responses = [entry for entry in found if not entry.flags & DECISION]
        if responses:
            read = (entry.read() for entry in responses)
            asked = next((entry["request"] for entry in read if "request" in entry), None)
            yield _whole(responses[0].id).hex(), asked


def _write(
    ledger: Ledger,
    reader: LedgerReader,
    run_id: str,
    new_ids: Mapping[bytes, bytes],
    derived: DerivedRequests,
) -> None:
    target, rows = compacted_path(ledger.segments), bytearray()

    def lines() -> Iterator[bytes]:
        size = len(header := make_line([encode(ledger.header(run_id))]))
        yield header
        for key, entry in _in_new_order(reader, new_ids):
            changed = migrate_entry(read_line(entry.line()), new_ids, derived)
            line = make_line([encode(changed)])
            rows.extend(ROW.pack(key, size, len(line), entry.flags))
            size += len(line)
            yield line
        write_index(target, size, [bytes(rows)])  # before the segment has its name

    write_parts(target, lines())


def _in_new_order(
    reader: LedgerReader, new_ids: Mapping[bytes, bytes]
) -> Iterator[tuple[bytes, IndexEntry]]:
    """Yields the entries by their new ids; those of one id in the order they came."""
    parts = []
    for number, each in enumerate(reader.segments):
        intact = np.flatnonzero(each.rows["flags"] & DAMAGED == 0)
        part = np.empty(len(intact), _PLACE)
        part["id"] = [new_ids.get(_whole(key), key) for key in each.ids[intact].tolist()]
        part["segment"], part["row"] = number, intact
        parts.append(part)
    places = np.concatenate(parts)
    order = places[np.argsort(places["id"], kind="stable")]
    for key, segment, row in order.tolist():
        each = reader.segments[segment]
        yield key, IndexEntry._make((*each.rows[row].tolist(), each.path))


def _whole(key: bytes) -> bytes:
    """Returns an id with the zeros at its end, which NumPy leaves out."""
    return key.ljust(ID_BYTES, b"\0")
