"""The notes of a ledger in a bucket: an object each, created only where there is none."""

from __future__ import annotations

from collections.abc import Callable

from transforms.ledger.notes import NOTES
from transforms.storage.gcs import Store


class GcsNotes:
    """Keeps notes in a bucket; see `NotesLike`.

    Args:
        store: The ledger's objects.
        check: Raises `LedgerBusy` if the locks have run out: then nothing more may be ordered.
        folder: The common beginning of their names.
    """

    def __init__(self, store: Store, check: Callable[[], None], folder: str = NOTES) -> None:
        self._store = store
        self._check = check
        self._folder = folder

    def names(self) -> list[str]:
        """Returns the names of all notes, sorted."""
        start = f"{self._folder}/"
        return [listed.name.removeprefix(start) for listed in self._store.list(start)]

    def get(self, name: str) -> bytes | None:
        """Returns a note; None where there is none of that name."""
        return self._store.get(f"{self._folder}/{name}")

    def put(self, name: str, data: bytes = b"") -> None:
        """Writes a note; it is durable when this returns."""
        self._store.put(f"{self._folder}/{name}", data)
        self._check()

    def drop(self, name: str) -> None:
        """Removes a note, if it is there."""
        self._store.remove(f"{self._folder}/{name}")
