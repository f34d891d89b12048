"""Migration: every response gets the id of today's scheme, in a folder and in a bucket."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from schemas.errors import InputError, LedgerBusy, StillroomError
from schemas.requests import SCHEME
from tests.gcs_server import GcsServer
from tests.transforms.ledger.samples import ALL, Home
from transforms.judging.renamed import Judgements
from transforms.ledger import Ledger, ReaderLike
from transforms.ledger.entries import encode, make_line, read_line
from transforms.ledger.gcs import GcsLedger
from transforms.ledger.gcs_names import answer_name, decision_name, response_name
from transforms.ledger.migrate import Migration
from transforms.ledger.migrate_folder import migrate_folder
from transforms.ledger.migrate_gcs import migrate_bucket
from transforms.ledger.scheme import ids_of

pytestmark = pytest.mark.timeout(60)

SCHEME_1 = Path(__file__).parents[2] / "data/ledgers/scheme_1"
NOTES = {"batches/0-1.job.b-1": b"", "batches/0-1.settled.0123456789abcdef": b""}

Entry = dict[str, Any]


def old_entries() -> list[Entry]:
    """Returns the entries of a ledger of scheme 1 in the order in which they came."""
    paths = sorted((SCHEME_1 / "segments").glob("*.jsonl"))
    return [read_line(line) for path in paths for line in path.read_bytes().splitlines(True)]


def fill(home: Home, entries: list[Entry] | None = None) -> None:
    """Writes a ledger of scheme 1."""
    entries = old_entries() if entries is None else entries
    home.put("FORMAT.json", (SCHEME_1 / "FORMAT.json").read_bytes())
    for note, data in NOTES.items():
        home.put(note, data)
    if isinstance(home.ledger, Ledger):
        home.put("segments/00000001.jsonl", b"".join(make_line([encode(e)]) for e in entries))
        return
    asked = {e["request_id"]: e["request"] for e in entries if "request" in e}
    for number, entry in enumerate(entries):
        if entry["kind"] == "decision":
            home.put(decision_name(entry["verdict"]["decision_id"]), encode(entry) + b"\n")
        elif entry["kind"] == "response":
            key = entry["request_id"]
            data = encode(entry | {"request": asked[key]}) + b"\n"
            name = f"try-{entry['sent_at']:014d}-0001-open-{number:016x}.json"
            answered = entry["outcome"] == "answer"
            home.put(answer_name(key) if answered else response_name(key, name), data)


def migrate(home: Home) -> Migration:
    if isinstance(home.ledger, Ledger):
        return migrate_folder(home.ledger, "migrate", Judgements())
    assert isinstance(home.ledger, GcsLedger)
    return migrate_bucket(home.ledger, "migrate", Judgements())


def content(reader: ReaderLike) -> Counter[bytes]:
    """Returns how often each body is in a ledger."""
    return Counter(response.body for response in reader.since(0))


@pytest.fixture
def old(home: Home) -> Home:
    fill(home)
    return home


def test_every_response_has_the_id_of_what_was_asked(old: Home) -> None:
    before = content(old.ledger.reader(any_scheme=True))
    done = migrate(old)
    assert (done.requests, len(done.new_ids), done.left) == (24, 24, {})
    reader = old.ledger.reader()
    assert content(reader) == before
    assert before.total() == 30
    plain = 0
    for response in reader.since(0):
        asked = reader.request(response.request_id)
        assert asked is not None
        plain += response.request_id == ids_of(asked).new
    assert plain == 24  # the others are six follow-ups, whose ids are made of their requests'
    assert all(reader.outcome(new.hex()) for new in done.new_ids.values())
    assert not any(reader.outcome(each.hex()) for each in done.new_ids)


def test_verdicts_and_notes_stay_as_they_are(old: Home) -> None:
    names = {e["verdict"]["decision_id"]: e["verdict"] for e in old_entries() if "verdict" in e}
    migrate(old)
    reader = old.ledger.reader()
    assert {name: reader.decision(name) for name in names} == names
    assert {name: old.stored()[name] for name in NOTES} == NOTES


def test_the_id_that_was_asked_under_is_kept(old: Home) -> None:
    done = migrate(old)
    text = b"".join(old.stored().values())
    assert all(b'"former_id":"%s"' % each.hex().encode() in text for each in done.new_ids)


def test_a_migrated_ledger_is_left_alone(old: Home) -> None:
    migrate(old)
    before = old.stored()
    assert migrate(old) == Migration()
    assert old.stored().keys() == before.keys()
    assert json.loads(before["FORMAT.json"])["scheme"] == SCHEME


def test_nothing_migrates_while_a_run_writes(old: Home) -> None:
    of_scheme_1 = old.stored()["FORMAT.json"]
    migrate(old)
    with old.ledger.writer("7", "run-1"):
        old.put("FORMAT.json", of_scheme_1)
        with pytest.raises(LedgerBusy, match="run-1"):
            migrate(old)


@pytest.mark.parametrize("puts", [0, 1, 10, 28])
def test_a_migration_in_a_bucket_that_broke_off_is_completed_by_the_next(
    bucket_home: Home, server: GcsServer, puts: int
) -> None:
    fill(bucket_home)
    before = content(bucket_home.ledger.reader(any_scheme=True))
    allowed = iter(range(puts))

    def stop() -> None:
        server.before("POST", "responses", stop)
        if next(allowed, None) is None:
            server.faults.clear()
            server.fail("POST", "responses", status=403)

    server.before("POST", "responses", stop)
    with pytest.raises(InputError, match="403"):
        migrate(bucket_home)
    with pytest.raises(InputError, match="scheme 1"):
        bucket_home.ledger.reader()
    server.faults.clear()
    migrate(bucket_home)
    assert content(bucket_home.ledger.reader()) == before
    assert before.total() == 30


@pytest.mark.parametrize("step", ["write_index", "remove_segments"])
def test_a_migration_in_a_folder_that_broke_off_is_completed_by_the_next(
    folder_home: Home, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def broken(*_: object) -> None:
        raise StillroomError("killed")

    fill(folder_home)
    before = content(folder_home.ledger.reader(any_scheme=True))
    with monkeypatch.context() as patched:
        patched.setattr(f"transforms.ledger.migrate_folder.{step}", broken)
        with pytest.raises(StillroomError, match="killed"):
            migrate(folder_home)
    with pytest.raises(InputError, match="scheme 1"):
        folder_home.ledger.reader()
    migrate(folder_home)
    assert content(folder_home.ledger.reader()) == before
    (segment,) = (name for name in folder_home.stored() if name.endswith(".jsonl"))
    assert segment.endswith("-compacted.jsonl")


def test_what_does_not_follow_from_its_entry_is_named_and_kept(home: Home) -> None:
    entries = old_entries()
    changed = next(e for e in entries if "request" in e and len(e["request"]["messages"]) == 1)
    changed["request"]["model"] = "another"
    fill(home, entries)
    done = migrate(home)
    name = changed["request_id"]
    # The judgement of its answer, and its follow-up with that one's, rest on it too.
    assert name in done.left
    assert "does not follow" in done.left[name]
    assert len(done.new_ids) + len(done.left) == 24
    assert home.ledger.reader().attempts(name)


def test_a_ledger_that_waits_for_batches_is_not_migrated(old: Home) -> None:
    old.put("batches/0-2.jsonl", b"{}")
    with pytest.raises(InputError, match="1 batches not yet collected"):
        migrate(old)
    with pytest.raises(InputError, match="scheme 1"):
        old.ledger.writer(ALL, "run-1").__enter__()
