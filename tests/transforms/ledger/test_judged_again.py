"""Older versions stored any response with status 2xx as an answer: those are judged again."""

from __future__ import annotations

import json
import logging

import pytest

from schemas.errors import StillroomError
from schemas.requests import SCHEME
from schemas.responses import Response
from tests.transforms.ledger.samples import Home, answer, ask, name
from transforms.judging.renamed import Judgements
from transforms.ledger import Ledger, RequestOutcome
from transforms.ledger.entries import encode, encode_response, make_line
from transforms.ledger.gcs import GcsLedger
from transforms.ledger.gcs_names import answer_name
from transforms.ledger.migrate import Migration
from transforms.ledger.migrate_gcs import migrate_bucket

pytestmark = pytest.mark.timeout(30)

PAGE = answer(name(1), body=b"<html>Sign in</html>")
CUT = answer(name(2), body=b'{"choices": [{"mess')
GOOD = answer(name(3), body=b'{"choices": [{"message": {"content": "Yes."}}]}')


def as_older_versions_wrote(response: Response) -> bytes:
    entry = json.loads(b"".join(encode_response(response, ask())))
    del entry["judged"]
    return encode(entry)


@pytest.fixture
def old(home: Home) -> Home:
    """A ledger of an older version: a sign-in page, an answer that is cut off and a good one."""
    form = {"format": 2, "scheme": SCHEME, "what": "stillroom ledger"}
    home.put("FORMAT.json", json.dumps(form).encode())
    entries = {each.request_id: as_older_versions_wrote(each) for each in (PAGE, CUT, GOOD)}
    if isinstance(home.ledger, Ledger):
        home.put("segments/00000001.jsonl", b"".join(make_line([e]) for e in entries.values()))
    for request_id, data in entries.items():
        if not isinstance(home.ledger, Ledger):
            home.put(answer_name(request_id), data)
    return home


def migrate(home: Home) -> Migration:
    if isinstance(home.ledger, GcsLedger):
        return migrate_bucket(home.ledger, "migrate", Judgements())
    return Migration()


def test_what_holds_no_answer_is_asked_again_and_kept(old: Home) -> None:
    migrate(old)
    reader = old.ledger.reader()
    assert reader.outcome(name(1)) == RequestOutcome(answered=False, final=True)
    assert [reader.outcome(name(number)) for number in (2, 3)] == [
        RequestOutcome(answered=True, final=True)
    ] * 2
    found = reader.read(name(1))
    assert found is not None
    assert (found.outcome, found.body) == ("html", PAGE.body)
    assert sorted(each.body for each in reader.since(0)) == sorted(
        each.body for each in (PAGE, CUT, GOOD)
    )


def test_a_bucket_is_judged_once_and_a_run_says_where_that_is_to_do(
    old: Home, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        old.ledger.preflight("run-1")
        in_bucket = isinstance(old.ledger, GcsLedger)
        assert ("stillroom ledger migrate gs://" in caplog.text) is in_bucket
        assert migrate(old).not_answers == in_bucket
        assert migrate(old) == Migration()
        caplog.clear()
        old.ledger.preflight("run-2")
    assert caplog.text == ""


def test_a_damaged_answer_is_named(bucket_home: Home) -> None:
    bucket_home.put(answer_name(name(1)), b"{")
    bucket_home.put("FORMAT.json", json.dumps({"format": 2, "scheme": SCHEME}).encode())
    with pytest.raises(StillroomError, match="is damaged"):
        migrate(bucket_home)
