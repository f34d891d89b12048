"""The objects in a bucket of Cloud Storage: each is written whole, under a precondition.

An upload that is repeated after its response was lost finds its own object and gets 412, as if
another writer had won. So a 412 is a lost race only if the object there is not what was sent.
"""

from __future__ import annotations

import base64
import errno
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple

import google.auth
import google_crc32c
from google.api_core.exceptions import (
    GoogleAPICallError,
    GoogleAPIError,
    NotFound,
    PreconditionFailed,
    RetryError,
)
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError
from google.auth.transport.requests import AuthorizedSession
from google.cloud import storage
from google.cloud.storage.exceptions import DataCorruption, InvalidResponse
from google.cloud.storage.retry import DEFAULT_RETRY
from requests.adapters import HTTPAdapter

from schemas.errors import InputError, StillroomError

_EMULATOR = "STORAGE_EMULATOR_HOST"
_TIMEOUT_SECONDS = (10, 60)  # to connect, and between two pieces of an answer
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.2, 20.0
_PIECE_BYTES = 2**20
_LISTED_FIELDS = "items(name,metadata),nextPageToken"
_WRONG_SET_UP = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)
_FAILURES = (GoogleAPIError, GoogleAuthError, InvalidResponse, DataCorruption, OSError)


class Listed(NamedTuple):
    """An object as a listing shows it.

    Attributes:
        name: Its name below the store's address.
        metadata: What its writer stored with it.
    """

    name: str
    metadata: Mapping[str, str]


class Store:
    """The objects below one address. Threads may share it; it is never pickled.

    If `STORAGE_EMULATOR_HOST` is set, that server is used, without credentials. The client library
    retries every call: that is safe, as each write has a precondition.

    Args:
        bucket: The bucket's name.
        folder: The beginning of the names of its objects, without the slash; "" for the whole
            bucket.
        connections: How many threads use it at once.
        patience_seconds: How long all tries at one call may take.
        what: What is kept there, for messages.

    Raises:
        InputError: There are no credentials.
    """

    def __init__(
        self,
        bucket: str,
        folder: str = "",
        *,
        connections: int,
        patience_seconds: float,
        what: str,
    ) -> None:
        self._prefix = f"{folder}/" if folder else ""
        self.address = f"gs://{bucket}/{folder}".rstrip("/")
        self._what = what
        self._options: dict[str, Any] = {
            "timeout": _TIMEOUT_SECONDS,
            "retry": DEFAULT_RETRY.with_timeout(patience_seconds).with_delay(
                initial=_FIRST_PAUSE_SECONDS, maximum=_LONGEST_PAUSE_SECONDS, multiplier=2.0
            ),
        }
        with self._explain_errors():
            self._client = _make_client(connections)
            self._bucket = self._client.bucket(bucket)

    def put(
        self, name: str, data: bytes, generation: int = 0, metadata: Mapping[str, str] | None = None
    ) -> int | None:
        """Writes an object in one piece, if the generation that it replaces is the given one.

        Args:
            name: Its name below the address.
            data: Its bytes.
            generation: The generation that it replaces; 0 where there must be none.
            metadata: What listings show of it.

        Returns:
            Its new generation, durable; None where another was there.

        Raises:
            StillroomError: The bucket cannot be reached.
        """
        blob = self._bucket.blob(self._prefix + name)
        blob.metadata = dict(metadata or {})
        with self._explain_errors():
            try:
                blob.upload_from_string(
                    data,
                    content_type="application/json",
                    if_generation_match=generation,
                    **self._options,
                )
            except (PreconditionFailed, InvalidResponse) as error:
                if not is_lost_race(error):
                    raise
                return self._own_generation(name, data)
        return int(blob.generation)

    def put_file(self, name: str, path: Path) -> bool:
        """Writes a file as an object, if there is none of that name.

        Args:
            name: Its name below the address.
            path: The file.

        Returns:
            Whether the object is there now with these bytes.

        Raises:
            StillroomError: The bucket cannot be reached.
        """
        blob = self._bucket.blob(self._prefix + name)
        with self._explain_errors():
            try:
                blob.upload_from_filename(str(path), if_generation_match=0, **self._options)
            except (PreconditionFailed, InvalidResponse) as error:
                if not is_lost_race(error):
                    raise
                found = self._bucket.get_blob(self._prefix + name, **self._options)
                return found is not None and found.crc32c == _crc32c_of(path)
        return True

    def get(self, name: str) -> bytes | None:
        """Returns an object's bytes, checked against its checksum; None where there is none.

        Raises:
            StillroomError: The bucket cannot be reached.
        """
        with self._explain_errors():
            try:
                data: bytes = self._bucket.blob(self._prefix + name).download_as_bytes(
                    **self._options
                )
            except NotFound:
                return None
        return data

    def download(self, name: str, path: Path) -> bool:
        """Copies an object to a file, checked against its checksum.

        An object that was stored compressed (`Content-Encoding: gzip`) is unpacked, unless its
        name says that it is a compressed file.

        Args:
            name: Its name below the address.
            path: The file.

        Returns:
            Whether there is such an object.

        Raises:
            StillroomError: The bucket cannot be reached, or the disk is full.
        """
        blob = self._bucket.blob(self._prefix + name)
        with self._explain_errors(), _explain_full_disk(path):
            try:
                blob.download_to_filename(
                    str(path), raw_download=name.endswith(".gz"), **self._options
                )
            except NotFound:
                return False
        return True

    def get_with_generation(self, name: str) -> tuple[bytes, int] | None:
        """Returns an object's bytes and generation; None where there is none, or it changes now.

        Raises:
            InputError: There is no such bucket.
            StillroomError: The bucket cannot be reached.
        """
        with self._explain_errors():
            blob = self._bucket.get_blob(self._prefix + name, **self._options)
            if blob is None:
                # A missing bucket looks the same here, but not to a listing.
                next(self.list(most=1), None)
                return None
            generation = int(blob.generation)
            try:  # of that generation, as the library asks for what it found
                data = blob.download_as_bytes(**self._options)
            except NotFound:
                return None
        return data, generation

    def list(self, prefix: str = "", most: int | None = None) -> Iterator[Listed]:
        """Yields the objects whose names begin with a prefix, in the order of names.

        Args:
            prefix: A prefix of names below the address; it may end within a word.
            most: How many at most; None for all, page by page.

        Raises:
            StillroomError: The bucket cannot be reached.
        """
        with self._explain_errors():
            for blob in self._client.list_blobs(
                self._bucket,
                prefix=self._prefix + prefix,
                max_results=most,
                fields=_LISTED_FIELDS,
                **self._options,
            ):
                yield Listed(blob.name.removeprefix(self._prefix), blob.metadata or {})

    def delete(self, name: str, generation: int) -> None:
        """Deletes an object if it is still of this generation.

        Raises:
            StillroomError: The bucket cannot be reached.
        """
        with self._explain_errors(), suppress(NotFound, PreconditionFailed):
            self._bucket.delete_blob(
                self._prefix + name, if_generation_match=generation, **self._options
            )

    def remove(self, name: str) -> None:
        """Deletes an object as it is now, if it is there."""
        found = self.get_with_generation(name)
        if found is not None:
            self.delete(name, found[1])

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def _own_generation(self, name: str, data: bytes) -> int | None:
        """Returns the generation of what is there, if it is what was sent."""
        found = self._bucket.get_blob(self._prefix + name, **self._options)
        if found is None or (found.size, found.crc32c) != (len(data), _crc32c(data)):
            return None
        return int(found.generation)

    @contextmanager
    def _explain_errors(self) -> Iterator[None]:
        """Raises an error that names what is kept there, in place of one of the library."""
        try:
            yield
        except _FAILURES as error:
            raise _problem(self._what, self.address, error) from error


def is_lost_race(error: GoogleAPICallError | InvalidResponse) -> bool:
    """Returns whether a precondition failed. The client library has two errors for that.

    Args:
        error: `PreconditionFailed`, or an `InvalidResponse` that carries the status.
    """
    if isinstance(error, InvalidResponse):
        return bool(error.response.status_code == HTTPStatus.PRECONDITION_FAILED)
    return isinstance(error, PreconditionFailed)


def _make_client(connections: int) -> Any:
    credentials = AnonymousCredentials() if os.getenv(_EMULATOR) else _default_credentials()
    session = AuthorizedSession(credentials)
    # By default ten connections are kept, and each further thread connects anew each time.
    for scheme in ("https://", "http://"):
        session.mount(scheme, HTTPAdapter(pool_maxsize=connections))
    # The client library documents no other way to a session of one's own. The address names the
    # bucket, so there is no project.
    return storage.Client(project=None, credentials=credentials, _http=session)


def _default_credentials() -> Any:
    credentials, _ = google.auth.default(scopes=storage.Client.SCOPE)
    return credentials


def _crc32c_of(path: Path) -> str:
    value = 0
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            value = google_crc32c.extend(value, piece)
    return base64.b64encode(value.to_bytes(4, "big")).decode()


def _crc32c(data: bytes) -> str:
    return base64.b64encode(google_crc32c.value(data).to_bytes(4, "big")).decode()


@contextmanager
def _explain_full_disk(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise StillroomError(
            f"{path.parent}: the disk is full\n"
            "  set TMPDIR to a folder with free space, then run again"
        ) from error


def _problem(what: str, address: str, error: Exception) -> StillroomError:
    cause = error.cause if isinstance(error, RetryError) and error.cause else error
    code = _status(cause)
    if isinstance(cause, DefaultCredentialsError):
        return InputError(
            f"{what} cannot be used: there are no Google credentials",
            where=address,
            remedy="run `gcloud auth application-default login`, or start from a service account",
        )
    if code in _WRONG_SET_UP:
        return InputError(
            f"{what} cannot be used",
            where=address,
            found=f"{code.value} {code.phrase}",
            expected="a bucket whose objects may be read, listed, created and deleted",
        )
    found = f"{code.value} {code.phrase}" if code else type(cause).__name__
    return StillroomError(
        f"{what} {address} cannot be reached: {found}\n"
        f"  what it holds is safe; run again when the bucket answers"
    )


def _status(error: BaseException) -> HTTPStatus | None:
    """Returns the HTTP status of an error; None where it has none that is known."""
    code: object = None
    if isinstance(error, InvalidResponse):
        code = error.response.status_code
    elif isinstance(error, GoogleAPICallError):
        code = error.code
    return HTTPStatus(code) if isinstance(code, int) and code in list(HTTPStatus) else None
