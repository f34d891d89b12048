"""What is about to be sent is written down before, and counts for good if its response is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest

from schemas.codes import Outcome
from schemas.errors import StillroomError
from schemas.responses import Response
from tests.transforms.ledger.samples import ALL, Home, answer, ask, name
from transforms.ledger import LostAttempt, WriterLike

pytestmark = pytest.mark.timeout(30)


def intent(number: int) -> Response:
    """Returns what is written down before a request is sent for the first time."""
    return replace(
        answer(name(number), body=b"", status=None),
        outcome=Outcome.LOST,
        final=False,
        received_at=answer(name(number)).sent_at,
    )


def writing(home: Home, work: Callable[[WriterLike], Coroutine[Any, Any, None]]) -> None:
    """Does something with a writer that is closed afterwards, as the end of its process does."""
    with home.ledger.writer(ALL, "run") as writer:
        asyncio.run(work(writer))


def intents(home: Home) -> list[str]:
    return [path for path in home.stored() if path.startswith("intents/")]


async def intend_all(writer: WriterLike, count: int) -> None:
    await asyncio.gather(*(writer.intend(intent(number), ask()) for number in range(count)))


def test_intents_that_wait_together_are_written_together(home: Home) -> None:
    writing(home, lambda writer: intend_all(writer, 50))
    assert len(intents(home)) <= 2


def test_an_intent_is_gone_once_its_response_is_in_the_ledger(home: Home) -> None:
    async def work(writer: WriterLike) -> None:
        await intend_all(writer, 3)
        for number in range(3):
            await writer.append(answer(name(number)), ask())

    writing(home, work)
    assert intents(home) == []
    assert [each.outcome for each in home.ledger.reader().since(0)] == ["answer"] * 3


def test_the_next_writer_finds_what_was_lost_and_appends_it_once(home: Home) -> None:
    async def lose_one(writer: WriterLike) -> None:
        await intend_all(writer, 2)
        await writer.append(answer(name(0)), ask())

    async def recover(writer: WriterLike) -> None:
        assert [each.response for each in writer.lost] == [intent(1)]
        await writer.record_lost()
        assert list(writer.lost) == []

    writing(home, lose_one)
    writing(home, recover)
    assert intents(home) == []
    assert home.ledger.reader().attempts(name(1)) == [intent(1)]
    assert home.ledger.reader().request(name(1)) is not None
    with home.ledger.writer(ALL, "run") as writer:
        assert list(writer.lost) == []


def test_an_intent_that_could_not_be_removed_is_not_taken_for_a_lost_attempt(home: Home) -> None:
    async def work(writer: WriterLike) -> None:
        await intend_all(writer, 1)
        left.update({path: home.stored()[path] for path in intents(home)})
        await writer.append(answer(name(0)), ask())

    left: dict[str, bytes] = {}
    writing(home, work)
    for path, data in left.items():
        home.put(path, data)
    with home.ledger.writer(ALL, "run") as writer:
        assert list(writer.lost) == []
        asyncio.run(writer.record_lost())
    assert intents(home) == []


def test_each_slice_appends_what_was_lost_of_its_own_digits(home: Home) -> None:
    writing(home, lambda writer: intend_all(writer, 12))
    halves = [[n for n in range(12) if name(n)[0] in half] for half in (ALL[:8], ALL[8:])]
    assert all(halves)
    for half, numbers in zip((ALL[:8], ALL[8:]), halves, strict=True):
        with home.ledger.writer(half, "next") as writer:
            asyncio.run(writer.record_lost())
        recorded = {each.request_id for each in home.ledger.reader().since(0)}
        assert {name(number) for number in numbers} <= recorded
    with home.ledger.writer(ALL, "last") as writer:
        asyncio.run(writer.record_lost())
    assert intents(home) == []


def test_a_damaged_intent_is_reported(home: Home) -> None:
    writing(home, lambda writer: intend_all(writer, 1))
    (path,) = intents(home)
    home.put("intents/other.jsonl", home.stored()[path].replace(b"lost", b"loss"))
    with pytest.raises(StillroomError, match=r"other\.jsonl is damaged"):
        home.ledger.writer(ALL, "run").__enter__()


def test_a_lost_attempt_names_what_was_asked(home: Home) -> None:
    writing(home, lambda writer: intend_all(writer, 1))
    with home.ledger.writer(ALL, "run") as writer:
        (lost,) = writer.lost
    asked = ask()
    assert isinstance(lost, LostAttempt)
    assert lost.request.messages == asked.messages
    assert lost.request.parameters == asked.parameters
