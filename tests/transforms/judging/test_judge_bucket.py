"""Judging a bucket: its records are rated, rejected or pending; other rows stay as they are."""

from __future__ import annotations

from pathlib import Path

from schemas.codes import Reason
from schemas.inputs.run import Judge, TeacherChoice
from tests.corpus_builder import make_record, make_rejected
from tests.transforms.records.run_builder import ROUTE, ask, fill_ledger, make_job, respond
from transforms.judging.judge_bucket import judge_bucket
from transforms.judging.stage_judgements import judge_requests, stage_judgements
from transforms.ledger import Ledger
from transforms.limits.budget import Spend
from transforms.prompts.staging import read_requests, write_requests
from transforms.records.filtered_bucket import (
    FILTERED,
    RequestCounts,
    write_filtered,
)
from transforms.records.make_records import make_records
from transforms.work import REQUESTS

JUDGE = Judge(
    teacher=TeacherChoice(id=ROUTE, parameters={"max_tokens": 100}),
    criteria="Is it right?",
    minimum=3,
    action="drop",
)
ASKED = tuple(ask(f"Question {number}") for number in range(4))
PAID = Spend(50_000_000, 1, 30)


def test_a_bucket_is_judged_by_the_answers_in_the_ledger(tmp_path: Path) -> None:
    job = make_job(tmp_path, judge=JUDGE)
    write_requests(job.work / REQUESTS, 0, ASKED)
    fill_ledger(job, *((request, respond(request)) for request in ASKED))
    filtered = make_records(job, 0, None, Ledger(Path(job.run.ledger)).reader())
    filtered.rejected.append(make_rejected(9))
    filtered.pair_candidates.append(make_record(9))

    questions = [question for _, question in judge_requests(job, JUDGE, 0, filtered.records)]
    good, low, earlier, _ = questions  # the last one is not answered
    fill_ledger(
        job,
        (good, respond(good, "Score: 5")),
        (low, respond(low, "Score: 1")),
        (earlier, respond(earlier, "Score: 4", run_id="run-0")),
    )
    judged = judge_bucket(job, JUDGE, 0, filtered, Ledger(Path(job.run.ledger)).reader())

    accepted = [record.record_id for record in judged.records]
    assert accepted == [filtered.records[index].record_id for index in (0, 2)]
    assert judged.rejected[0] == make_rejected(9)
    assert [row.reason for row in judged.rejected[1:]] == [Reason.JUDGED_LOW]
    assert judged.pair_candidates == [make_record(9)]
    added = RequestCounts(
        pending=1,
        prompt_tokens=20,
        completion_tokens=40,
        judged=2,
        judging=PAID + PAID,
        judgements=PAID + PAID + PAID,
    )
    assert judged.counts == filtered.counts + added


def test_a_request_to_the_judge_is_staged_for_each_record(tmp_path: Path) -> None:
    job = make_job(tmp_path, judge=JUDGE)
    write_requests(job.work / REQUESTS, 0, ASKED)
    fill_ledger(job, *((request, respond(request)) for request in ASKED[:2]))
    filtered = make_records(job, 0, None, Ledger(Path(job.run.ledger)).reader())
    write_filtered(job, FILTERED, 0, filtered)
    stage_judgements(job, JUDGE, 0)
    expected = [question for _, question in judge_requests(job, JUDGE, 0, filtered.records)]
    assert list(read_requests(job.judging().staged, 0)) == expected
    assert len(expected) == 2
