"""Makes a record of one answer, or the row that gives the reason why it is rejected.

Sends nothing and reads no clock: the same request, response and job give the same row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

from schemas.codes import Reason, RowKind, Stage
from schemas.inputs.registry import Route
from schemas.records import Record, Rejected
from schemas.requests import Request
from schemas.responses import Completion, Malformed, Response
from schemas.terms import Verdict
from transforms.filters import policy
from transforms.filters.decontaminate import RULE, EvaluationIndex
from transforms.filters.json_schema import schema_asked_for
from transforms.filters.language import detect_language
from transforms.filters.publishable import is_publishable
from transforms.filters.rules import Candidate
from transforms.filters.structure import asks_for_logprobs
from transforms.filters.tool_calls import tools_asked_for
from transforms.job import Job
from transforms.prompts.evaluation import contamination, prompt_contamination
from transforms.providers.tokens import count_tokens
from transforms.records.filtered_bucket import PairCandidate
from transforms.records.replies import Replies
from transforms.records.rows import AnsweredRequest, make_record, make_rejected
from transforms.records.splits import split_of


@dataclass(frozen=True, slots=True)
class _Reason:
    """Why an answer is rejected."""

    stage: Stage
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class AnswerFilter:
    """What is needed to filter the answers of a run.

    Attributes:
        job: The execution.
        routes: Routes of the run's teachers, by id.
        evaluation: Evaluation sets to keep out, or None.
    """

    job: Job
    routes: Mapping[str, Route]
    evaluation: EvaluationIndex | None

    def filter(
        self, request: Request, replies: Replies
    ) -> Record | Rejected | PairCandidate | None:
        """Returns the record of the answer to a request, or the row of its rejection.

        Args:
            request: What was asked.
            replies: What the ledger holds for it.

        Returns:
            A record; a rejected row; a rejected row with its record, if the run makes pairs and
            the answer may be published in one; or None if the request has no final answer yet.
            A request that is not asked, since its prompt holds an evaluation item, is rejected.
        """
        response, completion = replies.response, replies.completion
        if response is None or not (response.answered or response.final):
            return self._withheld(request, replies)
        if completion is None:
            return self._failed(request, replies, Stage.ASK, response.outcome, response.detail)
        if isinstance(completion, Malformed):
            return self._failed(request, replies, Stage.PARSE, completion.reason, completion.detail)
        return self._filter_answer(request, replies, response, completion)

    def _filter_answer(
        self, request: Request, replies: Replies, response: Response, completion: Completion
    ) -> Record | Rejected | PairCandidate:
        candidate = _candidate(request, completion, replies)
        contaminated = contamination(self.evaluation, candidate)
        findings = self.job.filters.apply(candidate) + ((contaminated,) if contaminated else ())
        kept = self.job.filters.redact(candidate)
        if kept is not candidate:
            request, completion = _with_texts(request, completion, kept)
            candidate = _candidate(request, completion, replies)
        answer = AnsweredRequest(
            request=request,
            replies=replies,
            response=response,
            completion=completion,
            route=self.routes[request.teacher],
            verdict=self._verdict(request, _day(response)),
            language=candidate.language,
            counted_tokens=candidate.counted_tokens,
            findings=findings,
        )
        reason = self._terms(answer) or _served_model(answer) or _filtered(answer)
        if reason is None:
            return self._record(answer)
        row = _rejected(answer, reason)
        return PairCandidate(row, self._record(answer)) if self._may_pair(row) else row

    def _may_pair(self, row: Rejected) -> bool:
        """Whether the run makes pairs and only filter rules reject this answer."""
        wanted = self.job.run.preferences is not None
        return wanted and row.stage is Stage.FILTER and is_publishable(row.findings)

    def _withheld(self, request: Request, replies: Replies) -> Rejected | None:
        """Returns the row of a request that is not asked; None for one that is pending."""
        found = prompt_contamination(self.evaluation, request.prompt.messages)
        if found is None:
            return None
        return make_rejected(
            self._redacted(request),
            replies,
            stage=Stage.DECONTAMINATE,
            kind=RowKind.REJECTED,
            reason=found.code,
            detail=found.finding,
            findings=(found,),
        )

    def _failed(
        self, request: Request, replies: Replies, stage: Stage, reason: str, detail: str
    ) -> Rejected:
        """Returns the row of a request without an answer."""
        return make_rejected(
            self._redacted(request),
            replies,
            stage=stage,
            kind=RowKind.FAILED,
            reason=reason,
            detail=detail,
        )

    def _redacted(self, request: Request) -> Request:
        """Returns a request without an answer, its prompt redacted like any other."""
        kept = self.job.filters.redact(Candidate(request.prompt.messages, ""))
        return _with_messages(request, kept)

    def _record(self, answer: AnsweredRequest) -> Record:
        split = split_of(answer.request.prompt.prompt_id, self.job.run.splits)
        return make_record(answer, split, self.job.run.config_digest)

    def _verdict(self, request: Request, on: date) -> Verdict:
        return self.job.guard.decide(
            request.teacher,
            self.job.run.purpose,
            on,
            prompt_license=request.prompt.license,
            confidential=request.prompt.confidential,
        )

    def _terms(self, answer: AnsweredRequest) -> _Reason | None:
        """Returns why the guard denies the answer: by the day of collection, or by today."""
        first = answer.replies.repairs or answer.response
        for reason, verdict in (
            (Reason.TERMS_AT_COLLECTION, self._verdict(answer.request, _day(first))),
            (Reason.TERMS_AT_COLLECTION, answer.verdict),
            (Reason.TERMS_AT_BUILD, self._verdict(answer.request, self.job.today)),
        ):
            if not verdict.permits:
                return _Reason(Stage.GUARD, reason, f"{verdict.status} on {verdict.on}")
        return None


def _day(response: Response) -> date:
    return datetime.fromtimestamp(response.sent_at / 1000, UTC).date()


def _rejected(answer: AnsweredRequest, reason: _Reason) -> Rejected:
    return make_rejected(
        answer.request,
        answer.replies,
        stage=reason.stage,
        kind=RowKind.REJECTED,
        reason=reason.reason,
        detail=reason.detail,
        completion=answer.completion,
        findings=answer.findings,
    )


def _filtered(answer: AnsweredRequest) -> _Reason | None:
    found = policy.rejecting_finding(answer.findings)
    if found is None:
        return None
    stage = Stage.DECONTAMINATE if found.rule == RULE else Stage.FILTER
    return _Reason(stage, found.code, found.finding)


def _served_model(answer: AnsweredRequest) -> _Reason | None:
    served = answer.completion.response_model
    if served in (answer.route.model, *answer.route.served_as):
        return None
    detail = f"asked {answer.route.model!r}, answered by {served!r}"
    return _Reason(Stage.PARSE, Reason.SERVED_MODEL_DIFFERS, detail)


def _with_texts(
    request: Request, completion: Completion, kept: Candidate
) -> tuple[Request, Completion]:
    """Returns the request and completion with a candidate's redacted texts, and the same ids.

    Log probabilities are dropped: their tokens spell out what was redacted.
    """
    return (
        _with_messages(request, kept),
        replace(
            completion,
            text=kept.completion,
            reasoning=kept.reasoning,
            tool_calls=kept.tool_calls,
            logprobs=None,
        ),
    )


def _with_messages(request: Request, kept: Candidate) -> Request:
    before = len(request.messages) - len(kept.messages)  # the run's system prompt, if any
    return replace(
        request,
        prompt=replace(request.prompt, messages=kept.messages),
        messages=(*request.messages[:before], *kept.messages),
    )


def _candidate(request: Request, completion: Completion, replies: Replies) -> Candidate:
    language, score = detect_language(completion.text)
    return Candidate(
        messages=request.prompt.messages,
        completion=completion.text,
        reasoning=completion.reasoning,
        finish_reason=completion.finish_reason,
        finish_word=completion.finish_word,
        refusal=completion.refusal,
        language=language,
        language_score=score,
        counted_tokens=count_tokens(completion.text),
        response_schema=schema_asked_for(request.parameters),
        tool_calls=completion.tool_calls,
        tools=tools_asked_for(request.parameters),
        lacks_logprobs=completion.logprobs is None and asks_for_logprobs(request.parameters),
        usage_doubt=replies.usage.doubt,
        gold=request.prompt.gold,
    )
