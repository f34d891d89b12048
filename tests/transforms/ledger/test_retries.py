"""What a person sets aside is asked again; it stays in the ledger, and counts until more came."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from schemas.errors import InputError, LedgerBusy, StillroomError
from schemas.responses import Response
from tests.transforms.ledger.samples import ALL, Home, answer, ask, name, write
from transforms.asking.set_aside import find_reasons, retry
from transforms.clock import Clock
from transforms.ledger import RequestOutcome, WriterLike

pytestmark = pytest.mark.timeout(30)

CUT = b'{"choices": [{"message": {"content": "An ans'
GOOD = (
    b'{"id": "1", "model": "m", '
    b'"choices": [{"message": {"content": "Yes."}, "finish_reason": "stop"}]}'
)
REFUSED = b'{"error": {"code": "content_filter", "message": "no"}}'
ASKABLE = RequestOutcome(answered=False, final=False)


def unusable(number: int) -> Response:
    return answer(name(number), body=CUT)


def refused(number: int, **changes: object) -> Response:
    return answer(name(number), outcome="http_400", status=400, body=REFUSED, **changes)


def set_aside(home: Home, reason: str, route: str | None = None) -> int:
    return retry(home.ledger, f"retry-{reason}", reason, route=route, clock=Clock())


def fill(home: Home) -> None:
    """Writes a good answer, two unusable ones, a refused prompt, and a failure that may pass."""
    failed = answer(name(5), outcome="http_503", status=503, body=b"busy")
    good = answer(name(1), body=GOOD)
    write(home.ledger, good, unusable(2), unusable(3), refused(4), failed)


def test_the_reasons_are_outcomes_and_codes_of_what_is_final(home: Home) -> None:
    fill(home)
    found = find_reasons(home.ledger.reader(), None)
    assert found.final == Counter(truncated_json=2, http_400=1, content_filter=1)
    assert found.passing == Counter(http_503=1)
    assert find_reasons(home.ledger.reader(), "another").final == Counter()


def test_what_is_set_aside_is_asked_again_and_stays_in_the_ledger(home: Home) -> None:
    fill(home)
    assert set_aside(home, "truncated_json") == 2
    reader = home.ledger.reader()
    assert [reader.outcome(name(number)) for number in (2, 3)] == [ASKABLE, ASKABLE]
    assert reader.outcome(name(1)) == RequestOutcome(answered=True, final=True)
    assert reader.outcome(name(4)) == RequestOutcome(answered=False, final=True)
    assert reader.read(name(2)) == unusable(2)
    assert len(list(reader.since(0))) == 5
    assert find_reasons(reader, None).final == Counter(http_400=1, content_filter=1)


def test_the_new_answer_counts_and_is_bought_once(home: Home) -> None:
    fill(home)
    set_aside(home, "truncated_json")
    new = answer(name(2), body=GOOD, sent_at=unusable(2).sent_at + 10, run_id="run-2")
    write(home.ledger, new)
    reader = home.ledger.reader()
    assert reader.outcome(name(2)) == RequestOutcome(answered=True, final=True)
    assert reader.read(name(2)) == new
    assert reader.usable(reader.attempts(name(2))) == [new]
    assert reader.attempts(name(2)) == [unusable(2), new]


def test_a_writer_sees_its_own_answer_to_what_was_set_aside(home: Home) -> None:
    async def work(writer: WriterLike) -> None:
        assert not writer.answered(name(2))
        await writer.append(answer(name(2), body=GOOD, run_id="run-2"), ask())
        assert writer.answered(name(2))

    fill(home)
    set_aside(home, "truncated_json")
    with home.ledger.writer(ALL, "run-2") as writer:
        asyncio.run(work(writer))


def test_what_fails_again_may_be_set_aside_again(home: Home) -> None:
    fill(home)
    for number in range(2):
        assert set_aside(home, "content_filter") == 1
        again = refused(4, run_id=f"run-{number}", sent_at=refused(4).sent_at + 10 * (number + 1))
        write(home.ledger, again)
        reader = home.ledger.reader()
        assert reader.outcome(name(4)) == RequestOutcome(answered=False, final=True)
        assert reader.read(name(4)) == again


def test_an_unknown_reason_is_refused_with_the_reasons_that_there_are(home: Home) -> None:
    fill(home)
    with pytest.raises(InputError, match=r"truncated_json \(2\), http_400 \(1\)"):
        set_aside(home, "not_json")
    with pytest.raises(InputError, match="http_503: 1 that the next run asks again anyway"):
        set_aside(home, "http_503")
    with pytest.raises(InputError, match="each request is answered, or asked again"):
        set_aside(home, "truncated_json", route="another")


def test_nothing_is_set_aside_while_a_run_writes(home: Home) -> None:
    fill(home)
    with home.ledger.writer(ALL[:8], "run-2"), pytest.raises(LedgerBusy):
        set_aside(home, "truncated_json")


def test_a_damaged_retry_is_reported(home: Home) -> None:
    fill(home)
    home.put("retries/1.json", b"{")
    with pytest.raises(StillroomError, match=r"retries/1\.json is damaged"):
        home.ledger.reader().outcome(name(2))
