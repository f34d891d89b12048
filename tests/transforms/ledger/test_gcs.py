"""A ledger in a bucket: races for an object, retries, and what comes in between."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from schemas.errors import InputError, StillroomError
from schemas.requests import SCHEME
from tests.gcs_server import GcsServer
from tests.transforms.ledger.samples import (
    ADDRESS,
    ALL,
    DIGIT,
    LARGE,
    answer,
    append,
    ask,
    failure,
    name,
    stalled,
    write,
)
from transforms.ledger import Ledger, LedgerLike, RequestOutcome, open_ledger
from transforms.ledger.gcs import GcsLedger, GcsWriter

pytestmark = pytest.mark.timeout(30)


@pytest.fixture
def ledger(bucket_ledger: GcsLedger) -> GcsLedger:
    return bucket_ledger


def responses_in(server: GcsServer) -> list[str]:
    return server.names(prefix="some/ledger/responses/")


def test_a_response_is_an_object_with_what_was_asked(ledger: GcsLedger, server: GcsServer) -> None:
    write(ledger, answer(name(1)))
    assert responses_in(server) == [f"some/ledger/responses/{name(1)[:2]}/{name(1)}/answer.json"]
    asked = ledger.reader().request(name(1))
    assert asked is not None
    assert asked["messages"][-1]["content"] == "What is a still-room?"
    assert ledger.reader().request(name(2)) is None


@pytest.mark.parametrize(
    ("method", "size"),
    [("POST", 1), ("POST", LARGE), ("PUT", LARGE)],
    ids=["multipart", "resumable, at the start", "resumable, at the end"],
)
def test_the_loser_of_a_race_takes_the_winners_answer_and_keeps_its_own(
    ledger: GcsLedger, server: GcsServer, method: str, size: int
) -> None:
    winner = answer(name(1), run_id="rival", body=b"the winner's")
    loser = answer(name(1), body=b"x" * size)
    with ledger.writer(DIGIT, "run-1") as writer:

        def win() -> None:
            with stalled(ledger).writer(DIGIT, "rival") as rival:
                append(rival, [winner])

        server.before(method, "upload_id" if method == "PUT" else "answer.json", win)
        append(writer, [loser])
        assert writer.outcome(name(1)) == RequestOutcome(answered=True, final=True)
    reader = ledger.reader()
    assert reader.read(name(1)) == winner
    attempts = reader.attempts(name(1))
    assert sorted(attempts, key=lambda each: each.run_id) == [winner, loser]
    assert {each.run_id for each in reader.since(0)} == {"rival", "run-1"}


def test_of_two_writers_at_once_one_answer_counts_and_none_is_lost(ledger: GcsLedger) -> None:
    async def race(first: GcsWriter, second: GcsWriter) -> None:
        await asyncio.gather(
            *(
                writer.append(answer(name(i), run_id=run_id), ask())
                for i in range(30)
                for writer, run_id in ((first, "run-1"), (second, "run-2"))
            )
        )

    with (
        ledger.writer(ALL, "run-1") as first,
        stalled(ledger).writer(ALL, "run-2") as second,
    ):
        asyncio.run(race(first, second))
    reader = ledger.reader()
    for i in range(30):
        attempts = reader.attempts(name(i))
        assert {each.run_id for each in attempts} == {"run-1", "run-2"}
        assert reader.read(name(i)) in attempts
    assert len([*reader.since(0)]) == 60


@pytest.mark.parametrize(
    ("method", "part", "size"),
    [("POST", "answer.json", 1), ("PUT", "upload_id", LARGE)],
    ids=["multipart", "resumable"],
)
@pytest.mark.parametrize("after", [False, True], ids=["before storing", "after storing"])
def test_a_connection_that_drops_loses_nothing_and_stores_nothing_twice(
    ledger: GcsLedger, server: GcsServer, method: str, part: str, size: int, after: bool
) -> None:
    response = answer(name(1), body=b"x" * size)
    with ledger.writer(DIGIT, "run-1") as writer:
        server.fail(method, part, after=after)
        append(writer, [response])
    # The retry after a lost confirmation collided with its own object, which is no other's.
    assert [each.rpartition("/")[2] for each in responses_in(server)] == ["answer.json"]
    assert ledger.reader().attempts(name(1)) == [response]


def test_an_attempt_whose_confirmation_was_lost_is_kept_once(
    ledger: GcsLedger, server: GcsServer
) -> None:
    with ledger.writer(DIGIT, "run-1") as writer:
        server.fail("POST", "/try-", after=True)
        append(writer, [failure(name(1))])
    assert ledger.reader().attempts(name(1)) == [failure(name(1))]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_bucket_that_is_busy_is_asked_again(
    ledger: GcsLedger, server: GcsServer, status: int
) -> None:
    write(ledger)
    for method, part in (("POST", "answer.json"), ("GET", "alt=media"), ("GET", "prefix=")):
        server.fail(method, part, status=status)
    write(ledger, answer(name(1)))
    assert ledger.reader().read(name(1)) == answer(name(1))
    assert server.faults == []


def test_a_bucket_that_fails_for_good_ends_the_append_with_what_it_said(
    ledger: GcsLedger, server: GcsServer
) -> None:
    with ledger.writer(DIGIT, "run-1") as writer:
        server.fail("POST", "answer.json", status=403)
        with pytest.raises(InputError, match=r"403 Forbidden"):
            append(writer, [answer(name(1))])
        assert writer.outcome(name(1)) is None


def test_a_bucket_that_stays_away_ends_the_append_within_its_patience(
    ledger: GcsLedger, server: GcsServer
) -> None:
    with replace(ledger, patience_seconds=0.5).writer(DIGIT, "run-1") as writer:
        for _ in range(50):
            server.fail("POST", "answer.json", status=503)
        with pytest.raises(StillroomError, match="503 Service Unavailable") as caught:
            append(writer, [answer(name(1))])
    assert not isinstance(caught.value, InputError)
    assert ADDRESS in str(caught.value)


def test_an_address_opens_the_ledger_of_its_kind(server: GcsServer, tmp_path: Any) -> None:
    opened: list[LedgerLike] = [open_ledger(ADDRESS), open_ledger(str(tmp_path / "ledger"))]
    assert [type(each) for each in opened] == [GcsLedger, Ledger]
    for ledger in opened:
        ledger.preflight("run-1")
        with ledger.writer(ALL, "run-1") as writer:
            asyncio.run(writer.append(answer(name(1)), ask()))
        assert ledger.reader().read(name(1)) == answer(name(1))


@pytest.mark.parametrize("address", ["gs://", "gs://bucket", "gs://bucket/", "gs:///folder"])
def test_an_address_needs_bucket_and_folder(address: str) -> None:
    with pytest.raises(InputError, match="gs://bucket/name"):
        open_ledger(address).prepare()


def test_preflight_leaves_a_ledger_and_no_lock(ledger: GcsLedger, server: GcsServer) -> None:
    ledger.preflight("run-1")
    ledger.preflight("run-2")
    assert server.names() == ["some/ledger/FORMAT.json"]


def test_no_request_carries_credentials_to_an_emulator(
    ledger: GcsLedger, server: GcsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/does/not/exist")
    write(ledger, answer(name(1)))
    assert server.headers
    assert all("authorization" not in headers for headers in server.headers)


@pytest.mark.parametrize(
    ("method", "part"), [("POST", "FORMAT.json"), ("POST", "locks/"), ("DELETE", "locks/")]
)
def test_what_is_not_permitted_is_found_out_before_anything_is_asked(
    ledger: GcsLedger, server: GcsServer, method: str, part: str
) -> None:
    server.fail(method, part, status=403)
    with pytest.raises(InputError, match=r"403 Forbidden.*read, listed, created and deleted"):
        ledger.preflight("run-1")


def test_a_bucket_that_does_not_exist_is_named(server: GcsServer) -> None:
    ledger = GcsLedger("gs://missing/ledger")
    for use in (ledger.reader, ledger.prepare):
        with pytest.raises(InputError, match=r"gs://missing/ledger.*404 Not Found"):
            use()


def test_a_ledger_made_by_another_at_this_very_moment_is_used(
    ledger: GcsLedger, server: GcsServer
) -> None:
    made = {"format": 2, "scheme": SCHEME, "what": "by another"}
    server.before(
        "POST",
        "FORMAT.json",
        lambda: server.put("some/ledger/FORMAT.json", json.dumps(made).encode()),
    )
    ledger.prepare()
    assert json.loads(server.objects["bucket", "some/ledger/FORMAT.json"].data) == made
