"""Which paths in a file are addresses."""

from __future__ import annotations

from schemas.errors import InputError


def is_address(path: str) -> bool:
    """Whether a path is an address of another kind than a folder on a file system."""
    return "://" in path


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
