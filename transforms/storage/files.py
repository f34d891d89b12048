"""Writes files in a folder: each is there whole, or not at all.

A file is written under a hidden name in the same folder, fsynced, and renamed. No other room
renames or fsyncs files.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from schemas.errors import StillroomError


@contextmanager
def partial_file(folder: Path) -> Iterator[Path]:
    """Yields a hidden path to write to and then `commit`; removes it if it is not committed.

    Args:
        folder: Where the file will be; created if need be.

    Raises:
        StillroomError: The disk is full, or the folder cannot be written.
    """
    with explain_os_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with _hidden(folder / f".{uuid.uuid4().hex}.partial") as hidden:
            yield hidden


def commit(hidden: Path, path: Path, *, durable: bool = True) -> None:
    """Fsyncs a hidden file, then renames it over `path`.

    Args:
        hidden: The file, in the folder of `path`.
        path: Its name.
        durable: Whether it must survive a loss of power. Files in a work folder need not.

    Raises:
        OSError: The disk is full or fails.
    """
    if durable:
        make_durable(hidden)
    os.replace(hidden, path)
    if durable:
        make_durable(path.parent)


def commit_folder(hidden: Path, folder: Path) -> None:
    """Fsyncs the names in a hidden folder, whose files are durable, then renames it to `folder`.

    Raises:
        OSError: The disk fails, or there is a folder of that name.
    """
    for inner, _, _ in os.walk(hidden, topdown=False):
        make_durable(Path(inner))
    hidden.rename(folder)
    make_durable(folder.parent)


def write_parts(path: Path, parts: Iterable[bytes], *, durable: bool = True) -> None:
    """Writes a file of many parts, all or nothing.

    Args:
        path: The file; its folder exists.
        parts: Its content. The file has its name only after the last part is drawn.
        durable: Whether it must survive a loss of power.

    Raises:
        OSError: It cannot be written.
    """
    with _hidden(path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")) as hidden:
        with hidden.open("wb") as file:
            file.writelines(parts)
        commit(hidden, path, durable=durable)


def write_file(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Writes a file, all or nothing.

    Args:
        path: The file; its folder is created if need be.
        data: Its content.
        durable: Whether it must survive a loss of power.

    Raises:
        StillroomError: It cannot be written.
    """
    with explain_os_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_parts(path, [data], durable=durable)


@contextmanager
def translate_os_errors(translate: Callable[[OSError], StillroomError]) -> Iterator[None]:
    """Raises an error that a person understands in place of one of the operating system.

    Args:
        translate: Makes that error.
    """
    try:
        yield
    except OSError as error:
        raise translate(error) from error


def explain_os_errors(path: Path) -> AbstractContextManager[None]:
    """Raises a `StillroomError` that says where and what to do, in place of an OSError."""
    return translate_os_errors(
        lambda error: StillroomError(
            f"{path}: cannot be written ({error.strerror or error})\n"
            "  nothing that was paid for is lost; mend it and run again"
        )
    )


def link_or_copy(source: Path, target: Path) -> None:
    """Links a finished file to a second path, or copies it where the file system has no links.

    A hard link is safe, since finished files are never changed in place.

    Args:
        source: The file.
        target: The second path; its folder is created if need be.

    Raises:
        StillroomError: It cannot be written.
    """
    with explain_os_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source, target)
        except OSError:  # another file system, or one without links
            shutil.copyfile(source, target)
            make_durable(target)


def make_durable(path: Path) -> None:
    """Fsyncs a file, or the names in a folder: they survive a loss of power when this returns."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_data(descriptor: int) -> None:
    """Makes the content of an open file survive a loss of power, its time of change aside."""
    getattr(os, "fdatasync", os.fsync)(descriptor)  # macOS has no fdatasync


def sha256_of(path: Path) -> str:
    """Returns the SHA-256 of a file, in hex; reads it as a stream."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _hidden(path: Path) -> Iterator[Path]:
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)
