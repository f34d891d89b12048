"""Notes of batches beside a ledger's responses: small files, each created once, never changed.

They name what was ordered and is not yet answered. What must be known without reading a note is in
its name, so that a listing is enough.
"""

from __future__ import annotations

import contextlib
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from schemas.errors import StillroomError
from transforms.storage.files import make_durable, translate_os_errors, write_parts

NOTES = "batches"


class NotesLike(Protocol):
    """Keeps notes. Each method may block, and raise a `StillroomError`."""

    def names(self) -> list[str]:
        """Returns the names of all notes, sorted."""

    def get(self, name: str) -> bytes | None:
        """Returns a note; None where there is none of that name."""

    def put(self, name: str, data: bytes = b"") -> None:
        """Writes a note; it is durable when this returns. An existing note is left as it is."""

    def drop(self, name: str) -> None:
        """Removes a note that is no longer needed, if it is there."""


class FolderNotes:
    """The notes of a ledger in a folder.

    Args:
        folder: Where they are; created with the first one.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self) -> list[str]:
        """Returns the names of all notes, sorted."""
        with self._explain():
            if not self._folder.exists():
                return []
            return sorted(
                path.name for path in self._folder.iterdir() if not path.name.startswith(".")
            )

    def get(self, name: str) -> bytes | None:
        """Returns a note; None where there is none of that name."""
        with self._explain(), contextlib.suppress(FileNotFoundError):
            return (self._folder / name).read_bytes()
        return None

    def put(self, name: str, data: bytes = b"") -> None:
        """Writes a note; it is durable when this returns."""
        path = self._folder / name
        with self._explain():
            if path.exists():
                return
            if not self._folder.exists():
                self._folder.mkdir(exist_ok=True)
                make_durable(self._folder.parent)
            write_parts(path, [data])

    def drop(self, name: str) -> None:
        """Removes a note, if it is there."""
        with self._explain():
            (self._folder / name).unlink(missing_ok=True)

    def _explain(self) -> AbstractContextManager[None]:
        return translate_os_errors(
            lambda error: StillroomError(
                f"the ledger's folder {self._folder} cannot be used: {error.strerror or error}\n"
                f"  what the ledger holds is safe; mend it, then run again"
            )
        )
