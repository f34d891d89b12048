"""The few ways in which files are written.

Everything appears whole or not at all: it is written under a hidden name in the same folder, made
durable, and renamed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from schemas.errors import StillroomError


@contextmanager
def partial_file(folder: Path) -> Iterator[Path]:
    """Gives a path to write to that no reader sees, and clears it away if it is not shown.

    Args:
        folder: Where the file shall stand; it is made.

    Yields:
        A path in the folder, to be written and then shown.

    Raises:
        StillroomError: The disk is full, or the folder cannot be written.
    """
    hidden = folder / f".{uuid.uuid4().hex}.partial"
    with explain_os_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            yield hidden
        finally:
            hidden.unlink(missing_ok=True)


def commit(hidden: Path, path: Path) -> None:
    """Makes a hidden file durable and gives it its name, in place of what stood there."""
    make_durable(hidden)
    os.replace(hidden, path)
    make_durable(path.parent)


@contextmanager
def explain_os_errors(path: Path) -> Iterator[None]:
    """Turns what the file system refuses into an error that says where and what to do."""
    try:
        yield
    except OSError as error:
        raise StillroomError(
            f"{path}: cannot be written ({error.strerror or error})\n"
            "  nothing that was paid for is lost; mend it and run again"
        ) from error


def write_file(path: Path, data: bytes) -> None:
    """Writes a whole file or nothing.

    Args:
        path: The file; its folder is made.
        data: What it shall hold.

    Raises:
        StillroomError: It cannot be written.
    """
    with partial_file(path.parent) as hidden:
        hidden.write_bytes(data)
        commit(hidden, path)


def link_or_copy(source: Path, target: Path) -> None:
    """Puts a finished file at a second place, without a copy where the file system can.

    A hard link is safe, since no file of ours is ever changed in place.

    Args:
        source: The file.
        target: Where it shall also stand; its folder is made.
    """
    with explain_os_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source, target)
        except OSError:  # another file system, or one without links
            shutil.copyfile(source, target)
            make_durable(target)


def make_durable(path: Path) -> None:
    """Waits until a file, or the names in a folder, would survive a loss of power."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sha256_of(path: Path) -> str:
    """Returns the SHA-256 of a file, in hex, reading it as a stream."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
