"""Stages requests on disk, one file for each bucket, so that no text travels through a shuffle.

The files are Arrow IPC streams with zstd. A bucket is read a few hundred requests at a time.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from schemas.arrow import MESSAGES
from schemas.buckets import bucket_of
from schemas.files import unstructure
from schemas.prompts import Message, Prompt
from schemas.requests import Request
from transforms.storage.files import commit, partial_file

_ROWS = 512  # requests of one bucket that are held in memory before they are written

_OPTIONS = pa.ipc.IpcWriteOptions(compression="zstd")
_SCHEMA = pa.schema(
    [
        pa.field("request_id", pa.string()),
        pa.field("teacher", pa.string()),
        pa.field("model", pa.string()),
        pa.field("revision", pa.string()),
        pa.field("messages", MESSAGES),
        pa.field("parameters", pa.string()),
        pa.field("sample_index", pa.int32()),
        pa.field("repair", pa.bool_()),
        pa.field("prompt", pa.string()),
        pa.field("withheld", pa.bool_()),
    ]
)


class RequestStage:
    """Writes requests to one file for each bucket. Use it as a context manager.

    Args:
        folder: Where the files are written; it is created.
        bits: How many leading bits of a request's id give its bucket.
    """

    def __init__(self, folder: Path, bits: int) -> None:
        self._folder = folder
        self._bits = bits
        self._waiting: dict[int, list[dict[str, Any]]] = defaultdict(list)
        self._writers: dict[int, pa.ipc.RecordBatchStreamWriter] = {}

    def __enter__(self) -> RequestStage:
        self._folder.mkdir(parents=True, exist_ok=True)
        return self

    def add(self, request: Request, *, withheld: bool = False) -> None:
        """Adds a request to its bucket; one that is withheld is not asked."""
        bucket = bucket_of(request.request_id, self._bits)
        self._waiting[bucket].append(_row(request, withheld=withheld))
        if len(self._waiting[bucket]) >= _ROWS:
            self._write(bucket)

    def buckets(self) -> list[int]:
        """Returns the buckets that hold a request."""
        return sorted(self._waiting)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for bucket in self.buckets():
            self._write(bucket)
        for writer in self._writers.values():
            writer.close()

    def _write(self, bucket: int) -> None:
        rows = self._waiting[bucket]
        if bucket not in self._writers:
            path = str(bucket_file(self._folder, bucket))
            self._writers[bucket] = pa.ipc.new_stream(path, _SCHEMA, options=_OPTIONS)
        self._writers[bucket].write_table(pa.Table.from_pylist(rows, schema=_SCHEMA))
        rows.clear()


def bucket_file(folder: Path, bucket: int) -> Path:
    """Returns the path of a bucket's requests."""
    return folder / f"{bucket:04d}.arrow"


def write_requests(folder: Path, bucket: int, requests: Iterable[Request]) -> None:
    """Writes a bucket's requests, all or nothing; writing them again gives the same file.

    Args:
        folder: Where the file is written; it is created.
        bucket: The bucket.
        requests: Its requests, drawn a few hundred at a time.
    """
    requests = iter(requests)
    with partial_file(folder) as hidden:
        with pa.ipc.new_stream(str(hidden), _SCHEMA, options=_OPTIONS) as writer:
            while rows := [_row(request) for request in islice(requests, _ROWS)]:
                writer.write_table(pa.Table.from_pylist(rows, schema=_SCHEMA))
        commit(hidden, bucket_file(folder, bucket), durable=False)


def read_requests(folder: Path, bucket: int) -> Iterator[Request]:
    """Yields all of a bucket's requests in the order in which they were staged.

    Args:
        folder: Where the bucket's file is.
        bucket: The bucket.
    """
    return _read(folder, bucket, lambda batch: batch)


def requests_to_ask(folder: Path, bucket: int, teacher: str) -> Iterator[Request]:
    """Yields a bucket's requests to one route, without those that are withheld.

    The others are skipped before they are decoded: making Python objects is most of the work.

    Args:
        folder: Where the bucket's file is.
        bucket: The bucket.
        teacher: Id of the route.
    """
    return _read(
        folder,
        bucket,
        lambda batch: batch.filter(
            pc.and_not(pc.equal(batch["teacher"], teacher), batch["withheld"])
        ),
    )


def _read(
    folder: Path, bucket: int, choose: Callable[[pa.RecordBatch], pa.RecordBatch]
) -> Iterator[Request]:
    with pa.OSFile(str(bucket_file(folder, bucket))) as file, pa.ipc.open_stream(file) as batches:
        for batch in batches:
            for row in choose(batch).to_pylist():
                yield _request(row)


def _row(request: Request, *, withheld: bool = False) -> dict[str, Any]:
    row: dict[str, Any] = unstructure(request)
    prompt = row.pop("prompt")
    return row | {"prompt": json.dumps(prompt, ensure_ascii=False), "withheld": withheld}


def _request(row: dict[str, Any]) -> Request:
    prompt = json.loads(row["prompt"])
    return Request(
        request_id=row["request_id"],
        prompt=Prompt(**prompt | {"messages": _messages(prompt["messages"])}),
        teacher=row["teacher"],
        model=row["model"],
        revision=row["revision"],
        messages=_messages(row["messages"]),
        parameters=row["parameters"],
        sample_index=row["sample_index"],
        repair=row["repair"],
    )


def _messages(turns: list[dict[str, str]]) -> tuple[Message, ...]:
    return tuple(Message(turn["role"], turn["content"]) for turn in turns)
