"""Fixtures: a ledger in a folder, one in a bucket, and `home`, which is each of both in turn."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.addresses import split_address
from tests.gcs_server import GcsServer
from tests.transforms.ledger.samples import ADDRESS, Clock, Home
from transforms.ledger import Ledger
from transforms.ledger.gcs import GcsLedger
from transforms.storage.gcs import Store

_PREFIX = "some/ledger/"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[GcsServer]:
    with GcsServer(page_size=7) as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.endpoint)
        yield server


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def folder_ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger")


@pytest.fixture
def bucket_ledger(server: GcsServer, clock: Clock) -> GcsLedger:
    return GcsLedger(ADDRESS, clock, clock.pause, connections=8, patience_seconds=5)


@pytest.fixture
def store(server: GcsServer) -> Store:
    return Store(*split_address(ADDRESS), what="the ledger", connections=8, patience_seconds=5)


@pytest.fixture(params=["folder", "bucket"])
def home(request: pytest.FixtureRequest) -> Home:
    """A ledger in a folder, then one in a bucket: what is tested with it holds for both."""
    found: Home = request.getfixturevalue(f"{request.param}_home")
    return found


@pytest.fixture
def folder_home(folder_ledger: Ledger) -> Home:
    ledger = folder_ledger

    def put(name: str, data: bytes) -> None:
        path = ledger.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def stored() -> dict[str, bytes]:
        files = (path for path in ledger.path.rglob("*") if path.is_file())
        return {str(path.relative_to(ledger.path)): path.read_bytes() for path in files}

    return Home(ledger, put, stored)


@pytest.fixture
def bucket_home(bucket_ledger: GcsLedger, server: GcsServer) -> Home:
    def stored() -> dict[str, bytes]:
        return {name.removeprefix(_PREFIX): each.data for (_, name), each in server.objects.items()}

    return Home(bucket_ledger, lambda name, data: server.put(_PREFIX + name, data), stored)
