"""What holds for a ledger in a folder and for one in a bucket: kept, found, held and refused."""

from __future__ import annotations

import asyncio
import json
import pickle
from collections.abc import Callable
from dataclasses import replace

import pytest

from schemas.errors import InputError, LedgerBusy
from schemas.requests import SCHEME
from schemas.responses import Response
from tests.transforms.ledger.samples import (
    ALL,
    DIGIT,
    LARGE,
    SENT_AT,
    VERDICT,
    Home,
    answer,
    append,
    append_at_once,
    ask,
    failure,
    name,
    write,
)
from transforms.ledger import LedgerLike, RequestOutcome, WriterLike

pytestmark = pytest.mark.timeout(30)

# What is kept


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\0",
        b"\0\xff\xfe",
        b"\xed\xa0\x80",
        '{"é": "\\ud800"}\r\n\u2028'.encode(),
        b"x" * LARGE,
    ],
    ids=["empty", "nul", "not utf-8", "lone surrogate", "text", "large"],
)
def test_a_response_is_read_as_it_was_received(home: Home, body: bytes) -> None:
    response = answer(name(1), body=body, status=None, headers={"retry-after": "7"})
    write(home.ledger, response)
    assert home.ledger.reader().read(name(1)) == response


def test_what_was_asked_is_kept(home: Home) -> None:
    write(home.ledger, failure(name(1)), answer(name(1), attempt=2))
    assert home.ledger.reader().request(name(1)) == {
        "prompt_id": "a" * 64,
        "teacher": "teacher",
        "model": "some-model",
        "revision": "1",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "What is a still-room?"},
        ],
        "parameters": '{"seed":8,"temperature":0.7}',
        "sample_index": 1,
    }


def test_a_decision_is_kept_once(home: Home) -> None:
    with home.ledger.writer(DIGIT, "run-1") as writer:
        writer.note_decision(VERDICT)
        writer.note_decision(VERDICT)
        append(writer, [answer(name(1))])
        decision = home.ledger.reader().decision(VERDICT.decision_id)
    assert decision is not None
    assert decision["authorisations"] == ["MSA-2026-114"]
    assert home.ledger.reader().decision("e" * 64) is None
    assert b"".join(home.stored().values()).count(b"MSA-2026-114") == 1
    assert [*home.ledger.reader().since(0)] == [answer(name(1))]


def test_no_key_reaches_the_ledger_or_a_log(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    secret = "sk-0123456789"
    headers = dict.fromkeys(["Authorization", "x-api-key", "x-goog-api-key", "Set-Cookie"], secret)
    write(home.ledger, answer(name(1), headers={**headers, "x-request-id": "r-1"}))
    write(home.ledger, replace(failure(name(2)), headers=headers))
    response = home.ledger.reader().read(name(1))
    assert response is not None
    assert response.headers == {"x-request-id": "r-1"}
    assert all(secret not in where for where in home.stored())
    assert secret.encode() not in b"".join(home.stored().values())
    assert secret not in caplog.text
    assert "Authorization" in caplog.text


def test_a_response_is_kept_though_its_append_was_cancelled(home: Home) -> None:
    async def cancelled(writer: WriterLike) -> None:
        tasks = [asyncio.create_task(writer.append(answer(name(i)), ask())) for i in range(20)]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    with home.ledger.writer(ALL, "run-1") as writer:
        asyncio.run(cancelled(writer))
    reader = home.ledger.reader()
    known = RequestOutcome(answered=True, final=True)
    assert [reader.outcome(name(i)) for i in range(20)] == [known] * 20


def test_appends_at_once_are_all_kept(home: Home) -> None:
    with home.ledger.writer(ALL, "run-1") as writer:
        asyncio.run(append_at_once(writer, [answer(name(i)) for i in range(200)]))
    reader = home.ledger.reader()
    assert all(reader.read(name(i)) == answer(name(i)) for i in range(200))
    assert len([*reader.since(0)]) == 200


# What counts


def test_a_request_never_asked_is_unknown(home: Home) -> None:
    write(home.ledger, answer(name(1)))
    reader = home.ledger.reader()
    assert reader.outcome(name(2)) is None
    assert reader.read(name(2)) is None
    assert reader.request(name(2)) is None
    assert reader.attempts(name(2)) == []


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
    home: Home, responses: list[Response], counts: int, together: bool
) -> None:
    expected = responses[counts]
    outcome = RequestOutcome(expected.answered, expected.final)
    for session in [responses] if together else [[response] for response in responses]:
        with home.ledger.writer(DIGIT, "run-1") as writer:
            append(writer, session)
            if session[-1] is responses[-1]:
                assert writer.outcome(name(1)) == outcome
                assert writer.answered(name(1)) == expected.answered

    reader = home.ledger.reader()
    assert reader.outcome(name(1)) == outcome
    assert reader.read(name(1)) == expected
    assert reader.attempts(name(1)) == responses


def test_a_writer_sees_what_was_there_before_it(home: Home) -> None:
    write(home.ledger, answer(name(1)))
    with home.ledger.writer(ALL, "run-2") as writer:
        assert writer.answered(name(1))
        assert not writer.answered(name(2))


@pytest.mark.parametrize("end", ["00", "0000"])
def test_an_id_that_ends_in_zeros_is_found(home: Home, end: str) -> None:
    key = name(1)[: -len(end)] + end
    write(home.ledger, answer(key))
    reader = home.ledger.reader()
    assert reader.read(key) == answer(key)
    assert [*reader.since(0)] == [answer(key)]


def test_only_what_was_sent_since_a_moment_is_given(home: Home) -> None:
    late = [answer(name(2), sent_at=SENT_AT + 5), replace(failure(name(1)), sent_at=SENT_AT + 6)]
    write(home.ledger, answer(name(1)), failure(name(3)), *late)
    found = home.ledger.reader().since(SENT_AT + 5)
    assert sorted(found, key=lambda each: each.sent_at) == late


# Locks


def test_digits_are_one_writers_at_a_time(home: Home) -> None:
    ledger = home.ledger
    with ledger.writer("012", "run-1"), ledger.writer("345", "run-2"):
        with pytest.raises(LedgerBusy, match="run-2"), ledger.writer("5678", "run-3"):
            pass
        with ledger.writer("678", "run-3"):
            pass
    with ledger.writer(ALL, "run-4"):
        pass


def test_a_writer_refuses_what_belongs_to_another(home: Home) -> None:
    with (
        home.ledger.writer("0", "run-1") as writer,
        pytest.raises(ValueError, match="not of digits 0"),
    ):
        append(writer, [answer("1" + name(1)[1:])])
    assert [*home.ledger.reader().since(0)] == []


def test_a_run_may_not_start_while_another_writes(home: Home) -> None:
    with home.ledger.writer("7", "run-1"), pytest.raises(LedgerBusy, match="run-1"):
        home.ledger.preflight("run-2")


# Whether it can be used


def test_a_ledger_that_was_never_made_is_empty_and_reading_makes_nothing(home: Home) -> None:
    reader = home.ledger.reader()
    assert reader.outcome(name(1)) is None
    assert reader.read(name(1)) is None
    assert reader.attempts(name(1)) == []
    assert [*reader.since(0)] == []
    assert reader.damage() == []
    assert home.stored() == {}


def test_a_run_may_start_on_a_new_ledger_and_on_an_old_one(home: Home) -> None:
    home.ledger.preflight("run-1")
    write(home.ledger, answer(name(1)))
    home.ledger.preflight("run-2")
    made = json.loads(home.stored()["FORMAT.json"])
    assert (made["format"], made["scheme"]) == (2, SCHEME)


def test_a_ledger_travels_to_workers(home: Home) -> None:
    write(home.ledger, answer(name(1)))
    copy = pickle.loads(pickle.dumps(home.ledger))  # noqa: S301 - our own
    assert type(copy) is type(home.ledger)
    assert copy.reader().read(name(1)) == answer(name(1))


@pytest.mark.parametrize(
    "use",
    [
        lambda ledger: ledger.preflight("run-1"),
        lambda ledger: ledger.prepare(),
        lambda ledger: ledger.reader(),
        lambda ledger: ledger.writer(ALL, "run-1").__enter__(),
    ],
    ids=["preflight", "prepare", "reader", "writer"],
)
@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("thesis.txt", b"", "holds something else .*thesis.txt"),
        ("FORMAT.json", b'{"format": 3}', "found format 3; expected format 1 or 2"),
        ("FORMAT.json", b'{"format": 2, "scheme": 99}', "scheme 99; expected .* or older"),
        ("FORMAT.json", b"{", "found format None"),
        (
            "FORMAT.json",
            b'{"format": 1}',
            "scheme 1; .*\n  run `stillroom ledger migrate .*`",
        ),
    ],
    ids=["something else", "newer", "newer scheme", "broken", "older scheme"],
)
def test_what_is_no_ledger_of_ours_is_refused(
    home: Home, file: str, content: bytes, message: str, use: Callable[[LedgerLike], object]
) -> None:
    home.put(file, content)
    with pytest.raises(InputError, match=message):
        use(home.ledger)
    assert home.stored() == {file: content}
