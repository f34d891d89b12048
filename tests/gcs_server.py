"""A bucket of the tests' own: the part of Cloud Storage's JSON API that a ledger uses, and strict.

    with GcsServer() as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.endpoint)
        ...
        assert server.names() == ["ledger/FORMAT.json"]

It holds every precondition, on each way to upload and on deletion, checks each checksum that it is
sent, and refuses what it does not know. *Faults* make it fail once each, in the order added:

    server.fail("POST", "/upload/", status=503)       says 503 instead of doing it
    server.fail("POST", "answer.json", after=True)    does it, and hangs up instead of saying so
    server.before("PUT", action)                      calls action before it looks at a request

All buckets exist but one named `missing`.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from types import TracebackType
from typing import Any, Self, cast
from urllib.parse import parse_qsl, unquote, urlsplit

import google_crc32c

_KNOWN = {
    "alt", "fields", "generation", "ifGenerationMatch", "maxResults", "pageToken", "prefix",
    "prettyPrint", "projection", "uploadType", "upload_id",
}  # fmt: skip
_OBJECTS = re.compile(r"(?:/upload|/download)?/storage/v1/b/(?P<bucket>[^/]+)/o(?:/(?P<name>.+))?")
_BUCKET = re.compile(r"/storage/v1/b/[^/]+")


@dataclass(frozen=True, slots=True)
class Stored:
    """An object.

    Attributes:
        data: Its bytes.
        generation: Its generation.
        metadata: What its writer noted.
    """

    data: bytes
    generation: int
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that goes wrong, once, with a request whose method and path fit."""

    method: str
    part: str
    status: int | None
    after: bool
    action: Callable[[], object] | None


class _Refusal(Exception):
    """An answer other than 200."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class _Upload:
    """A resumable upload that was begun."""

    bucket: str
    resource: Mapping[str, Any]
    query: Mapping[str, str]


class GcsServer:
    """The server; a context manager.

    Args:
        page_size: Most objects that one page of a listing shows.

    Attributes:
        objects: All objects by bucket and name.
        requests: Method and path, with its query, of each request, in the order they came.
        headers: The headers of each, names in lower case.
        faults: Those that have not happened so far.
    """

    def __init__(self, page_size: int = 1000) -> None:
        self.objects: dict[tuple[str, str], Stored] = {}
        self.requests: list[str] = []
        self.headers: list[Mapping[str, str]] = []
        self._page_size = page_size
        self.faults: list[Fault] = []
        self._uploads: dict[str, _Upload] = {}
        self._generations = count(1_790_000_000_000_000)
        self._lock = threading.RLock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        cast(Any, self._server).owner = self
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def endpoint(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def names(self, bucket: str = "bucket", prefix: str = "") -> list[str]:
        """Returns the names of a bucket's objects that begin with a prefix, sorted."""
        with self._lock:
            return sorted(
                name for where, name in self.objects if where == bucket and name.startswith(prefix)
            )

    def put(self, name: str, data: bytes, bucket: str = "bucket", **metadata: str) -> None:
        """Puts an object there, in place of any that was there."""
        with self._lock:
            self.objects[bucket, name] = Stored(data, next(self._generations), metadata)

    def fail(
        self, method: str, part: str, *, status: int | None = None, after: bool = False
    ) -> None:
        """Makes one request fail: the next whose method and path (or body's name) fit.

        Args:
            method: Its method.
            part: What its path, with the query, or the name of its object holds.
            status: Its answer; None where the connection is closed without one.
            after: Whether the request is done all the same.
        """
        self.faults.append(Fault(method, part, status, after, None))

    def before(self, method: str, part: str, action: Callable[[], object]) -> None:
        """Calls an action once, before it looks at the next request that fits."""
        self.faults.append(Fault(method, part, None, False, action))

    def count(self, method: str, part: str) -> int:
        """Returns how many requests of a method had something in their path and query."""
        return sum(line.startswith(f"{method} ") and part in line for line in self.requests)

    def fault(self, method: str, where: str) -> Fault | None:
        """Takes the first fault that fits, if any."""
        with self._lock:
            for fault in self.faults:
                if fault.method == method and fault.part in where:
                    self.faults.remove(fault)
                    return fault
        return None

    def answer(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[dict[str, str], bytes]:
        """Does what a request asks.

        Returns:
            Headers and body of the answer with status 200.
        """
        split = urlsplit(url)
        query = dict(parse_qsl(split.query, keep_blank_values=True))
        if unknown := query.keys() - _KNOWN:
            raise _Refusal(400, f"unknown parameter {min(unknown)}")
        if method == "GET" and _BUCKET.fullmatch(split.path):
            return _as_json({"projectNumber": "1", "location": "EU", "metageneration": "1"})
        found = _OBJECTS.fullmatch(split.path)
        if found is None:
            raise _Refusal(400, f"no such method: {method} {split.path}")
        bucket, name = found["bucket"], unquote(found["name"] or "")
        if bucket == "missing":
            raise _Refusal(404, "The specified bucket does not exist.")
        with self._lock:
            match method, query.get("uploadType"), query.get("alt"), bool(name):
                case "POST", "multipart", _, False:
                    resource, data = _parts(headers["content-type"], body)
                    return self._create(_Upload(bucket, resource, query), data)
                case "POST", "resumable", _, False:
                    return self._begin(_Upload(bucket, json.loads(body), query))
                case "PUT", "resumable", _, False:
                    return self._finish(query["upload_id"], headers, body)
                case "GET", None, "media", True:
                    return self._media(bucket, name, query)
                case "GET", None, _, True:
                    return _as_json(_resource(bucket, name, self._found(bucket, name, query)))
                case "GET", None, _, False:
                    return self._list(bucket, query)
                case "DELETE", None, _, True:
                    self._found(bucket, name, query)
                    del self.objects[bucket, name]
                    return {}, b""
        raise _Refusal(400, f"no such method: {method} {url}")

    def _create(self, upload: _Upload, data: bytes) -> tuple[dict[str, str], bytes]:
        name = str(upload.resource["name"])
        self._hold(upload.bucket, name, upload.query)
        if upload.resource.get("crc32c", _crc32c(data)) != _crc32c(data):
            raise _Refusal(400, "the CRC32C does not match")
        metadata = upload.resource.get("metadata", {})
        stored = Stored(data, next(self._generations), metadata)
        self.objects[upload.bucket, name] = stored
        return _as_json(_resource(upload.bucket, name, stored))

    def _begin(self, upload: _Upload) -> tuple[dict[str, str], bytes]:
        self._hold(upload.bucket, str(upload.resource["name"]), upload.query)
        key = f"upload-{len(self._uploads)}"
        self._uploads[key] = upload
        path = f"/upload/storage/v1/b/{upload.bucket}/o"
        return {"Location": f"{self.endpoint}{path}?uploadType=resumable&upload_id={key}"}, b""

    def _finish(
        self, key: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[dict[str, str], bytes]:
        """Takes the one chunk of a resumable upload. The precondition is held again here."""
        whole = f"bytes 0-{len(body) - 1}/{len(body)}"
        if headers["content-range"] != whole:
            raise _Refusal(400, f"{headers['content-range']} instead of {whole}")
        return self._create(self._uploads[key], body)

    def _media(
        self, bucket: str, name: str, query: Mapping[str, str]
    ) -> tuple[dict[str, str], bytes]:
        stored = self._found(bucket, name, query)
        return {
            "X-Goog-Hash": f"crc32c={_crc32c(stored.data)}",
            "X-Goog-Generation": str(stored.generation),
            "Content-Type": "application/json",
        }, stored.data

    def _list(self, bucket: str, query: Mapping[str, str]) -> tuple[dict[str, str], bytes]:
        names = self.names(bucket, query.get("prefix", ""))
        after = base64.urlsafe_b64decode(query.get("pageToken", "")).decode()
        names = [name for name in names if name > after]
        size = min(self._page_size, int(query.get("maxResults", self._page_size)))
        page: dict[str, Any] = {
            "items": [
                {"name": name, "metadata": self.objects[bucket, name].metadata}
                for name in names[:size]
            ]
        }
        if len(names) > size:
            page["nextPageToken"] = base64.urlsafe_b64encode(names[size - 1].encode()).decode()
        return _as_json(page)

    def _found(self, bucket: str, name: str, query: Mapping[str, str]) -> Stored:
        stored = self.objects.get((bucket, name))
        if stored is None or query.get("generation", str(stored.generation)) != str(
            stored.generation
        ):
            raise _Refusal(404, f"No such object: {bucket}/{name}")
        self._hold(bucket, name, query)
        return stored

    def _hold(self, bucket: str, name: str, query: Mapping[str, str]) -> None:
        """Holds the precondition: a generation, where 0 says that there must be no object."""
        there = self.objects.get((bucket, name))
        wanted = query.get("ifGenerationMatch")
        if wanted is not None and int(wanted) != (there.generation if there else 0):
            raise _Refusal(412, "At least one of the pre-conditions you specified did not hold.")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 10
    disable_nagle_algorithm = True  # else each answer waits for the client's delayed ACK

    def do_GET(self) -> None:
        self._handle()

    do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815 - http.server's names

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""

    def _handle(self) -> None:
        owner: GcsServer = cast(Any, self.server).owner
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        owner.requests.append(f"{self.command} {self.path}")
        owner.headers.append(headers)
        named = re.search(rb'"name": ?"([^"]+)"', body[:2000])
        where = f"{unquote(self.path)} {named[1].decode() if named else ''}"
        fault = owner.fault(self.command, where)
        if fault and fault.action:
            fault.action()
        elif fault and not fault.after:
            self._fail(fault)
            return
        status, more, content = self._answer(owner, headers, body)
        if fault and fault.after:
            self._fail(fault)
            return
        self._send(status, more, content)

    def _answer(
        self, owner: GcsServer, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, Mapping[str, str], bytes]:
        try:
            return (200, *owner.answer(self.command, self.path, headers, body))
        except _Refusal as refusal:
            error = {"error": {"code": refusal.status, "message": str(refusal)}}
            return (refusal.status, *_as_json(error))

    def _fail(self, fault: Fault) -> None:
        self.close_connection = True
        if fault.status is not None:
            self._send(fault.status, {}, b'{"error": {"message": "a fault"}}')

    def _send(self, status: int, headers: Mapping[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _parts(content_type: str, body: bytes) -> tuple[dict[str, Any], bytes]:
    """Returns the resource and the bytes of a multipart upload."""
    boundary = content_type.partition("boundary=")[2].strip('"').encode()
    _, resource, data, _ = body.split(b"--" + boundary)
    content = data.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n")
    return json.loads(resource.partition(b"\r\n\r\n")[2]), content


def _resource(bucket: str, name: str, stored: Stored) -> dict[str, Any]:
    return {
        "kind": "storage#object",
        "bucket": bucket,
        "name": name,
        "size": str(len(stored.data)),
        "generation": str(stored.generation),
        "metageneration": "1",
        "crc32c": _crc32c(stored.data),
        "timeCreated": datetime.now(UTC).isoformat(),
        "metadata": stored.metadata,
    }


def _as_json(value: Mapping[str, Any]) -> tuple[dict[str, str], bytes]:
    return {"Content-Type": "application/json"}, json.dumps(value).encode()


def _crc32c(data: bytes) -> str:
    return base64.b64encode(google_crc32c.value(data).to_bytes(4, "big")).decode()
