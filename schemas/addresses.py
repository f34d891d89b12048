"""Which paths in a file are addresses."""

from __future__ import annotations


def is_address(path: str) -> bool:
    """Whether a path is an address of another kind than a folder on a file system."""
    return "://" in path
