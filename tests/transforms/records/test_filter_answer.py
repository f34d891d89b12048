"""What becomes of one answer: a record, a rejected row with its reason, or nothing yet."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from schemas.codes import MalformedReason, Reason, RowKind, Stage
from schemas.inputs.quality import FilterChoice, Preferences
from schemas.records import Record, Rejected
from schemas.requests import Request
from schemas.responses import Completion, Malformed, Response
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
from transforms.filters.decontaminate import EvaluationItem, build_index
from transforms.job import Job
from transforms.limits.budget import Spend
from transforms.providers.apis import find_api
from transforms.records.filter_answer import AnswerFilter
from transforms.records.filtered_bucket import PairCandidate
from transforms.records.replies import PaidAnswer, Replies

REQUEST = ask("Why is the sky blue?")
DAY = timedelta(days=1)
PAIRS = Preferences(by="empty", gap=1.0)


def answered(response: Response) -> Replies:
    """Returns the replies of a request with one response."""
    completion = find_api("openai-chat").parse(response.body) if response.answered else None
    if not isinstance(completion, Completion):
        return Replies(response=response, completion=completion)
    paid = PaidAnswer("run-1", completion.usage, Spend(50_000_000, 1, 30))
    return Replies(response=response, completion=completion, paid=(paid,))


def outcome(
    job: Job, replies: Replies, request: Request = REQUEST
) -> Record | Rejected | PairCandidate | None:
    return AnswerFilter(job, job.routes(), None).filter(request, replies)


def rejected(
    job: Job, replies: Replies, request: Request = REQUEST
) -> tuple[Stage, RowKind, str, str]:
    """Returns stage, kind, reason and detail of the row of a request."""
    row = outcome(job, replies, request)
    assert isinstance(row, Rejected)
    return row.stage, row.kind, row.reason, row.detail


def test_an_answer_that_passes_every_check_becomes_a_record(tmp_path: Path) -> None:
    record = outcome(make_job(tmp_path, splits={"all": 1.0}), answered(respond(REQUEST)))
    assert isinstance(record, Record)
    assert (record.record_id, record.completion) == (REQUEST.request_id, "It is blue.")
    assert (record.split, record.tags) == ("all", ())


@pytest.mark.parametrize(
    "replies",
    [Replies(), Replies(response=fail(REQUEST, final=False))],
    ids=["never asked", "to be asked again"],
)
def test_a_request_without_a_final_answer_is_pending(tmp_path: Path, replies: Replies) -> None:
    assert outcome(make_job(tmp_path), replies) is None


def test_a_final_failure_is_a_failed_row(tmp_path: Path) -> None:
    row = rejected(make_job(tmp_path), answered(fail(REQUEST, "http_400")))
    assert row == (Stage.ASK, RowKind.FAILED, "http_400", "why")


def test_an_answer_that_cannot_be_parsed_is_a_failed_row(tmp_path: Path) -> None:
    malformed = Malformed(MalformedReason.NO_CHOICES, "none")
    replies = Replies(response=respond(REQUEST), completion=malformed)
    row = rejected(make_job(tmp_path), replies)
    assert row == (Stage.PARSE, RowKind.FAILED, MalformedReason.NO_CHOICES, "none")


def test_an_answer_of_another_model_is_rejected(tmp_path: Path) -> None:
    replies = answered(respond(REQUEST, body=body("It is blue.", model="model-2")))
    assert rejected(make_job(tmp_path), replies) == (
        Stage.PARSE,
        RowKind.REJECTED,
        Reason.SERVED_MODEL_DIFFERS,
        "asked 'model-1', answered by 'model-2'",
    )


@pytest.mark.parametrize(
    ("terms_end", "reason"),
    [
        (COLLECTED - DAY, Reason.TERMS_AT_COLLECTION),
        (COLLECTED, Reason.TERMS_AT_BUILD),
        (TODAY - DAY, Reason.TERMS_AT_BUILD),
    ],
)
def test_the_guard_must_permit_an_answer_on_the_day_of_collection_and_today(
    tmp_path: Path, terms_end: date, reason: Reason
) -> None:
    job = make_job(tmp_path, terms_end=terms_end)
    stage, kind, found, _ = rejected(job, answered(respond(REQUEST)))
    assert (stage, kind, found) == (Stage.GUARD, RowKind.REJECTED, reason)


def test_terms_that_end_today_permit_today(tmp_path: Path) -> None:
    job = make_job(tmp_path, terms_end=TODAY)
    assert isinstance(outcome(job, answered(respond(REQUEST))), Record)


def test_the_guard_must_permit_the_first_answer_too_where_a_follow_up_is_used(
    tmp_path: Path,
) -> None:
    first = respond(REQUEST, sent_at=0)  # long before the terms
    replies = replace(answered(respond(REQUEST)), repairs=first)
    assert rejected(make_job(tmp_path), replies)[2] == Reason.TERMS_AT_COLLECTION


def test_a_finding_that_drops_rejects_an_answer_and_is_kept_in_its_row(tmp_path: Path) -> None:
    row = outcome(make_job(tmp_path), answered(respond(REQUEST, body=body(" "))))
    assert isinstance(row, Rejected)
    assert (row.stage, row.kind, row.reason) == (Stage.FILTER, RowKind.REJECTED, "empty")
    assert [(found.rule, found.code) for found in row.findings] == [("empty", "empty")]
    assert row.usd == 50e-6


def test_terms_reject_an_answer_before_filters_do(tmp_path: Path) -> None:
    job = make_job(tmp_path, terms_end=COLLECTED)
    assert rejected(job, answered(respond(REQUEST, body=body(" "))))[0] is Stage.GUARD


def test_an_answer_that_holds_an_evaluation_item_is_rejected(tmp_path: Path) -> None:
    item = "the seven lean cows ate up the seven fat cows by the river of the king"
    job = make_job(tmp_path)
    evaluation = build_index([EvaluationItem("held-out.jsonl", 1, item)])
    row = AnswerFilter(job, job.routes(), evaluation).filter(
        REQUEST, answered(respond(REQUEST, body=body(f"I know: {item}.")))
    )
    assert isinstance(row, Rejected)
    assert row.stage is Stage.DECONTAMINATE


HELD = "the seven lean cows ate up the seven fat cows by the river of the king"
HELD_REQUEST = ask(f"Solve it: {HELD}. How many are left?")


def held_back(job: Job, replies: Replies) -> Rejected:
    """Returns the row of a request whose prompt holds an evaluation item."""
    evaluation = build_index([EvaluationItem("held-out.jsonl", 1, HELD)])
    row = AnswerFilter(job, job.routes(), evaluation).filter(HELD_REQUEST, replies)
    assert isinstance(row, Rejected)
    return row


@pytest.mark.parametrize("replies", [Replies(), Replies(fail(HELD_REQUEST, final=False))])
def test_a_request_that_is_not_asked_has_the_row_that_its_answer_would_have(
    tmp_path: Path, replies: Replies
) -> None:
    job = make_job(tmp_path)
    row = held_back(job, answered(respond(HELD_REQUEST)))
    assert (row.completion, row.usd, row.reason) == ("It is blue.", 50e-6, "contaminated")
    assert held_back(job, replies) == replace(
        row, completion="", usd=0.0, finish_reason="", prompt_tokens=None, completion_tokens=None
    )


def test_a_request_of_such_a_prompt_that_failed_for_good_stays_failed(tmp_path: Path) -> None:
    row = held_back(make_job(tmp_path), answered(fail(HELD_REQUEST, "http_400")))
    assert (row.kind, row.reason) == (RowKind.FAILED, "http_400")


@pytest.mark.parametrize(
    ("text", "run", "is_candidate"),
    [
        (" ", {"preferences": PAIRS}, True),
        (" ", {}, False),
        (
            " ",
            {"preferences": PAIRS, "filters": (FilterChoice(rule="empty", action="quarantine"),)},
            False,
        ),
    ],
    ids=["drop", "no pairs", "quarantine"],
)
def test_a_dropped_answer_is_a_candidate_for_pairs_where_the_run_makes_them(
    tmp_path: Path, text: str, run: dict[str, Any], is_candidate: bool
) -> None:
    row = outcome(make_job(tmp_path, **run), answered(respond(REQUEST, body=body(text))))
    assert isinstance(row, PairCandidate if is_candidate else Rejected)


def test_a_denied_answer_is_no_candidate_for_pairs(tmp_path: Path) -> None:
    job = make_job(tmp_path, terms_end=COLLECTED, preferences=PAIRS)
    assert isinstance(outcome(job, answered(respond(REQUEST))), Rejected)


def test_redaction_reaches_messages_and_completion_and_keeps_the_ids(tmp_path: Path) -> None:
    job = make_job(tmp_path, filters=(FilterChoice(rule="personal", action="redact"),))
    request = ask("Who is jo.doe@corp-mail.net?")
    record = outcome(job, answered(respond(request, "Ask jo.doe@corp-mail.net.")), request)
    assert isinstance(record, Record)
    assert (record.record_id, record.prompt_id) == (request.request_id, request.prompt.prompt_id)
    assert [turn.role for turn in record.messages] == ["system", "user", "assistant"]
    assert record.messages[0].content == "Be brief."
    assert "jo.doe" not in str(record.messages) + record.completion


def test_the_prompt_of_a_failed_request_is_redacted(tmp_path: Path) -> None:
    job = make_job(tmp_path, filters=(FilterChoice(rule="personal", action="redact"),))
    request = ask("Who is jo.doe@corp-mail.net?")
    row = outcome(job, answered(fail(request)), request)
    assert isinstance(row, Rejected)
    assert row.teacher == ROUTE
    assert "jo.doe" not in str(row.messages)


def changed(**changes: Any) -> Replies:
    """Returns the replies of a request whose one answer has changes."""
    answer = json.loads(body("It is blue."))
    answer["choices"][0] |= changes.pop("choice", {})
    return answered(respond(REQUEST, body=json.dumps(answer | changes).encode()))


def test_the_servers_own_word_for_an_unknown_end_is_in_the_rejected_row(tmp_path: Path) -> None:
    replies = changed(choice={"finish_reason": "insufficient_system_resource"})
    job = make_job(tmp_path, filters=(FilterChoice(rule="finish_reason"),))
    *_, reason, detail = rejected(job, replies)
    assert reason == "unknown"
    assert "'insufficient_system_resource'" in detail


def test_a_record_with_contradictory_usage_has_a_tag(tmp_path: Path) -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 45}
    record = outcome(make_job(tmp_path), changed(usage=usage))
    assert isinstance(record, Record)
    assert record.tags == ("contradictory_usage",)
    assert record.provenance.response.completion_tokens == 35


def test_reasoning_inside_an_answer_is_kept_apart_in_the_record(tmp_path: Path) -> None:
    message = {"role": "assistant", "content": "scattered light\n</think>\n\nIt is blue."}
    record = outcome(make_job(tmp_path), changed(choice={"message": message}))
    assert isinstance(record, Record)
    assert (record.completion, record.reasoning, record.tags) == (
        "It is blue.",
        "scattered light",
        (),
    )
