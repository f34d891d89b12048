"""Addresses of files and folders: paths, or `gs://bucket/name`."""

from __future__ import annotations

import os
from os import PathLike

from schemas.errors import InputError

AnyPath = str | PathLike[str]


def is_address(path: str) -> bool:
    """Whether a path is an address of another kind than a folder on a file system."""
    return "://" in path


def join_address(base: str, path: str) -> str:
    """Returns the address of a path that begins at a folder.

    Args:
        base: A folder.
        path: A relative path; an absolute one or an address is returned as it is, an address
            without a slash at its end.
    """
    if is_address(path):
        return path.rstrip("/")
    if is_address(base) and not os.path.isabs(path):
        return f"{base.rstrip('/')}/{path}"
    return os.path.join(base, path)


def parent_address(address: str) -> tuple[str, str]:
    """Returns the folder of a file and the file's name there."""
    if not is_address(address):
        folder, name = os.path.split(os.path.abspath(address))
        return folder, name
    folder, _, name = address.rpartition("/")
    return folder, name


def split_address(address: str) -> tuple[str, str]:
    """Returns the bucket and the name of an address in Cloud Storage.

    Args:
        address: `gs://bucket/name`.

    Raises:
        InputError: A part is missing.
    """
    bucket, _, name = address.removeprefix("gs://").partition("/")
    if not (address.startswith("gs://") and bucket and name):
        raise InputError(
            "the address is not complete", found=repr(address), expected="gs://bucket/name"
        )
    return bucket, name
