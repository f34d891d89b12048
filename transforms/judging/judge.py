"""Applies a judge's answer to one record. Sends nothing and reads no clock.

The judge's opinion, and the duties of the judge's terms, are kept with the record. The run file
decides whether a low score rejects it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import TypeGuard

from schemas.codes import JudgeVerdict, ModelRole, Reason, Stage
from schemas.inputs.quality import Action
from schemas.inputs.registry import Route
from schemas.inputs.run import Judge
from schemas.records import Generator, Judgement, Record, RecordedFinding, Rejected
from schemas.requests import Request
from schemas.responses import Completion, Malformed, Response
from schemas.terms import Verdict
from transforms.filters.policy import rejecting_finding, tags
from transforms.filters.publishable import is_publishable
from transforms.guard.obligations import merge_duties, obligation_class
from transforms.job import Job
from transforms.judging.opinion import Opinion, read_opinion
from transforms.judging.question import VERSION
from transforms.records.filtered_bucket import PairCandidate
from transforms.records.replies import Replies
from transforms.records.rows import reject_record

RULE = "judge"  # name of the rule in findings


@dataclass(frozen=True, slots=True)
class RecordJudge:
    """What is needed to judge the records of a run.

    Attributes:
        job: The execution, with the judge as the model that is asked.
        judge: The judge's entry in the run file.
        route: The judge's route.
    """

    job: Job
    judge: Judge
    route: Route

    def judge_record(
        self, record: Record, request: Request, replies: Replies
    ) -> Record | Rejected | PairCandidate | None:
        """Returns a record with the judgement on it, or the row of its rejection.

        Args:
            record: The record.
            request: The request to the judge.
            replies: What the ledger holds for that request.

        Returns:
            The record; a rejected row; a rejected row with its record, if the run makes pairs and
            the answer may be published in one; or None if the judge has no final answer yet.
        """
        response, completion = replies.response, replies.completion
        if response is None or not (response.answered or response.final):
            return None
        failure = _failure(self.route, response, completion)
        if failure or not isinstance(completion, Completion):
            found = _finding(Reason.JUDGE_FAILED, self.judge.unreadable, None, failure)
            return _apply(record, found, "")
        collected = datetime.fromtimestamp(response.sent_at / 1000, UTC).date()
        decision = self._decide(request, collected)
        denied = self._denied(record, request, decision)
        return denied or self._judged(record, response, completion, decision, replies.usd)

    def _denied(self, record: Record, request: Request, decision: Verdict) -> Rejected | None:
        """Returns the row of a record that the guard denies: by the day of judging, or today."""
        for reason, decided in (
            (Reason.TERMS_AT_COLLECTION, decision),
            (Reason.TERMS_AT_BUILD, self._decide(request, self.job.today)),
        ):
            if not decided.permits:
                detail = f"the judge {self.route.id}: {decided.status} on {decided.on}"
                return reject_record(record, stage=Stage.GUARD, reason=reason, detail=detail)
        return None

    def _judged(
        self,
        record: Record,
        response: Response,
        completion: Completion,
        decision: Verdict,
        usd: float,
    ) -> Record | Rejected | PairCandidate:
        opinion = read_opinion(completion, self.judge)
        found = self._finding_of(opinion)
        judgement = Judgement(
            route=self.route.id,
            model=completion.response_model,
            request_id=response.request_id,
            decision_id=decision.decision_id,
            judged_at=response.sent_at,
            criteria=self.judge.criteria,
            lowest=self.judge.lowest,
            highest=self.judge.highest,
            score=opinion.score,
            verdict=_VERDICTS[found.code] if found else JudgeVerdict.PASSED,
            rationale=opinion.rationale,
            usd=usd,
        )
        touched = _touched(record, judgement, decision)
        row = _apply(touched, found, opinion.rationale)
        if found and self._may_pair(row):
            return PairCandidate(row, _with_finding(touched, found))
        return row

    def _may_pair(self, row: Record | Rejected) -> TypeGuard[Rejected]:
        """Whether the run makes pairs and this answer may be the rejected side of one."""
        wanted = self.job.run.preferences is not None
        return wanted and isinstance(row, Rejected) and is_publishable(row.findings)

    def _decide(self, request: Request, on: date) -> Verdict:
        return self.job.guard.decide(
            self.route.id,
            self.job.purpose,
            on,
            prompt_license=request.prompt.license,
            confidential=request.prompt.confidential,
        )

    def _finding_of(self, opinion: Opinion) -> RecordedFinding | None:
        """Returns the finding of an opinion that has no score, or too low a score."""
        judge, score = self.judge, opinion.score
        if score is None:
            expected = f"no score from {judge.lowest} to {judge.highest} could be read"
            return _finding(Reason.JUDGE_UNREADABLE, judge.unreadable, None, expected)
        if judge.minimum is None or score >= judge.minimum:
            return None
        detail = f"scored {score:g} of {judge.highest}, at least {judge.minimum:g} is asked for"
        return _finding(Reason.JUDGED_LOW, judge.action, score, detail)


_VERDICTS: dict[str, JudgeVerdict] = {
    Reason.JUDGE_UNREADABLE: JudgeVerdict.UNREADABLE,
    Reason.JUDGED_LOW: JudgeVerdict.LOW,
}


def _failure(route: Route, response: Response, completion: Completion | Malformed | None) -> str:
    """Returns why the judge gave no answer; "" if it gave one."""
    if completion is None:
        return ": ".join(filter(None, (response.outcome, response.detail)))
    if isinstance(completion, Malformed):
        return f"{completion.reason}: {completion.detail}"
    served = completion.response_model
    if served not in (route.model, *route.served_as):
        return f"asked {route.model!r}, answered by {served!r}"
    return ""


def _finding(code: str, action: Action, value: float | None, detail: str) -> RecordedFinding:
    return RecordedFinding(
        rule=RULE, version=VERSION, code=code, action=action, value=value, finding=detail
    )


def _touched(record: Record, judgement: Judgement, decision: Verdict) -> Record:
    """Returns a record with a judgement, and with the duties of the judge's terms added."""
    before = record.provenance
    duties = merge_duties((*before.duties, *decision.duties))
    generator = Generator(
        role=ModelRole.JUDGE,
        route=judgement.route,
        model=judgement.model,
        decision_id=judgement.decision_id,
    )
    provenance = replace(
        before,
        terms=tuple(dict.fromkeys((*before.terms, *decision.terms))),
        duties=duties,
        obligation_class=obligation_class(duties),
        generators=(*before.generators, generator),
        judgements=(*before.judgements, judgement),
    )
    return replace(record, provenance=provenance)


def _apply(record: Record, found: RecordedFinding | None, rationale: str) -> Record | Rejected:
    if found is None:
        return record
    if rejecting_finding((found,)):
        detail = ": ".join(filter(None, (found.finding, rationale)))
        return reject_record(
            record, stage=Stage.JUDGE, reason=found.code, detail=detail, findings=(found,)
        )
    return _with_finding(record, found)


def _with_finding(record: Record, found: RecordedFinding) -> Record:
    filters = (*record.provenance.filters, found)
    provenance = replace(record.provenance, filters=filters)
    return replace(record, tags=tags(filters), provenance=provenance)
