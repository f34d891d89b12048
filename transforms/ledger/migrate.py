"""Gives every response of a ledger the id that its request has in today's scheme.

The new ids follow from what the ledger keeps of each request; see `scheme.py`. Responses keep
their bytes, verdicts and notes of batches stay as they are, and the mark in the ledger's format
file is written last: until then no run uses the ledger, and migrating it again completes it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from schemas.errors import InputError
from transforms.ledger.scheme import Asked, Ids, ids_of, new_id

ORDERED = ".jsonl"  # the end of the name of a note of requests in a batch, not yet collected
FORMER_ID = "former_id"  # in an entry: the id under which it was asked

Requests = Callable[[], Iterator[tuple[str, Asked | None]]]


class DerivedRequests(Protocol):
    """Requests whose text names the id of another request, which changes too."""

    def add(self, request_id: str, asked: Asked) -> bool:
        """Takes a request of this kind; returns False for any other."""

    def find_origin(self, ids: Ids, asked: Asked) -> None:
        """Finds the taken requests that name a request."""

    def rewritten(self, request_id: str, asked: Asked) -> Asked | None:
        """Returns a taken request with the new id in its text; None where none was found."""


@dataclass(slots=True)
class Migration:
    """What a migration does.

    Attributes:
        new_ids: The new id of each request whose id changes, by its old one; 32 bytes each.
        requests: How many requests the ledger has.
        left: Requests whose id stays as it was, with the reason: no run will find them.
        not_answers: How many stored answers hold no answer. They are kept as failed attempts.
    """

    new_ids: dict[bytes, bytes] = field(default_factory=dict)
    requests: int = 0
    left: dict[str, str] = field(default_factory=dict)
    not_answers: int = 0


def plan_migration(requests: Requests, derived: DerivedRequests) -> Migration:
    """Finds the new id of each request. It takes about 250 bytes of memory a request.

    Args:
        requests: Reads the ids in the ledger, each with what was asked; called once or twice.
        derived: Finds the new text of requests that name others.
    """
    migration, taken = Migration(), dict[str, Asked]()
    for request_id, asked in requests():
        migration.requests += 1
        if asked is None:
            migration.left[request_id] = "what was asked is not in the ledger"
        elif derived.add(request_id, asked):
            taken[request_id] = asked
        else:
            _rename(migration, request_id, new_id(request_id, asked))
    if taken:
        for _, asked in requests():
            with contextlib.suppress(InputError):
                if asked is not None:
                    derived.find_origin(ids_of(asked), asked)
    for request_id, asked in taken.items():
        _rename(migration, request_id, _derived_id(derived, request_id, asked))
    return migration


def check_no_open_batches(notes: Iterable[str]) -> None:
    """Checks that all batches are collected: their results name requests by the old ids.

    Args:
        notes: Names of the ledger's notes.

    Raises:
        InputError: Some are not.
    """
    count = sum(name.endswith(ORDERED) for name in notes)
    if count:
        raise InputError(
            "the ledger waits for batches that name requests by their old ids",
            found=f"{count} batches not yet collected",
            expected="none",
            remedy="let the version of stillroom that ordered them finish its run, then migrate",
        )


def migrate_entry(
    entry: dict[str, Any], new: Mapping[bytes, bytes], derived: DerivedRequests
) -> dict[str, Any]:
    """Returns an entry under its new id; the same one where that does not change.

    Args:
        entry: The entry's JSON object.
        new: New ids by old ones.
        derived: Knows the new text of requests that name others.
    """
    old = entry.get("request_id")
    found = new.get(bytes.fromhex(old)) if old else None
    if old is None or found is None:
        return entry
    changed = {FORMER_ID: old} | entry | {"request_id": found.hex()}
    if "request" in entry and (rewritten := derived.rewritten(old, entry["request"])):
        changed["request"] = rewritten
    return changed


def _rename(migration: Migration, old: str, new: str | None) -> None:
    if new is None:
        migration.left[old] = "its id does not follow from what is kept of its request"
    elif new != old:
        migration.new_ids[bytes.fromhex(old)] = bytes.fromhex(new)


def _derived_id(derived: DerivedRequests, request_id: str, asked: Asked) -> str | None:
    rewritten = derived.rewritten(request_id, asked)
    if rewritten is None or new_id(request_id, asked) is None:
        return None
    return ids_of(rewritten).new
