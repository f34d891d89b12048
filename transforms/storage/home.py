"""Where files are kept: a folder, or a prefix of names in a bucket. Both have one interface."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from schemas.addresses import is_address
from transforms.storage.folder import FolderHome

if TYPE_CHECKING:
    from transforms.storage.gcs import Store

_CONNECTIONS = 4
_PATIENCE_SECONDS = 120.0  # the client library's own default


class Home(Protocol):
    """Files below one address. Each is there whole, or not at all.

    Each method raises a `StillroomError` that names the address where the disk or the bucket fails,
    and an `InputError` where the bucket is not there or may not be used.

    Attributes:
        address: A folder, or `gs://bucket/folder`.
    """

    address: str

    def get_with_generation(self, name: str) -> tuple[bytes, int] | None:
        """Returns a file's bytes and generation; None where there is none."""

    def put(self, name: str, data: bytes, generation: int = 0) -> int | None:
        """Writes a file, if the generation that it replaces is the given one.

        Args:
            name: Its name below the address.
            data: Its bytes.
            generation: The generation that it replaces; 0 where there must be none.

        Returns:
            Its new generation, durable; None where another was there.
        """

    def delete(self, name: str, generation: int) -> None:
        """Deletes a file if it is still of this generation."""

    def close(self) -> None:
        """Closes what is open."""


def open_home(address: str, what: str) -> Home:
    """Opens a home.

    Args:
        address: A folder, or `gs://bucket/folder`.
        what: What is kept there, for messages.

    Raises:
        InputError: The address is not complete, or there are no credentials.
    """
    return open_bucket(address, what) if is_address(address) else FolderHome(address, what=what)


def open_bucket(address: str, what: str) -> Store:
    """Opens a home in a bucket; see `open_home`."""
    from transforms.storage.gcs import Store  # imports the client library: a second

    bucket, _, folder = address.removeprefix("gs://").rstrip("/").partition("/")
    return Store(
        bucket, folder, connections=_CONNECTIONS, patience_seconds=_PATIENCE_SECONDS, what=what
    )
