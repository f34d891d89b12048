"""Makes the rows of the corpus: records, and rejected rows."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from importlib.metadata import version

from schemas.canonical import sha256
from schemas.codes import DedupeMethod, ModelRole, Reason, RowKind, Stage
from schemas.inputs.registry import Route
from schemas.logprobs import Logprobs
from schemas.manifest import Compared
from schemas.prompts import Message
from schemas.records import (
    DecisionProvenance,
    DedupeProvenance,
    Generator,
    PipelineProvenance,
    PromptProvenance,
    Provenance,
    Record,
    RecordedFinding,
    Rejected,
    RequestProvenance,
    ResponseProvenance,
    TeacherProvenance,
    duplicate_detail,
)
from schemas.requests import Request
from schemas.responses import Completion, Response
from schemas.terms import Verdict
from transforms.filters.policy import tags
from transforms.filters.structure import asks_for_logprobs
from transforms.records.replies import Replies

_VERSION = version("stillroom")


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweredRequest:
    """A request with its answer and the results of all checks.

    Attributes:
        request: What was asked.
        replies: All that the ledger holds for it.
        response: The response that is used.
        completion: The completion parsed from it.
        route: The route asked.
        verdict: The guard's verdict on the day of collection.
        language: ISO 639-1 code of the completion, or "".
        counted_tokens: Tokens of the completion by our own count.
        findings: What the rules found.
    """

    request: Request
    replies: Replies
    response: Response
    completion: Completion
    route: Route
    verdict: Verdict
    language: str
    counted_tokens: int
    findings: tuple[RecordedFinding, ...] = field(default=())


def make_record(answer: AnsweredRequest, split: str, config_digest: str) -> Record:
    """Returns the record of an accepted answer.

    Args:
        answer: The answer.
        split: Split of its prompt.
        config_digest: Digest of the run file.

    Returns:
        The record, in a cluster of one.
    """
    request, completion = answer.request, answer.completion
    logprobs = completion.logprobs if asks_for_logprobs(request.parameters) else None
    return Record(
        record_id=request.request_id,
        prompt_id=request.prompt.prompt_id,
        messages=(*request.messages, Message("assistant", completion.text)),
        completion=completion.text,
        reasoning=completion.reasoning,
        tool_calls=completion.tool_calls,
        language=answer.language,
        split=split,
        tags=tags(answer.findings),
        counted_tokens=answer.counted_tokens,
        logprobs=logprobs or Logprobs(),
        provenance=_provenance(answer, config_digest),
    )


def make_rejected(
    request: Request,
    replies: Replies,
    *,
    stage: Stage,
    kind: RowKind,
    reason: str,
    detail: str,
    completion: Completion | None = None,
    findings: tuple[RecordedFinding, ...] = (),
) -> Rejected:
    """Returns the rejected row of a request.

    Args:
        request: What was asked.
        replies: What the ledger holds for it.
        stage: Where it ended.
        kind: `rejected` or `failed`.
        reason: Reason code.
        detail: What was found, for a person.
        completion: The completion, if one could be parsed.
        findings: Findings of the rules.

    Returns:
        The row. Its line is None: the order of the prompts must not change a row.
    """
    return Rejected(
        record_id=request.request_id,
        prompt_id=request.prompt.prompt_id,
        stage=stage,
        kind=kind,
        reason=reason,
        detail=detail,
        file=request.prompt.file,
        line=None,
        teacher=request.teacher,
        sample_index=request.sample_index,
        messages=request.messages,
        completion=completion.text if completion else "",
        reasoning=completion.reasoning if completion else "",
        tool_calls=completion.tool_calls if completion else (),
        usd=replies.usd,
        finish_reason=completion.finish_reason if completion else "",
        prompt_tokens=replies.usage.prompt_tokens,
        completion_tokens=replies.usage.completion_tokens,
        findings=findings,
        witness="",
        similarity=None,
    )


def reject_record(
    record: Record,
    *,
    stage: Stage,
    reason: str,
    detail: str,
    findings: tuple[RecordedFinding, ...] = (),
) -> Rejected:
    """Returns the rejected row of a record that a stage after filtering rejects.

    Args:
        record: The record.
        stage: Where it ended.
        reason: Reason code.
        detail: What was found, for a person.
        findings: Findings of the stage, in addition to those of the rules.
    """
    provenance = record.provenance
    return Rejected(
        record_id=record.record_id,
        prompt_id=record.prompt_id,
        stage=stage,
        kind=RowKind.REJECTED,
        reason=reason,
        detail=detail,
        file=provenance.prompt.file,
        line=None,
        teacher=provenance.teacher.route,
        sample_index=provenance.request.sample_index,
        messages=record.messages[:-1],
        completion=record.completion,
        reasoning=record.reasoning,
        tool_calls=record.tool_calls,
        usd=provenance.response.usd,
        finish_reason=provenance.response.finish_reason,
        prompt_tokens=provenance.response.prompt_tokens,
        completion_tokens=provenance.response.completion_tokens,
        findings=(*provenance.filters, *findings),
        witness="",
        similarity=None,
    )


def make_not_best(record: Record, witness: str, detail: str) -> Rejected:
    """Returns the rejected row of a sample that is not among the best of its prompt.

    Args:
        record: The sample.
        witness: Id of the best sample.
        detail: Its score, for a person.
    """
    row = reject_record(record, stage=Stage.CHOOSE, reason=Reason.NOT_BEST, detail=detail)
    return replace(row, witness=witness)


def make_duplicate(
    record: Record,
    witness: str,
    similarity: float,
    method: DedupeMethod,
    of: Compared | None = None,
) -> Rejected:
    """Returns the rejected row of a duplicate.

    Args:
        record: The duplicate.
        witness: Id of the record that stays.
        similarity: Similarity of the two, from 0 to 1.
        method: How it was found.
        of: The earlier version of a corpus that holds the witness; None for this corpus's own.
    """
    detail = duplicate_detail(witness, of)
    reason = Reason.EXACT_DUPLICATE if method is DedupeMethod.EXACT else Reason.NEAR_DUPLICATE
    row = reject_record(record, stage=Stage.DEDUPE, reason=reason, detail=detail)
    return replace(row, kind=RowKind.DUPLICATE, witness=witness, similarity=similarity)


def _provenance(answer: AnsweredRequest, config_digest: str) -> Provenance:
    request, response, verdict = answer.request, answer.response, answer.verdict
    completion, prompt = answer.completion, answer.request.prompt
    usage = answer.replies.usage
    return Provenance(
        prompt=PromptProvenance(
            source=prompt.source, license=prompt.license, file=prompt.file, sha256=prompt.sha256
        ),
        teacher=_teacher(answer),
        request=RequestProvenance(
            id=request.request_id,
            sample_index=request.sample_index,
            parameters=request.parameters,
            sent_at=response.sent_at,
            received_at=response.received_at,
            attempts=response.attempt,
        ),
        response=ResponseProvenance(
            id=completion.response_id,
            finish_reason=completion.finish_reason,
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
            cached_tokens=usage.cached_tokens,
            reasoning_tokens=usage.reasoning_tokens,
            usd=answer.replies.usd,
            sha256=sha256(response.body),
            repair_of=answer.replies.repair_of,
        ),
        terms=verdict.terms,
        decision=DecisionProvenance(
            id=verdict.decision_id,
            use=verdict.use,
            registry_digest=verdict.registry_digest,
            decided_at=response.sent_at,
            authorisations=verdict.authorisations,
        ),
        duties=verdict.duties,
        obligation_class=verdict.obligation_class,
        generators=(
            Generator(
                role=ModelRole.TEACHER,
                route=request.teacher,
                model=completion.response_model,
                decision_id=verdict.decision_id,
            ),
        ),
        pipeline=PipelineProvenance(
            version=_VERSION, config_digest=config_digest, collected_run=response.run_id
        ),
        filters=answer.findings,
        judgements=(),
        dedupe=DedupeProvenance(request.request_id, 1, DedupeMethod.NONE),
    )


def _teacher(answer: AnsweredRequest) -> TeacherProvenance:
    completion = answer.completion
    return TeacherProvenance(
        route=answer.route.id,
        api=answer.route.api,
        host=answer.response.host,
        requested_model=answer.request.model,
        response_model=completion.response_model,
        revision=answer.request.revision,
        system_fingerprint=completion.system_fingerprint,
    )
