"""Objects in a bucket: how a lost race is known."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from google.api_core.exceptions import PreconditionFailed
from google.cloud import storage
from google.cloud.storage.exceptions import InvalidResponse

from tests.gcs_server import GcsServer
from transforms.storage.gcs import Store, is_lost_race


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[GcsServer]:
    with GcsServer() as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.endpoint)
        yield server


def test_more_than_ten_connections_are_kept(
    server: GcsServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.put("folder/name", b"data")
    store = Store("bucket", "folder", what="the test", connections=16, patience_seconds=5)
    together = threading.Barrier(16)
    for _ in range(16):
        server.before("GET", "alt=media", together.wait)
    with caplog.at_level(logging.WARNING), ThreadPoolExecutor(16) as pool:
        assert [*pool.map(store.get, ["name"] * 16)] == [b"data"] * 16
    assert "pool is full" not in caplog.text


def test_both_ways_in_which_the_client_library_says_412_are_a_race_lost(server: GcsServer) -> None:
    bucket = storage.Client(project=None).bucket("bucket")
    server.put("taken", b"first")
    with pytest.raises(PreconditionFailed) as wrapped:
        bucket.blob("taken").upload_from_string(b"second", if_generation_match=0)
    assert is_lost_race(wrapped.value)
    assert is_lost_race(_refused_stream(bucket.blob("taken")))
    server.fail("POST", "uploadType=resumable", status=403)
    assert not is_lost_race(_refused_stream(bucket.blob("free")))


def _refused_stream(blob: Any) -> InvalidResponse:
    """Returns what a refused stream raises: it is uploaded the resumable way, and unwrapped."""
    stream = blob.open("wb", if_generation_match=0)
    stream.write(b"second")
    with pytest.raises(InvalidResponse) as caught:
        stream.close()
    stream.terminate()  # else it tries again when it is collected
    return caught.value
