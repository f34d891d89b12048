"""Reading a ledger in a bucket: few listings, and only the objects that are needed."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from schemas.errors import StillroomError
from tests.gcs_server import GcsServer
from tests.transforms.ledger.samples import (
    ALL,
    SENT_AT,
    answer,
    append_at_once,
    failure,
    name,
    write,
)
from transforms.ledger import RequestOutcome
from transforms.ledger.gcs import GcsLedger

pytestmark = pytest.mark.timeout(30)

RESPONSES = "prefix=some%2Fledger%2Fresponses"


@pytest.fixture
def ledger(bucket_ledger: GcsLedger) -> GcsLedger:
    return bucket_ledger


def responses_in(server: GcsServer) -> list[str]:
    return server.names(prefix="some/ledger/responses/")


def test_what_was_answered_is_found_again_page_after_page(
    ledger: GcsLedger, server: GcsServer
) -> None:
    keys = sorted(f"{i % 3:02x}{name(i)[2:]}" for i in range(60))  # 20 in each of three ranges
    with ledger.writer("0", "run-1") as writer:
        asyncio.run(append_at_once(writer, map(answer, keys)))
    reader = replace(ledger, whole=10).reader()
    server.requests.clear()
    assert all(reader.outcome(key) == RequestOutcome(answered=True, final=True) for key in keys)
    assert reader.outcome(name("another")) is None
    # Two pages that show that it is not small; three pages of seven a range; and one range more.
    assert server.count("GET", RESPONSES) == 2 + 3 * 3 + 1
    assert server.count("GET", "prefix=") == 2 + 3 * 3 + 1 + 1  # one for what was set aside
    assert server.count("GET", "alt=media") == 0


@pytest.mark.parametrize(("whole", "listings"), [(2, 1), (1, 1 + 256)], ids=["small", "large"])
def test_a_search_for_many_ids_lists_each_range_once(
    ledger: GcsLedger, server: GcsServer, whole: int, listings: int
) -> None:
    write(ledger, answer(name(1)))
    reader = replace(ledger, whole=whole).reader()
    server.requests.clear()
    assert [i for i in range(2000) if reader.outcome(name(i))] == [1]
    assert [*reader.since(0)] == [answer(name(1))]
    assert server.count("GET", RESPONSES) == listings


@pytest.mark.parametrize("whole", [1000, 10], ids=["small", "large"])
def test_all_responses_are_read_in_the_order_of_ids(ledger: GcsLedger, whole: int) -> None:
    keys = [name(i) for i in range(40)]
    with ledger.writer(ALL, "run-1") as writer:
        asyncio.run(append_at_once(writer, [answer(key) for key in keys]))
    reader = replace(ledger, whole=whole).reader()
    assert [response.request_id for response in reader.since(0)] == sorted(keys)


def test_only_what_was_sent_since_a_moment_is_read(ledger: GcsLedger, server: GcsServer) -> None:
    late = [answer(name(2), sent_at=SENT_AT + 5), replace(failure(name(1)), sent_at=SENT_AT + 6)]
    write(ledger, answer(name(1)), failure(name(3)), *late)
    server.requests.clear()
    found = [*ledger.reader().since(SENT_AT + 5)]
    assert sorted(found, key=lambda each: each.sent_at) == late
    assert sum("%2Fresponses%2F" in line and "alt=media" in line for line in server.requests) == 2


def test_an_object_whose_metadata_was_lost_is_read_to_be_sure(
    ledger: GcsLedger, server: GcsServer
) -> None:
    write(ledger, answer(name(1)))
    where = responses_in(server)[0]
    server.put(where, server.objects["bucket", where].data)
    assert [*ledger.reader().since(SENT_AT)] == [answer(name(1))]
    assert [*ledger.reader().since(SENT_AT + 1)] == []


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"kind": "response"}'])
def test_a_damaged_object_is_named(ledger: GcsLedger, server: GcsServer, data: bytes) -> None:
    write(ledger, answer(name(1)))
    server.put(responses_in(server)[0], data)
    with pytest.raises(StillroomError, match=rf"{name(1)}/answer.json: the object is damaged"):
        ledger.reader().read(name(1))
