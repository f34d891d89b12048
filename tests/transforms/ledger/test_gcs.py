"""What a ledger in a bucket keeps, finds and refuses, against a strict server on loopback."""

from __future__ import annotations

import asyncio
import hashlib
import json
import pickle
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.api_core.exceptions import PreconditionFailed
from google.cloud import storage
from google.cloud.storage.exceptions import InvalidResponse

from schemas.errors import InputError, LedgerBusy, StillroomError
from schemas.prompts import Message, Prompt
from schemas.requests import SCHEME, Request, make_request
from schemas.responses import Response
from schemas.terms import Verdict
from tests.gcs_server import GcsServer
from transforms.ledger import Ledger, LedgerLike, RequestOutcome, open_ledger
from transforms.ledger.gcs import GcsLedger, GcsWriter
from transforms.storage.gcs import Store, is_lost_race

pytestmark = pytest.mark.timeout(30)

ADDRESS = "gs://bucket/some/ledger"
ALL = "0123456789abcdef"
LARGE = 9 * 2**20  # the client library uploads more than 8 MiB the resumable way
SENT_AT = 1_790_000_000_000

VERDICT = Verdict(
    teacher="teacher",
    decision="permit",
    status="permitted",
    clauses=(),
    duties=(),
    terms=(),
    use="train_generative",
    on="2026-11-01",
    registry_digest="0" * 64,
    authorisations=("MSA-2026-114",),
    obligation_class="none",
    decision_id="d" * 64,
)


class Clock:
    """A clock that moves when it is told to, or when somebody waits."""

    def __init__(self) -> None:
        self.time = datetime(2026, 11, 22, 12, tzinfo=UTC)
        self.waited: list[float] = []

    def __call__(self) -> datetime:
        return self.time

    def advance(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)

    def pause(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.advance(seconds)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[GcsServer]:
    with GcsServer(page_size=7) as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.endpoint)
        yield server


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(server: GcsServer, clock: Clock) -> GcsLedger:
    return GcsLedger(ADDRESS, clock, clock.pause, connections=8, patience_seconds=5)


@pytest.fixture
def store(server: GcsServer) -> Store:
    return Store(ADDRESS, connections=8, patience_seconds=5)


def name(something: object) -> str:
    """Returns the id of some request."""
    return hashlib.sha256(str(something).encode()).hexdigest()


DIGIT = name(1)[0]  # most tests are about one request


def answer(key: str, **changes: Any) -> Response:
    response = Response(
        request_id=key,
        attempt=1,
        outcome="answer",
        final=True,
        status=200,
        headers={"content-type": "application/json"},
        body=b'{"choices": []}',
        sent_at=SENT_AT,
        received_at=SENT_AT + 1500,
        run_id="run-1",
        route="teacher",
        host="teacher.example",
        decision_id=VERDICT.decision_id,
        input_usd_per_million=0.15,
        output_usd_per_million=0.6,
    )
    return replace(response, **changes)


def failure(key: str, *, final: bool = False, attempt: int = 1) -> Response:
    return answer(key, outcome="http_429", status=429, final=final, attempt=attempt, body=b"busy")


def ask() -> Request:
    messages = (Message("user", "What is a still-room?"),)
    prompt = Prompt(
        prompt_id="a" * 64,
        messages=messages,
        source="tests",
        license="CC0-1.0",
        file="p.jsonl",
        line=1,
        sha256="b" * 64,
    )
    return make_request(
        prompt,
        teacher="teacher",
        model="some-model",
        revision="1",
        system="Be brief.",
        parameters={"temperature": 0.7},
        sample_index=1,
    )


def append(writer: GcsWriter, responses: Iterable[Response]) -> None:
    """Appends responses one after the other."""

    async def one_by_one() -> None:
        for response in responses:
            await writer.append(response, ask())

    asyncio.run(one_by_one())


def write(ledger: GcsLedger, *responses: Response) -> None:
    """Appends responses in a session of their own."""
    digits = "".join({response.request_id[0] for response in responses})
    with ledger.writer(digits, "run-1") as writer:
        append(writer, responses)


def responses_in(server: GcsServer) -> list[str]:
    return server.names(prefix="some/ledger/responses/")


def stalled(ledger: GcsLedger) -> GcsLedger:
    """Returns the same ledger to a rival, by whose clock all locks have run out."""
    return replace(ledger, now=lambda: ledger.now() + timedelta(hours=1))


# What is kept


@pytest.mark.parametrize(
    "body",
    [b"", b"\0\xff\xfe", b"\xed\xa0\x80", '{"é": "\\ud800"}\r\n'.encode(), b"x" * LARGE],
    ids=["empty", "not utf-8", "lone surrogate", "text", "resumable upload"],
)
def test_a_response_is_read_as_it_was_received(ledger: GcsLedger, body: bytes) -> None:
    response = answer(name(1), body=body, headers={"retry-after": "7"})
    write(ledger, response)
    assert ledger.reader().read(name(1)) == response


def test_a_response_is_an_object_with_what_was_asked(ledger: GcsLedger, server: GcsServer) -> None:
    write(ledger, answer(name(1)))
    assert responses_in(server) == [f"some/ledger/responses/{name(1)[:2]}/{name(1)}/answer.json"]
    asked = ledger.reader().request(name(1))
    assert asked is not None
    assert asked["messages"][-1]["content"] == "What is a still-room?"
    assert ledger.reader().request(name(2)) is None


@pytest.mark.parametrize("together", [True, False], ids=["one session", "a session each"])
@pytest.mark.parametrize(
    ("responses", "counts"),
    [
        ([failure(name(1))], 0),
        ([failure(name(1)), failure(name(1), attempt=2, final=True)], 1),
        ([failure(name(1), final=True), failure(name(1), attempt=2)], 1),
        ([failure(name(1)), answer(name(1), attempt=2)], 1),
        ([answer(name(1)), failure(name(1), attempt=2)], 0),
        ([answer(name(1)), answer(name(1), attempt=2)], 0),
    ],
    ids=["failure", "given up", "last attempt", "answer after", "answer before", "first answer"],
)
def test_the_first_answer_counts_or_else_the_last_attempt(
    ledger: GcsLedger, responses: list[Response], counts: int, together: bool
) -> None:
    expected = responses[counts]
    outcome = RequestOutcome(expected.answered, expected.final)
    for session in [responses] if together else [[response] for response in responses]:
        with ledger.writer(DIGIT, "run-1") as writer:
            append(writer, session)
            if session[-1] is responses[-1]:
                assert writer.outcome(name(1)) == outcome
                assert writer.answered(name(1)) == expected.answered

    reader = ledger.reader()
    assert reader.outcome(name(1)) == outcome
    assert reader.read(name(1)) == expected
    assert reader.attempts(name(1)) == responses


def test_a_decision_is_safe_with_the_first_response_that_names_it(
    ledger: GcsLedger, server: GcsServer
) -> None:
    with ledger.writer(DIGIT, "run-1") as writer:
        server.fail("POST", "decisions/", status=503)
        writer.note_decision(VERDICT)
        writer.note_decision(VERDICT)
        append(writer, [answer(name(1))])
        decision = ledger.reader().decision(VERDICT.decision_id)
    assert decision is not None
    assert decision["authorisations"] == ["MSA-2026-114"]
    assert ledger.reader().decision("e" * 64) is None
    assert len(server.names(prefix="some/ledger/decisions/")) == 1


def test_no_key_reaches_a_name_or_an_object_or_an_error(
    ledger: GcsLedger, server: GcsServer, caplog: pytest.LogCaptureFixture
) -> None:
    secret = "sk-0123456789"
    headers = dict.fromkeys(["Authorization", "x-api-key", "Set-Cookie"], secret)
    write(ledger, answer(name(1), headers={**headers, "x-request-id": "r-1"}))
    write(ledger, replace(failure(name(2)), headers=headers))
    response = ledger.reader().read(name(1))
    assert response is not None
    assert response.headers == {"x-request-id": "r-1"}
    assert all(secret not in where for _, where in server.objects)
    assert all(secret.encode() not in stored.data for stored in server.objects.values())
    assert secret not in caplog.text + "".join(server.requests)


def test_a_response_is_kept_though_its_append_was_cancelled(ledger: GcsLedger) -> None:
    async def cancelled(writer: GcsWriter) -> None:
        tasks = [asyncio.create_task(writer.append(answer(name(i)), ask())) for i in range(20)]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    with ledger.writer(ALL, "run-1") as writer:
        asyncio.run(cancelled(writer))
    reader = ledger.reader()
    assert all(reader.outcome(name(i)) for i in range(20))


def test_a_writer_keeps_to_its_digits(ledger: GcsLedger, server: GcsServer) -> None:
    key = name(1)
    others = ALL.replace(key[0], "")
    with ledger.writer(others, "run-1") as writer, pytest.raises(ValueError, match="not of digits"):
        append(writer, [answer(key)])
    assert responses_in(server) == []


# Races, retries, and what comes in between


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


# Looking up


def test_what_was_answered_is_found_again_page_after_page(
    ledger: GcsLedger, server: GcsServer
) -> None:
    keys = sorted(f"{i % 3:02x}{name(i)[2:]}" for i in range(60))  # 20 in each of three ranges
    with ledger.writer("0", "run-1") as writer:
        asyncio.run(_append_all(writer, map(answer, keys)))
    reader = replace(ledger, whole=10).reader()
    server.requests.clear()
    assert all(reader.outcome(key) == RequestOutcome(answered=True, final=True) for key in keys)
    assert reader.outcome(name("another")) is None
    # Two pages that show that it is not small; three pages of seven a range; and one range more.
    assert server.count("GET", "prefix=") == 2 + 3 * 3 + 1
    assert server.count("GET", "alt=media") == 0


async def _append_all(writer: GcsWriter, responses: Iterable[Response]) -> None:
    await asyncio.gather(*(writer.append(response, ask()) for response in responses))


@pytest.mark.parametrize(("whole", "listings"), [(2, 1), (1, 1 + 256)], ids=["small", "large"])
def test_whoever_looks_everywhere_lists_everything_once(
    ledger: GcsLedger, server: GcsServer, whole: int, listings: int
) -> None:
    write(ledger, answer(name(1)))
    reader = replace(ledger, whole=whole).reader()
    server.requests.clear()
    assert [i for i in range(2000) if reader.outcome(name(i))] == [1]
    assert [*reader.since(0)] == [answer(name(1))]
    assert server.count("GET", "prefix=") == listings


@pytest.mark.parametrize("whole", [1000, 10], ids=["small", "large"])
def test_all_responses_are_read_in_the_order_of_ids(ledger: GcsLedger, whole: int) -> None:
    keys = [name(i) for i in range(40)]
    with ledger.writer(ALL, "run-1") as writer:
        asyncio.run(_append_all(writer, [answer(key) for key in keys]))
    reader = replace(ledger, whole=whole).reader()
    assert [response.request_id for response in reader.since(0)] == sorted(keys)


@pytest.mark.parametrize("end", ["00", "0000"])
def test_an_id_that_ends_in_zeros_is_found(ledger: GcsLedger, end: str) -> None:
    key = name(1)[: -len(end)] + end
    write(ledger, answer(key))
    reader = ledger.reader()
    assert reader.read(key) == answer(key)
    assert [*reader.since(0)] == [answer(key)]


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


# Locks


@pytest.mark.parametrize("digits", [ALL, "8"])
def test_two_runs_never_write_to_the_same_digits(ledger: GcsLedger, digits: str) -> None:
    with ledger.writer("89", "run-1"):
        with pytest.raises(LedgerBusy) as caught:
            ledger.writer(digits, "run-2").__enter__()
        with pytest.raises(LedgerBusy):
            ledger.preflight("run-2")
        with ledger.writer("ab", "run-2"):
            pass
    text = str(caught.value)
    assert f"the ledger {ADDRESS} is held by run run-1 (process " in text
    assert "since 2026-11-22T12:00:00+00:00" in text
    assert "free at 2026-11-22T12:01:00+00:00" in text
    assert "wait until it ends, then run again" in text


def test_locks_end_with_their_writer(ledger: GcsLedger, server: GcsServer) -> None:
    with ledger.writer(ALL, "run-1"):
        assert len(server.names(prefix="some/ledger/locks/")) == 16
    assert server.names(prefix="some/ledger/locks/") == []
    with pytest.raises(LedgerBusy), ledger.writer("f", "run-1"):
        ledger.writer(ALL, "run-2").__enter__()
    assert server.names(prefix="some/ledger/locks/") == []
    ledger.preflight("run-3")


def test_a_lock_is_taken_over_when_it_has_run_out_and_not_before(
    ledger: GcsLedger, server: GcsServer, clock: Clock
) -> None:
    _leave_locked(ledger, server, "killed")
    clock.advance(60)  # clocks need not agree to the second
    with pytest.raises(LedgerBusy, match="run killed"):
        ledger.preflight("run-2")
    clock.advance(15)
    with ledger.writer(ALL, "run-2") as writer:
        append(writer, [answer(name(1))])
    assert clock.waited == []


def test_a_lock_that_is_renewed_stays(ledger: GcsLedger, store: Store, clock: Clock) -> None:
    ledger.prepare()
    leases = ledger.leases(store, "run-1")
    with leases.held("3"):
        clock.advance(50)
        leases.renew()
        clock.advance(50)
        leases.check()
        with pytest.raises(LedgerBusy, match=r"last seen 2026-11-22T12:00:50"):
            ledger.preflight("run-2")


def test_locks_are_renewed_while_nobody_looks(server: GcsServer) -> None:
    ledger = GcsLedger(ADDRESS, lease_seconds=1.2, connections=4)
    renewed = "uploadType=multipart&ifGenerationMatch=17"
    with ledger.writer("3", "run-1"):
        deadline = datetime.now(UTC) + timedelta(seconds=10)
        while server.count("POST", renewed) < 3 and datetime.now(UTC) < deadline:
            asyncio.run(asyncio.sleep(0.02))
        with pytest.raises(LedgerBusy):
            ledger.preflight("run-2")
    assert server.count("POST", renewed) >= 3


def test_a_second_try_of_a_run_waits_until_the_first_ones_lock_has_run_out(
    ledger: GcsLedger, server: GcsServer, clock: Clock
) -> None:
    _leave_locked(ledger, server, "run-1")
    clock.advance(20)
    with ledger.writer("23", "run-1"):
        pass
    assert clock.waited == [55]


def test_a_second_try_of_a_run_gives_way_to_a_first_that_lives(
    ledger: GcsLedger, store: Store, clock: Clock
) -> None:
    ledger.prepare()
    leases = ledger.leases(store, "run-1")

    def live(seconds: float) -> None:
        clock.advance(30)
        leases.renew()
        clock.pause(seconds - 30)

    with leases.held("3"), pytest.raises(LedgerBusy, match="run run-1"):
        replace(ledger, pause=live).writer("3", "run-1").__enter__()


def test_a_writer_that_lost_its_lock_keeps_the_answer_and_stops(
    ledger: GcsLedger, clock: Clock
) -> None:
    with ledger.writer("3", "run-1") as writer:
        clock.advance(80)
        with ledger.writer("3", "run-2"):
            pass
        with pytest.raises(LedgerBusy, match="not renewed in time"):
            append(writer, [answer("3" * 64)])
    assert ledger.reader().read("3" * 64) == answer("3" * 64)


def test_a_writer_lets_go_of_no_other_writers_lock(
    ledger: GcsLedger, server: GcsServer, clock: Clock
) -> None:
    first = ledger.writer("3", "run-1").__enter__()
    clock.advance(80)
    with ledger.writer("3", "run-2"):
        first.close()
        assert server.names(prefix="some/ledger/locks/") == ["some/ledger/locks/3.json"]
    assert server.names(prefix="some/ledger/locks/") == []


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_a_lock_whose_confirmation_was_lost_is_held_and_let_go(
    ledger: GcsLedger, server: GcsServer, method: str
) -> None:
    server.fail(method, "locks/3", after=True)
    with ledger.writer("3", "run-1") as writer:
        append(writer, [answer("3" * 64)])
    assert server.names(prefix="some/ledger/locks/") == []


def test_a_lock_that_cannot_be_read_is_nobodys_to_take(
    ledger: GcsLedger, server: GcsServer
) -> None:
    ledger.prepare()
    server.put("some/ledger/locks/0.json", b"?")
    with pytest.raises(LedgerBusy, match=r"delete locks/0\.json"):
        ledger.preflight("run-1")


def _leave_locked(ledger: GcsLedger, server: GcsServer, run_id: str) -> None:
    """Leaves the lock of digit 3 as a run does that was killed."""
    lock = "some/ledger/locks/3.json"
    with ledger.writer("3", run_id):
        left = server.objects["bucket", lock].data
    server.put(lock, left)


# Whether it can be used


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
    with pytest.raises(InputError, match="gs://bucket/folder"):
        open_ledger(address).prepare()


def test_a_ledger_that_was_never_made_is_empty(ledger: GcsLedger, server: GcsServer) -> None:
    reader = ledger.reader()
    assert reader.outcome(name(1)) is None
    assert reader.read(name(1)) is None
    assert reader.attempts(name(1)) == []
    assert [*reader.since(0)] == []
    assert reader.damage() == []
    assert server.objects == {}


def test_a_ledger_travels_by_pickle_before_and_after_use(server: GcsServer) -> None:
    ledger = GcsLedger(ADDRESS)
    write(ledger, answer(name(1)))
    copy = pickle.loads(pickle.dumps(ledger))  # noqa: S301 - our own
    assert copy == ledger
    assert copy.reader().read(name(1)) == answer(name(1))


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
    ("found", "expected"),
    [
        ({"notes.txt": b"x"}, "found notes.txt"),
        ({"FORMAT.json": b'{"format": 3}'}, "found format 3"),
        ({"FORMAT.json": b"?"}, "found format None"),
    ],
    ids=["foreign", "newer", "damaged"],
)
def test_a_folder_that_is_no_ledger_is_refused(
    ledger: GcsLedger, server: GcsServer, found: dict[str, bytes], expected: str
) -> None:
    for each, data in found.items():
        server.put(f"some/ledger/{each}", data)
    uses: list[Callable[[], object]] = [
        ledger.reader,
        ledger.prepare,
        lambda: ledger.preflight("run-1"),
        ledger.writer(ALL, "run-1").__enter__,
    ]
    for use in uses:
        with pytest.raises(InputError, match=expected):
            use()
    assert len(server.objects) == 1


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
