"""Files that a run reads and never changes: on a disk, or in a bucket of Cloud Storage.

An address is a path, or `gs://bucket/name`.
"""

from __future__ import annotations

import contextlib
import glob
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from schemas.addresses import is_address, join_address, split_address
from schemas.errors import InputError, StillroomError
from transforms.storage.home import open_bucket

_WILDCARD = re.compile(r"[*?[]")
_WHAT = "the bucket"


def find_inputs(pattern: str, base: str) -> list[str]:
    """Returns the files that match a pattern, sorted by name.

    A pattern means the same for a disk and for a bucket: `*`, `?` and `[…]` match within one part
    of a path, `**` any number of parts, and none of them a name that begins with a dot.

    Args:
        pattern: An address with or without wildcards. A path is relative to `base`.
        base: A folder, also one in a bucket.

    Returns:
        Names as the pattern writes them: relative to `base`, or whole addresses.

    Raises:
        InputError: The bucket does not exist, or may not be listed.
        StillroomError: The bucket cannot be reached.
    """
    address = join_address(base, pattern)
    if not is_address(address):
        found = glob.glob(pattern, root_dir=base, recursive=True)
        return sorted(name for name in found if os.path.isfile(join_address(base, name)))
    bucket, wanted = split_address(address)
    fixed = _WILDCARD.split(wanted, maxsplit=1)[0]
    with contextlib.closing(open_bucket(f"gs://{bucket}", _WHAT)) as store:
        names = [each.name for each in store.list(fixed)]
    addresses = [
        f"gs://{bucket}/{name}"
        for name in names
        if not name.endswith("/") and matches(name.split("/"), wanted.split("/"))
    ]
    return addresses if is_address(pattern) else [a.removeprefix(f"{base}/") for a in addresses]


def matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Returns whether the parts of a path match those of a pattern, as `glob.glob` does.

    Args:
        parts: The names of folders, and of the file at the end.
        pattern: The same of the pattern.
    """
    if not pattern:
        return not parts
    first, rest = pattern[0], pattern[1:]
    if first == "**":
        if not rest:
            return bool(parts) and all(not part.startswith(".") for part in parts)
        visible = bool(parts) and not parts[0].startswith(".")
        return matches(parts, rest) or (visible and matches(parts[1:], pattern))
    if not parts or (parts[0].startswith(".") and not first.startswith(".")):
        return False
    return fnmatchcase(parts[0], first) and matches(parts[1:], rest)


@contextlib.contextmanager
def open_input(address: str) -> Iterator[Path]:
    """Yields the path of a file on this machine; one in a bucket is copied, and removed afterwards.

    Args:
        address: A path, or `gs://bucket/name`. A copy lies in the folder for temporary files
            (`TMPDIR`). Its checksum is compared.

    Raises:
        InputError: There is no such object, or it may not be read.
        StillroomError: The bucket cannot be reached, or the disk is full.
    """
    if not address.startswith("gs://"):
        yield Path(address)
        return
    bucket, name = split_address(address)
    with scratch_folder() as folder:
        path = folder / os.path.basename(name)
        with contextlib.closing(open_bucket(f"gs://{bucket}", _WHAT)) as store:
            if not store.download(name, path):
                raise InputError("no such file", where=address)
        yield path


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    """Yields a new folder on this machine (below `TMPDIR`), and removes it afterwards.

    Raises:
        StillroomError: It cannot be made.
    """
    try:
        folder = tempfile.TemporaryDirectory(prefix="stillroom-")
    except OSError as error:
        raise StillroomError(
            f"no folder for temporary files can be made: {error.strerror}\n"
            "  set TMPDIR to a folder with free space"
        ) from error
    with folder as path:
        yield Path(path)
