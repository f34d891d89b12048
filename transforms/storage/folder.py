"""A home of files in a folder, with the preconditions that Cloud Storage has for objects.

A generation is made of the file's inode, size and time of change: each write makes a new file, so
it has a new one. Writers of one machine, or of one file system with locks, see each other.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from schemas.errors import StillroomError
from transforms.storage.files import make_durable, translate_os_errors, write_parts


class FolderHome:
    """The files of a folder; see `Home`.

    Args:
        address: The folder.
        what: What is kept there, for messages.
    """

    def __init__(self, address: str, *, what: str) -> None:
        self.address = address
        self._folder = Path(address)
        self._what = what

    def get_with_generation(self, name: str) -> tuple[bytes, int] | None:
        """Returns a file's bytes and generation; None where there is none."""
        with self._explain():
            try:
                with (self._folder / name).open("rb") as file:
                    return file.read(), _generation(os.fstat(file.fileno()))
            except FileNotFoundError:
                return None

    def put(self, name: str, data: bytes, generation: int = 0) -> int | None:
        """Writes a file, if the generation that it replaces is the given one."""
        path = self._folder / name
        with self._explain():
            path.parent.mkdir(parents=True, exist_ok=True)
            with _locked(path.parent):
                if _generation_of(path) != generation:
                    return None
                write_parts(path, [data])
                return _generation_of(path)

    def delete(self, name: str, generation: int) -> None:
        """Removes a file if it is still of this generation."""
        path = self._folder / name
        with self._explain():
            if not path.parent.exists():
                return
            with _locked(path.parent):
                if path.exists() and _generation_of(path) == generation:
                    path.unlink()
                    make_durable(path.parent)

    def close(self) -> None:
        """Does nothing: nothing is open."""

    def _explain(self) -> AbstractContextManager[None]:
        return translate_os_errors(
            lambda error: StillroomError(
                f"{self._what} {self.address} cannot be used: {error.strerror or error}"
            )
        )


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _generation_of(path: Path) -> int:
    """Returns a file's generation; 0 where there is none."""
    try:
        return _generation(path.stat())
    except FileNotFoundError:
        return 0


def _generation(found: os.stat_result) -> int:
    return hash((found.st_ino, found.st_size, found.st_mtime_ns)) & (2**63 - 1) or 1
