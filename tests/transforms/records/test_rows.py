"""What records and rejected rows say of an answer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from schemas.canonical import sha256
from schemas.codes import DedupeMethod, ModelRole, Reason, RowKind, Stage
from schemas.logprobs import Logprobs, TokenLogprob
from schemas.manifest import Compared
from schemas.prompts import Message
from schemas.records import DedupeProvenance, Generator, RecordedFinding, duplicate_detail
from schemas.requests import Request
from schemas.responses import Completion, ToolCall, Usage
from tests.corpus_builder import make_record as corpus_record
from tests.transforms.records.run_builder import COLLECTED, ROUTE, ask, make_job, respond
from transforms.limits.budget import Spend
from transforms.records.replies import PaidAnswer, Replies
from transforms.records.rows import (
    AnsweredRequest,
    make_duplicate,
    make_not_best,
    make_record,
    make_rejected,
    reject_record,
)

USAGE = Usage(prompt_tokens=10, completion_tokens=20, cached_tokens=4, reasoning_tokens=5)
COMPLETION = Completion(
    text="It is blue.",
    reasoning="Light scatters.",
    finish_reason="stop",
    usage=USAGE,
    response_model="model-1-0815",
    response_id="chatcmpl-1",
    system_fingerprint="fp",
    tool_calls=(ToolCall(id="1", name="look", arguments="{}"),),
    logprobs=Logprobs.pack([TokenLogprob("It", -0.5, ())]),
)
TAG = RecordedFinding(
    rule="length", version=1, code="short", action="tag", value=3.0, finding="3 tokens"
)
WITNESS = "b" * 64


def answer_to(request: Request, folder: Path) -> AnsweredRequest:
    """Returns an answer to a request, with one finding that tags it."""
    guard = make_job(folder).guard
    response = respond(request)
    return AnsweredRequest(
        request=request,
        replies=Replies(
            response=response,
            completion=COMPLETION,
            paid=(PaidAnswer("run-1", USAGE, Spend(50_000_000, 1, 30)),),
        ),
        response=response,
        completion=COMPLETION,
        route=guard.route(ROUTE),
        verdict=guard.decide(ROUTE, make_job(folder).run.purpose, COLLECTED),
        language="en",
        counted_tokens=4,
        findings=(TAG,),
    )


def test_a_record_holds_the_conversation_and_the_answer(tmp_path: Path) -> None:
    request = ask("Why?")
    record = make_record(answer_to(request, tmp_path), "train", "c" * 64)
    assert record.messages == (
        Message("system", "Be brief."),
        Message("user", "Why?"),
        Message("assistant", "It is blue."),
    )
    assert (record.record_id, record.prompt_id) == (request.request_id, request.prompt.prompt_id)
    assert (record.completion, record.reasoning) == ("It is blue.", "Light scatters.")
    assert record.tool_calls == COMPLETION.tool_calls
    assert (record.language, record.counted_tokens) == ("en", 4)
    assert (record.split, record.tags) == ("train", ("short",))


def test_a_record_explains_where_it_comes_from(tmp_path: Path) -> None:
    request = ask("Why?")
    answer = answer_to(request, tmp_path)
    found = make_record(answer, "train", "c" * 64).provenance
    assert (found.prompt.source, found.prompt.license) == ("tests", "CC0-1.0")
    assert (found.teacher.requested_model, found.teacher.response_model) == (
        "model-1",
        "model-1-0815",
    )
    assert (found.teacher.host, found.teacher.api) == ("acme.example", "openai-chat")
    assert (found.request.sent_at, found.request.received_at) == (
        answer.response.sent_at,
        answer.response.received_at,
    )
    assert (found.request.id, found.request.parameters) == (request.request_id, request.parameters)
    assert (found.response.prompt_tokens, found.response.completion_tokens) == (10, 20)
    assert (found.response.cached_tokens, found.response.reasoning_tokens) == (4, 5)
    assert (found.response.sha256, found.response.repair_of) == (sha256(answer.response.body), "")
    assert found.response.usd == 50e-6
    assert found.decision.decided_at == answer.response.sent_at
    assert (found.decision.id, found.terms) == (answer.verdict.decision_id, answer.verdict.terms)
    assert found.generators == (
        Generator(
            role=ModelRole.TEACHER,
            route=ROUTE,
            model="model-1-0815",
            decision_id=answer.verdict.decision_id,
        ),
    )
    assert (found.pipeline.collected_run, found.pipeline.config_digest) == ("run-1", "c" * 64)
    assert found.dedupe == DedupeProvenance(request.request_id, 1, DedupeMethod.NONE)


@pytest.mark.parametrize("asked", [True, False])
def test_log_probabilities_are_kept_only_if_the_request_asks_for_them(
    tmp_path: Path, asked: bool
) -> None:
    answer = answer_to(ask("Why?", **({"logprobs": True} if asked else {})), tmp_path)
    record = make_record(answer, "train", "")
    assert record.logprobs == (COMPLETION.logprobs if asked else Logprobs())


def test_a_failed_row_has_the_conversation_and_no_answer(tmp_path: Path) -> None:
    request = ask("Why?")
    row = make_rejected(
        request,
        Replies(),
        stage=Stage.ASK,
        kind=RowKind.FAILED,
        reason="timeout",
        detail="no answer",
    )
    assert (row.record_id, row.prompt_id) == (request.request_id, request.prompt.prompt_id)
    assert (row.teacher, row.file, row.line) == (ROUTE, "prompts.jsonl", None)
    assert row.messages == request.messages
    assert (row.completion, row.finish_reason, row.tool_calls) == ("", "", ())
    assert (row.usd, row.prompt_tokens, row.completion_tokens) == (0.0, None, None)


def test_a_rejected_row_has_the_answer_and_its_cost(tmp_path: Path) -> None:
    answer = answer_to(ask("Why?"), tmp_path)
    row = make_rejected(
        answer.request,
        answer.replies,
        stage=Stage.FILTER,
        kind=RowKind.REJECTED,
        reason="short",
        detail="3 tokens",
        completion=COMPLETION,
        findings=(TAG,),
    )
    assert (row.completion, row.reasoning) == ("It is blue.", "Light scatters.")
    assert (row.usd, row.prompt_tokens, row.completion_tokens) == (50e-6, 10, 20)
    assert (row.finish_reason, row.findings) == ("stop", (TAG,))


def test_a_record_and_its_rejected_row_cost_the_same_and_have_the_same_ids(tmp_path: Path) -> None:
    record = make_record(answer_to(ask("Why?"), tmp_path), "train", "")
    other = replace(TAG, code="judged_low")
    row = reject_record(
        record, stage=Stage.JUDGE, reason="judged_low", detail="why", findings=(other,)
    )
    assert (row.record_id, row.prompt_id) == (record.record_id, record.prompt_id)
    assert (row.stage, row.kind, row.reason) == (Stage.JUDGE, RowKind.REJECTED, "judged_low")
    assert (row.usd, row.prompt_tokens, row.completion_tokens) == (50e-6, 10, 20)
    assert row.messages == record.messages[:-1]
    assert row.findings == (TAG, other)


def test_a_sample_that_is_not_the_best_names_the_best_one() -> None:
    row = make_not_best(corpus_record(1), WITNESS, "scores 3")
    assert (row.stage, row.kind) == (Stage.CHOOSE, RowKind.REJECTED)
    assert (row.reason, row.witness, row.detail) == (Reason.NOT_BEST, WITNESS, "scores 3")


OLD = Compared(name="old", version="0123456789abcdef", sha256="e" * 64, own=False)


@pytest.mark.parametrize(
    ("method", "of", "reason", "detail"),
    [
        (DedupeMethod.EXACT, None, Reason.EXACT_DUPLICATE, f"duplicates {WITNESS}"),
        (
            DedupeMethod.NEAR,
            OLD,
            Reason.NEAR_DUPLICATE,
            f"duplicates {WITNESS} of old version 0123456789abcdef",
        ),
    ],
)
def test_a_duplicate_names_the_record_that_stays_and_its_version(
    method: DedupeMethod, of: Compared | None, reason: Reason, detail: str
) -> None:
    row = make_duplicate(corpus_record(1), WITNESS, 0.9, method, of)
    assert (row.stage, row.kind, row.reason) == (Stage.DEDUPE, RowKind.DUPLICATE, reason)
    assert (row.witness, row.similarity) == (WITNESS, 0.9)
    assert row.detail == detail == duplicate_detail(WITNESS, of)
