"""What a judge's answer does to a record."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from schemas.codes import JudgeVerdict, MalformedReason, ModelRole, Reason, Stage
from schemas.inputs.quality import Preferences
from schemas.inputs.run import Judge, TeacherChoice
from schemas.records import Record, Rejected
from schemas.responses import Completion, Malformed, Response
from tests.corpus_builder import make_record
from tests.transforms.records.run_builder import (
    COLLECTED,
    ROUTE,
    TODAY,
    ask,
    body,
    fail,
    make_job,
    respond,
)
from transforms.judging.judge import RecordJudge
from transforms.limits.budget import Spend
from transforms.providers.apis import find_api
from transforms.records.filtered_bucket import PairCandidate
from transforms.records.replies import PaidAnswer, Replies

DAY = timedelta(days=1)
QUESTION = ask("Rate it.")
JUDGE = Judge(
    teacher=TeacherChoice(id=ROUTE),
    criteria="Is it right?",
    minimum=3,
    action="drop",
    unreadable="tag",
)
PAIRS = {"preferences": Preferences(by="judge", gap=1.0)}


def answered(text: str, **changes: Any) -> Replies:
    """Returns the replies to the request to the judge, with one answer."""
    response = respond(QUESTION, body=body(text), **changes)
    completion = find_api("openai-chat").parse(response.body)
    assert isinstance(completion, Completion)
    paid = PaidAnswer("run-1", completion.usage, Spend(50_000_000, 1, 30))
    return Replies(response=response, completion=completion, paid=(paid,))


def judged(
    folder: Path,
    replies: Replies,
    judge: Judge = JUDGE,
    *,
    terms_end: date | None = None,
    **run: Any,
) -> Record | Rejected | PairCandidate | None:
    """Judges a record by the replies to the request to its judge."""
    job = make_job(folder, terms_end=terms_end, judge=judge, **run).judging()
    record_judge = RecordJudge(job, judge, job.guard.route(ROUTE))
    return record_judge.judge_record(make_record(1), QUESTION, replies)


def test_a_good_score_is_kept_with_the_record_and_so_are_the_judge_s_terms(tmp_path: Path) -> None:
    record = judged(tmp_path, answered("It is right.\nScore: 4"))
    assert isinstance(record, Record)
    (judgement,) = record.provenance.judgements
    assert (judgement.score, judgement.verdict) == (4.0, JudgeVerdict.PASSED)
    assert (judgement.rationale, judgement.usd) == ("It is right.", 50e-6)
    assert (judgement.lowest, judgement.highest, judgement.criteria) == (1, 5, "Is it right?")
    before = make_record(1).provenance
    assert record.provenance.generators[:-1] == before.generators
    assert record.provenance.generators[-1].role is ModelRole.JUDGE
    assert record.provenance.generators[-1].decision_id == judgement.decision_id
    documents = {terms.document for terms in record.provenance.terms}
    assert documents == {terms.document for terms in before.terms} | {"acme/terms", "CC0-1.0"}


def test_a_low_score_rejects_a_record_with_the_judge_s_reason(tmp_path: Path) -> None:
    row = judged(tmp_path, answered("It is wrong.\nScore: 2"))
    assert isinstance(row, Rejected)
    assert (row.stage, row.reason) == (Stage.JUDGE, Reason.JUDGED_LOW)
    assert row.detail == "scored 2 of 5, at least 3 is asked for: It is wrong."
    assert row.findings[-1].value == 2.0


@pytest.mark.parametrize(
    ("text", "code", "verdict"),
    [
        ("Score: 2", Reason.JUDGED_LOW, JudgeVerdict.LOW),
        ("I cannot say.", Reason.JUDGE_UNREADABLE, JudgeVerdict.UNREADABLE),
    ],
)
def test_an_opinion_tags_a_record_if_the_run_file_says_so(
    tmp_path: Path, text: str, code: Reason, verdict: JudgeVerdict
) -> None:
    record = judged(tmp_path, answered(text), JUDGE.model_copy(update={"action": "tag"}))
    assert isinstance(record, Record)
    assert code in record.tags
    assert record.provenance.judgements[-1].verdict is verdict


@pytest.mark.parametrize(
    "replies",
    [Replies(), Replies(response=fail(QUESTION, final=False))],
    ids=["never asked", "to be asked again"],
)
def test_a_record_without_a_final_answer_of_its_judge_is_pending(
    tmp_path: Path, replies: Replies
) -> None:
    assert judged(tmp_path, replies) is None


def malformed(response: Response) -> Replies:
    return Replies(
        response=response, completion=Malformed(MalformedReason.NO_CHOICES, "an empty list")
    )


@pytest.mark.parametrize(
    ("replies", "finding"),
    [
        (Replies(response=fail(QUESTION, "http_400")), "http_400: why"),
        (malformed(respond(QUESTION)), "no_choices: an empty list"),
    ],
)
def test_a_judge_that_gave_no_answer_is_a_finding_without_a_judgement(
    tmp_path: Path, replies: Replies, finding: str
) -> None:
    record = judged(tmp_path, replies)
    assert isinstance(record, Record)
    assert record.provenance.judgements == ()
    last = record.provenance.filters[-1]
    assert (last.code, last.finding) == (Reason.JUDGE_FAILED, finding)


def test_an_answer_of_another_model_is_no_judgement(tmp_path: Path) -> None:
    response = respond(QUESTION, body=body("Score: 5", model="model-2"))
    completion = find_api("openai-chat").parse(response.body)
    record = judged(tmp_path, Replies(response=response, completion=completion))
    assert isinstance(record, Record)
    assert record.provenance.judgements == ()


@pytest.mark.parametrize(
    ("terms_end", "reason"),
    [
        (COLLECTED - DAY, Reason.TERMS_AT_COLLECTION),
        (COLLECTED, Reason.TERMS_AT_BUILD),
        (TODAY - DAY, Reason.TERMS_AT_BUILD),
    ],
)
def test_the_guard_must_permit_the_judge_on_the_day_of_judging_and_today(
    tmp_path: Path, terms_end: date, reason: Reason
) -> None:
    row = judged(tmp_path, answered("Score: 5"), terms_end=terms_end)
    assert isinstance(row, Rejected)
    assert (row.stage, row.reason) == (Stage.GUARD, reason)


@pytest.mark.parametrize(
    ("action", "run", "kind"),
    [("drop", PAIRS, PairCandidate), ("drop", {}, Rejected), ("quarantine", PAIRS, Rejected)],
)
def test_a_dropped_record_is_a_candidate_for_pairs_if_the_run_makes_them(
    tmp_path: Path, action: Any, run: dict[str, Any], kind: type
) -> None:
    judge = JUDGE.model_copy(update={"action": action})
    assert isinstance(judged(tmp_path, answered("Score: 1"), judge, **run), kind)
