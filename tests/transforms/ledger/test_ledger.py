"""What the ledger keeps, finds, refuses and reports, within one process."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import pickle
import shutil
import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import InputError, LedgerBusy, StillroomError
from schemas.prompts import Message, Prompt
from schemas.requests import SCHEME, Request, make_request
from schemas.responses import Response
from schemas.terms import Verdict
from transforms.ledger import Ledger, LedgerWriter, RequestOutcome
from transforms.ledger.commit import Committer
from transforms.ledger.compact import compact
from transforms.ledger.entries import (
    PIECE_BYTES,
    decode_response,
    encode_response,
    is_intact,
    make_line,
    read_line,
)
from transforms.ledger.segments import OpenSegment

ALL = "0123456789abcdef"

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


def name(something: object) -> str:
    """Returns the id of some request."""
    return hashlib.sha256(str(something).encode()).hexdigest()


def answer(key: str, **changes: Any) -> Response:
    response = Response(
        request_id=key,
        attempt=1,
        outcome="answer",
        final=True,
        status=200,
        headers={"content-type": "application/json"},
        body=b'{"choices": []}',
        sent_at=1_790_000_000_000,
        received_at=1_790_000_001_500,
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


def ask(text: str = "What is a still-room?") -> Request:
    prompt = Prompt(
        prompt_id="a" * 64,
        messages=(Message("user", text),),
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
        parameters={"temperature": 0.7, "seed": 7},
        sample_index=1,
    )


def append(writer: LedgerWriter, responses: Iterable[Response]) -> None:
    """Appends responses one after the other."""

    async def one_by_one() -> None:
        for response in responses:
            await writer.append(response, ask())

    asyncio.run(one_by_one())


def write(ledger: Ledger, *responses: Response) -> None:
    """Appends responses in a session of their own."""
    with ledger.writer(ALL, "run-1") as writer:
        append(writer, responses)


def segments(ledger: Ledger) -> list[Path]:
    return sorted((Path(ledger.folder) / "segments").glob("*.jsonl"))


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger")


# What is kept


# As header values are read that are no UTF-8: with lone surrogates.
escaped = st.binary().map(lambda value: value.decode("utf-8", "surrogateescape"))


@given(body=st.binary() | st.text().map(str.encode), detail=st.text() | escaped)
def test_every_byte_of_a_response_comes_back_from_its_line(body: bytes, detail: str) -> None:
    response = answer(name(1), body=body, detail=detail, headers={"x-note": detail})
    line = make_line(encode_response(response, ask()))
    assert is_intact(line)
    assert line.count(b"\n") == 1
    assert decode_response(read_line(line)) == response


@pytest.mark.parametrize("shift", range(4))
@pytest.mark.parametrize("end", [b"", b"\xf0\x9f", b"\x00\xff"], ids=["text", "cut", "binary"])
def test_a_body_of_many_pieces_comes_back_whole(shift: int, end: bytes) -> None:
    body = b"x" * shift + "\U0001f943\n".encode() * (PIECE_BYTES // 2) + end
    response = answer(name(1), body=body)
    line = make_line(encode_response(response, None))
    assert is_intact(line)
    assert decode_response(read_line(line)) == response


@pytest.mark.parametrize(
    "body",
    [b"", b"\0", b"\xff\xfe", b"\xed\xa0\x80", b'{"text": "\\ud800"}', "é\r\n\u2028".encode()],
    ids=["empty", "nul", "not utf-8", "lone surrogate", "escaped surrogate", "line ends"],
)
def test_a_response_is_read_as_it_was_received(ledger: Ledger, body: bytes) -> None:
    response = answer(name(1), body=body, status=None, headers={"retry-after": "7"})
    write(ledger, response)
    assert ledger.reader().read(name(1)) == response


def test_text_stands_in_the_ledger_as_text(ledger: Ledger) -> None:
    write(ledger, answer(name(1), body='{"text": "naïve"}'.encode()))
    assert '{\\"text\\": \\"naïve\\"}' in segments(ledger)[0].read_text(encoding="utf-8")


def test_what_was_asked_is_kept_with_the_first_response_to_it(ledger: Ledger) -> None:
    write(ledger, failure(name(1)), answer(name(1), attempt=2))
    assert ledger.reader().request(name(1)) == {
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
    assert segments(ledger)[0].read_text().count("Be brief.") == 1


def test_a_decision_is_kept_once_even_if_nothing_follows_it(ledger: Ledger) -> None:
    with ledger.writer(ALL, "run-1") as writer:
        writer.note_decision(VERDICT)
        writer.note_decision(VERDICT)
    reader = ledger.reader()
    decision = reader.decision(VERDICT.decision_id)
    assert decision is not None
    assert decision["authorisations"] == ["MSA-2026-114"]
    assert reader.decision("e" * 64) is None
    assert segments(ledger)[0].read_text().count("MSA-2026-114") == 1
    assert len(reader) == 0
    assert [*reader.since(0)] == []


def test_no_key_reaches_the_ledger(ledger: Ledger, caplog: pytest.LogCaptureFixture) -> None:
    secret = "sk-0123456789"
    headers = dict.fromkeys(["Authorization", "x-api-key", "x-goog-api-key", "Set-Cookie"], secret)
    write(ledger, answer(name(1), headers={**headers, "x-request-id": "r-1"}))
    response = ledger.reader().read(name(1))
    assert response is not None
    assert response.headers == {"x-request-id": "r-1"}
    assert secret not in segments(ledger)[0].read_text()
    assert secret not in caplog.text
    assert "Authorization" in caplog.text


def test_a_response_is_kept_though_its_append_was_cancelled(ledger: Ledger) -> None:
    async def cancelled(writer: LedgerWriter) -> None:
        task = asyncio.create_task(writer.append(answer(name(1)), ask()))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    with ledger.writer(ALL, "run-1") as writer:
        asyncio.run(cancelled(writer))
    assert ledger.reader().outcome(name(1)) == RequestOutcome(answered=True, final=True)


def test_appends_at_once_are_all_kept(ledger: Ledger) -> None:
    async def all_at_once(writer: LedgerWriter) -> None:
        await asyncio.gather(*(writer.append(answer(name(i)), ask()) for i in range(1000)))

    with ledger.writer(ALL, "run-1") as writer:
        asyncio.run(all_at_once(writer))
    reader = ledger.reader()
    assert len(reader) == 1000
    assert all(reader.read(name(i)) == answer(name(i)) for i in range(1000))


def test_nobody_waits_for_a_disk_that_failed() -> None:
    reached, released = threading.Event(), threading.Event()

    def begin() -> OpenSegment:
        reached.set()
        released.wait()
        raise OSError("the disk is gone")

    committer = Committer(begin, lambda _: None, lambda error: StillroomError(str(error)), 10)

    async def append_three() -> list[BaseException | None]:
        first = asyncio.create_task(committer.append(bytes(32), 0, [b"{}"]))
        await asyncio.to_thread(reached.wait)
        second = asyncio.create_task(committer.append(bytes(32), 0, [b"{}"]))
        await asyncio.sleep(0)  # it waits by now, behind the batch that is about to fail
        released.set()
        await asyncio.wait([first, second])
        third = committer.append(bytes(32), 0, [b"{}"])
        return [*await asyncio.gather(first, second, third, return_exceptions=True)]

    errors = asyncio.run(append_three())
    committer.close()
    assert [(type(error), str(error)) for error in errors] == [
        (StillroomError, "the disk is gone")
    ] * 3


# What counts


def test_a_request_never_asked_is_unknown(ledger: Ledger) -> None:
    write(ledger, answer(name(1)))
    reader = ledger.reader()
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
    ledger: Ledger, responses: list[Response], counts: int, together: bool
) -> None:
    expected = responses[counts]
    outcome = RequestOutcome(expected.answered, expected.final)
    for session in [responses] if together else [[response] for response in responses]:
        with ledger.writer(ALL, "run-1") as writer:
            append(writer, session)
            if session[-1] is responses[-1]:
                assert writer.outcome(name(1)) == outcome
                assert writer.answered(name(1)) == expected.answered

    reader = ledger.reader()
    assert reader.outcome(name(1)) == outcome
    assert reader.read(name(1)) == expected
    assert reader.attempts(name(1)) == responses
    assert len(reader) == len(responses)


def test_a_reader_sees_what_a_living_writer_appended_and_nothing_later(ledger: Ledger) -> None:
    with ledger.writer(ALL, "run-1") as writer:
        append(writer, [answer(name(1))])
        reader = ledger.reader()
        append(writer, [answer(name(2))])
    assert reader.read(name(1)) == answer(name(1))
    assert reader.outcome(name(2)) is None
    assert ledger.reader().read(name(2)) == answer(name(2))


def test_a_writer_sees_what_was_there_before_it(ledger: Ledger) -> None:
    write(ledger, answer(name(1)))
    with ledger.writer(ALL, "run-2") as writer:
        assert writer.answered(name(1))
        assert not writer.answered(name(2))


def test_a_run_that_asks_nothing_leaves_nothing(ledger: Ledger) -> None:
    write(ledger, answer(name(1)))
    before = segments(ledger)
    write(ledger)
    assert segments(ledger) == before


def test_a_long_run_writes_many_segments_and_knows_them_all(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger", segment_entries=10)
    with ledger.writer(ALL, "run-1") as writer:
        for i in range(45):
            append(writer, [answer(name(i))])
            assert all(writer.answered(name(j)) for j in range(i + 1))
    assert len(segments(ledger)) == 5
    reader = ledger.reader()
    assert len(reader) == 45
    assert all(reader.read(name(i)) == answer(name(i)) for i in range(45))


EDGES = ["0" * 64, "00ff" + "0" * 60, "7" + "f" * 63, "8" + "0" * 63, "f" * 64, "fff" + "0" * 61]


def test_entries_are_read_in_the_order_of_ids_whatever_their_segment(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger", segment_entries=50)
    keys = EDGES + [name(i) for i in range(200)]
    write(ledger, *(failure(key) for key in keys), *(answer(key) for key in keys))
    found = [*ledger.reader().entries()]
    assert [each[0].read()["request_id"] for each in found] == sorted(keys)
    assert {len(each) for each in found} == {2}


# Torn ends and damage


def test_an_entry_cut_at_any_byte_is_cut_off_and_the_rest_is_there(ledger: Ledger) -> None:
    write(ledger, answer(name(1)), answer(name(2), body=b"", headers={}))
    (segment,) = segments(ledger)
    whole = segment.read_bytes()
    kept = whole[: whole[:-1].rindex(b"\n") + 1]
    for length in range(len(kept) + 1, len(whole)):
        segment.with_suffix(".idx").unlink()
        segment.write_bytes(whole[:length])
        reader = ledger.reader()
        assert reader.outcome(name(1))
        assert reader.outcome(name(2)) is None
        assert reader.damaged() == []
        assert segment.read_bytes() == kept


@pytest.mark.parametrize(
    "rest", [b"\0" * 512, b"junk\njunk\n", b"00000000 {}\n"], ids=["zeros", "lines", "checksum"]
)
def test_whatever_a_lost_power_left_at_the_end_is_cut(ledger: Ledger, rest: bytes) -> None:
    write(ledger, answer(name(1)))
    (segment,) = segments(ledger)
    whole = segment.read_bytes()
    segment.write_bytes(whole + rest)
    assert ledger.reader().read(name(1)) == answer(name(1))
    assert segment.read_bytes() == whole


def test_a_segment_torn_in_its_first_line_is_empty(ledger: Ledger) -> None:
    write(ledger, answer(name(1)))
    (segment,) = segments(ledger)
    segment.write_bytes(segment.read_bytes()[:20])
    assert len(ledger.reader()) == 0
    write(ledger, answer(name(2)))
    assert ledger.reader().read(name(2)) == answer(name(2))


def test_the_end_of_a_segment_is_left_alone_while_its_writer_lives(ledger: Ledger) -> None:
    with ledger.writer(ALL, "run-1") as writer:
        append(writer, [answer(name(1))])
        (segment,) = segments(ledger)
        with segment.open("ab") as file:  # as a reader sees it in the middle of a write
            file.write(b"12345678 {")
        assert ledger.reader().read(name(1)) == answer(name(1))
        assert segment.read_bytes().endswith(b"12345678 {")


@settings(max_examples=40)
@given(place=st.floats(0, 1, exclude_max=True), change=st.integers(1, 255))
def test_a_spoiled_byte_costs_its_entry_and_is_reported(
    tmp_path_factory: pytest.TempPathFactory, place: float, change: int
) -> None:
    ledger = Ledger(tmp_path_factory.mktemp("spoiled") / "ledger")
    write(ledger, *(answer(name(i)) for i in range(3)))
    (segment,) = segments(ledger)
    content = bytearray(segment.read_bytes())
    lines = content.splitlines(keepends=True)
    start = len(lines[0]) + len(lines[1])
    content[start + int(place * (len(lines[2]) - 1))] ^= change  # any but the newline
    segment.write_bytes(content)
    segment.with_suffix(".idx").unlink()

    for _ in range(2):  # from the segment itself, then from the index made of it
        reader = ledger.reader()
        assert [reader.read(name(i)) for i in (0, 2)] == [answer(name(0)), answer(name(2))]
        assert reader.outcome(name(1)) is None
        assert sum(1 for _ in reader.since(0)) == len(reader) == 2
        damage = reader.damaged()
        assert damage[0].offset == start
        assert sum(entry.length for entry in damage) == len(lines[2])
        assert {entry.segment for entry in damage} == {segment}


def test_damage_is_logged_with_its_place(ledger: Ledger, caplog: pytest.LogCaptureFixture) -> None:
    write(ledger, answer(name(1)), answer(name(2)))
    (segment,) = segments(ledger)
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(lines[0] + b"f" + lines[1][1:] + lines[2])
    segment.with_suffix(".idx").unlink()
    with caplog.at_level(logging.WARNING):
        ledger.reader()
    place = f"{len(lines[1])} bytes from byte {len(lines[0])}"
    assert f"{segment}: damaged: {place}" in caplog.text


def test_damage_after_the_index_was_made_is_named_when_it_is_met(ledger: Ledger) -> None:
    write(ledger, answer(name(1)), answer(name(2)))
    (segment,) = segments(ledger)
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(lines[0] + lines[1].replace(b"choices", b"CHOICES") + lines[2])

    reader = ledger.reader()
    with pytest.raises(StillroomError, match=f"{segment.name}: the entry at byte {len(lines[0])}"):
        reader.read(name(1))
    assert reader.read(name(2)) == answer(name(2))

    segment.with_suffix(".idx").unlink()  # what the message says to do
    assert ledger.reader().outcome(name(1)) is None


@pytest.mark.parametrize("spoil", ["missing", "cut", "of another segment"])
def test_an_index_that_does_not_fit_is_made_again(ledger: Ledger, spoil: str) -> None:
    write(ledger, answer(name(1)), answer(name(2)))
    write(ledger, answer(name(3)))
    index, other = (segment.with_suffix(".idx") for segment in segments(ledger))
    right = index.read_bytes()
    if spoil == "missing":
        index.unlink()
    else:
        index.write_bytes(right[:-7] if spoil == "cut" else other.read_bytes())
    assert ledger.reader().read(name(2)) == answer(name(2))
    assert index.read_bytes() == right


# Locks and the folder


def test_digits_are_one_writers_at_a_time(ledger: Ledger) -> None:
    with ledger.writer("012", "run-1"), ledger.writer("345", "run-2"):
        with pytest.raises(LedgerBusy, match="run-2"), ledger.writer("5678", "run-3"):
            pass
        with ledger.writer("678", "run-3"):
            pass
    with ledger.writer(ALL, "run-4"):
        pass


def test_a_writer_refuses_what_belongs_to_another(ledger: Ledger) -> None:
    with ledger.writer("0", "run-1") as writer, pytest.raises(ValueError, match="not of digits 0"):
        append(writer, [answer("1" + name(1)[1:])])


def test_a_closed_writer_appends_nothing(ledger: Ledger) -> None:
    with ledger.writer(ALL, "run-1") as writer:
        pass
    with pytest.raises(RuntimeError, match="closed"):
        append(writer, [answer(name(1))])


@pytest.mark.parametrize("exists", [True, False])
def test_a_ledger_not_yet_written_is_empty_and_reading_makes_nothing(
    tmp_path: Path, exists: bool
) -> None:
    folder = tmp_path / "ledger"
    if exists:
        folder.mkdir()
    reader = Ledger(folder).reader()
    assert len(reader) == 0
    assert reader.outcome(name(1)) is None
    assert [*reader.since(0)] == []
    assert folder.exists() is exists


def test_a_run_may_start_on_a_new_ledger_and_on_an_old_one(ledger: Ledger) -> None:
    ledger.preflight("run-1")
    write(ledger, answer(name(1)))
    ledger.preflight("run-2")
    assert json.loads((Path(ledger.folder) / "FORMAT.json").read_bytes())["scheme"] == SCHEME


def test_a_run_may_not_start_while_another_writes(ledger: Ledger) -> None:
    with ledger.writer("7", "run-1"), pytest.raises(LedgerBusy, match="run-1"):
        ledger.preflight("run-2")


def test_a_run_may_not_start_on_a_full_disk(ledger: Ledger) -> None:
    with pytest.raises(InputError, match=r"disk of the ledger is full .*MiB free"):
        ledger.preflight("run-1", needed_bytes=2**62)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=str(tmp_path / "file")):
        Ledger(tmp_path / "file" / "ledger").preflight("run-1")


@pytest.mark.parametrize(
    "use",
    [
        lambda ledger: ledger.preflight("run-1"),
        lambda ledger: ledger.reader(),
        lambda ledger: ledger.writer(ALL, "run-1").__enter__(),
    ],
    ids=["preflight", "reader", "writer"],
)
@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("thesis.txt", "", "holds something else .*thesis.txt"),
        ("FORMAT.json", '{"format": 3}', "found format 3; expected format 1 or 2"),
        ("FORMAT.json", '{"format": 2, "scheme": 99}', "scheme 99; expected .* or older"),
        ("FORMAT.json", "{", "format is not known"),
    ],
    ids=["something else", "newer", "newer scheme", "broken"],
)
def test_a_folder_that_is_no_ledger_is_refused(
    tmp_path: Path, file: str, content: str, message: str, use: Callable[[Ledger], object]
) -> None:
    (tmp_path / file).write_text(content)
    with pytest.raises(InputError, match=message):
        use(Ledger(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == [file]


def test_an_address_is_no_folder() -> None:
    with pytest.raises(InputError, match="gs://bucket/ledger"):
        Ledger("gs://bucket/ledger")


def test_a_ledger_travels_to_workers(ledger: Ledger) -> None:
    write(ledger, answer(name(1)))
    assert pickle.loads(pickle.dumps(ledger)).reader().read(name(1)) == answer(name(1))  # noqa: S301


# Compaction


def filled(ledger: Ledger) -> list[Response]:
    """Writes several sessions; returns what was written, in order."""
    sessions = [
        [failure(name(i), attempt=attempt) for i in range(20)] for attempt in range(1, 3)
    ] + [[answer(name(i), attempt=3) for i in range(0, 20, 2)]]
    for session in sessions:
        with ledger.writer(ALL, "run-1") as writer:
            writer.note_decision(VERDICT)
            append(writer, session)
    return [response for session in sessions for response in session]


def held(ledger: Ledger) -> tuple[object, ...]:
    """Returns all that a ledger tells."""
    reader = ledger.reader()
    return (
        len(reader),
        [reader.attempts(name(i)) for i in range(20)],
        [reader.outcome(name(i)) for i in range(20)],
        [reader.request(name(i)) for i in range(20)],
        reader.decision(VERDICT.decision_id),
    )


def test_compaction_leaves_one_segment_and_changes_no_answer(ledger: Ledger) -> None:
    written = filled(ledger)
    before = held(ledger)
    assert before[0] == len(written) == 50
    assert compact(ledger, "tidy") == 3
    assert len(segments(ledger)) == 1
    assert held(ledger) == before
    assert compact(ledger, "tidy") == 0
    segments(ledger)[0].with_suffix(".idx").unlink()
    assert held(ledger) == before


def test_a_ledger_grows_and_is_compacted_again(ledger: Ledger) -> None:
    filled(ledger)
    compact(ledger, "tidy")
    write(ledger, answer(name("new")))
    assert compact(ledger, "tidy") == 2
    assert ledger.reader().read(name("new")) == answer(name("new"))
    assert len(ledger.reader()) == 51


def test_a_compaction_killed_before_it_removed_the_old_segments_counts_nothing_twice(
    ledger: Ledger, tmp_path: Path
) -> None:
    filled(ledger)
    before = held(ledger)
    shutil.copytree(ledger.folder, tmp_path / "copy")
    compact(ledger, "tidy")
    for old in (tmp_path / "copy" / "segments").iterdir():
        shutil.copy(old, Path(ledger.folder) / "segments")
    assert held(ledger) == before
    compact(ledger, "tidy")
    assert held(ledger) == before
    assert len(segments(ledger)) == 1


def test_a_compaction_killed_before_its_segment_had_a_name_never_was(ledger: Ledger) -> None:
    filled(ledger)
    before = held(ledger)
    folder = Path(ledger.folder) / "segments"
    (folder / "00000004-compacted.idx").write_bytes(b"half")
    (folder / ".00000004-compacted.jsonl.12345678").write_bytes(b"half")
    assert held(ledger) == before
    compact(ledger, "tidy")
    assert held(ledger) == before
    assert len([*folder.iterdir()]) == 2


def test_compaction_puts_a_damaged_segment_aside(ledger: Ledger) -> None:
    filled(ledger)
    damaged = segments(ledger)[0]
    content = damaged.read_bytes().replace(b"http_429", b"http_420", 1)
    damaged.write_bytes(content)
    damaged.with_suffix(".idx").unlink()
    compact(ledger, "tidy")
    assert len(ledger.reader()) == 49
    assert damaged.with_suffix(".damaged").read_bytes() == content


def test_compaction_that_meets_damage_changes_nothing(ledger: Ledger) -> None:
    filled(ledger)
    before = segments(ledger)
    before[0].write_bytes(before[0].read_bytes().replace(b"http_429", b"http_420", 1))
    with pytest.raises(StillroomError, match="damaged"):
        compact(ledger, "tidy")
    assert segments(ledger) == before


def test_compaction_waits_for_no_run(ledger: Ledger) -> None:
    with ledger.writer("7", "run-1"), pytest.raises(LedgerBusy, match="run-1"):
        compact(ledger, "tidy")
