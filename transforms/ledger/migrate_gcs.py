"""Migrates a ledger in a bucket: each object gets its new name, then the old is deleted."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

from schemas.requests import SCHEME
from transforms.ahead import map_ahead
from transforms.ledger.entries import decode_response, encode
from transforms.ledger.format import FORMAT_FILE, check_format, is_judged
from transforms.ledger.gcs import GcsLedger, mark_migrated, put_response
from transforms.ledger.gcs_names import Stored, response_name
from transforms.ledger.gcs_reader import GcsReader
from transforms.ledger.migrate import (
    DerivedRequests,
    Migration,
    check_no_open_batches,
    migrate_entry,
    plan_migration,
)
from transforms.ledger.notes import NOTES
from transforms.ledger.scheme import Asked
from transforms.storage.gcs import Store
from transforms.storage.leases import Leases
from transforms.storage.locks import ALL_DIGITS


def migrate_bucket(ledger: GcsLedger, run_id: str, derived: DerivedRequests) -> Migration:
    """Gives every response the id of today's scheme, and what holds no answer an attempt's name.

    An object is written again with the same content under the same name, however often this is
    repeated; so a migration that was killed is completed by the next one.

    Args:
        ledger: The ledger.
        run_id: The name of this migration, for those who find the ledger locked.
        derived: Finds the new text of requests that name others.

    Raises:
        LedgerBusy: A run is writing to the ledger.
        InputError: It is no ledger, or batches are not yet collected.
        StillroomError: The bucket cannot be reached, or an object is damaged.
    """
    with contextlib.closing(ledger.store()) as store:
        leases = ledger.leases(store, run_id)
        with leases.locked(ALL_DIGITS):
            found = store.get_with_generation(FORMAT_FILE)
            where = f"{store.address}/{FORMAT_FILE}"
            if found is None:
                return Migration()
            current = check_format(found[0], where, any_scheme=True) == SCHEME
            if current and is_judged(found[0]):
                return Migration()
            reader = GcsReader(store, ledger.connections, ledger.whole)
            migration = Migration()
            if not current:
                check_no_open_batches(each.name for each in store.list(f"{NOTES}/"))
                migration = plan_migration(lambda: _requests(reader), derived)
                _move_all(store, leases, reader, migration, derived)
            migration.not_answers = _rename_what_is_no_answer(store, leases, reader, migration)
            leases.check()
            mark_migrated(store, found[1])
            return migration


def _requests(reader: GcsReader) -> Iterator[tuple[str, Asked | None]]:
    first = (found[0] for found in reader.all())
    return map_ahead(lambda each: (each.request_id, reader.asked(each)), first, reader.at_once)


def _move_all(
    store: Store, leases: Leases, reader: GcsReader, migration: Migration, derived: DerivedRequests
) -> None:
    def move(stored: Stored) -> None:
        leases.check()
        name = response_name(stored.request_id, stored.name)
        found = store.get_with_generation(name)
        if found is not None:
            entry = migrate_entry(json.loads(found[0]), migration.new_ids, derived)
            put_response(store, decode_response(entry), encode(entry) + b"\n")
            store.delete(name, found[1])

    changed = (
        stored
        for found in reader.all()
        for stored in found
        if bytes.fromhex(stored.request_id) in migration.new_ids
    )
    for _ in map_ahead(move, changed, reader.at_once):
        pass


def _rename_what_is_no_answer(
    store: Store, leases: Leases, reader: GcsReader, migration: Migration
) -> int:
    """Gives stored answers that hold none the name of an attempt; returns how many there were.

    Those with a new id have the right name already. Content stays byte for byte.
    """

    def rename(stored: Stored) -> bool:
        leases.check()
        response = reader.response(stored)
        if response.answered:
            return False
        name = response_name(stored.request_id, stored.name)
        if found := store.get_with_generation(name):
            put_response(store, response, found[0])
            store.delete(name, found[1])
        return True

    answers = (
        stored
        for responses in reader.all()
        for stored in responses
        if stored.is_answer and bytes.fromhex(stored.request_id) not in migration.new_ids
    )
    return sum(map_ahead(rename, answers, reader.at_once))
