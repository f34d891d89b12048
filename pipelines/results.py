"""The result of a run, and the exit code it means."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from schemas.addresses import join_address
from schemas.codes import StopReason
from schemas.files import unstructure
from schemas.manifest import SpendSummary
from schemas.stops import Stop
from transforms.job import Job
from transforms.publishing.outcome import RunOutcome

# Why a run stopped asking, gravest first, with the exit code that it ends with.
STOPPED = {
    StopReason.ACCESS: 5,
    StopReason.TERMS: 3,
    StopReason.MONEY: 4,
    StopReason.BUDGET: 4,
    StopReason.QUOTA: 4,
    StopReason.FAILING: 1,
    StopReason.UNREACHABLE: 1,
    StopReason.PROMPTS: 4,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The result of a run.

    Attributes:
        run_id: The execution.
        version: The published version; None where nothing was.
        corpus: Folder of the corpus, or its address.
        requests: Requests of the run.
        asked: Answered by a teacher in this run.
        from_ledger: Answered by an earlier one.
        accepted: Records of the corpus.
        preferences: Pairs of a better and a worse answer, published beside them.
        rejected: By reason.
        duplicates: Records that duplicate another one.
        failed: By reason.
        pending: Without a final answer.
        unread: Prompts that never became requests, by reason.
        judged: Records that the judge rated in this run.
        usd: Spent in this run, US dollars; None if the price of a route that answered is unknown.
        usd_judge: The judge's part of it, likewise.
        spend: Cost of all answers, of earlier runs too, by how their requests ended.
        prompt_tokens: Sent in this run, as the teachers and the judge counted.
        completion_tokens: Received in this run, as the teachers and the judge counted.
        seconds: Wall-clock time.
        stopped: The gravest reason why asking ended early, or None.
        stops: Which routes stopped, and why, in a sentence each.
        errors: What servers sent instead of answers, each reason once, with the address.
        folder: Folder or address of the published version; None where nothing was.
    """

    run_id: str
    version: str | None
    corpus: str
    requests: int
    asked: int
    from_ledger: int
    accepted: int
    preferences: int
    rejected: dict[str, int]
    duplicates: int
    failed: dict[str, int]
    pending: int
    unread: dict[str, int]
    judged: int
    usd: float | None
    usd_judge: float | None
    spend: SpendSummary
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    stopped: StopReason | None
    stops: tuple[str, ...]
    errors: tuple[str, ...]
    folder: str | None

    @property
    def exit_code(self) -> int:
        """The exit code of `run` and `build`."""
        if self.stopped:
            return STOPPED[self.stopped]
        return 0 if self.version else 1

    def as_json(self) -> dict[str, Any]:
        """Returns the result as the command line prints it."""
        plain: dict[str, Any] = unstructure(self)
        return plain


def result_of(job: Job, outcome: RunOutcome, *, seconds: float) -> Result:
    """Returns the result of a run that has ended.

    Args:
        job: The job.
        outcome: What its last stage wrote.
        seconds: Wall-clock time.
    """
    funnel, counts, manifest = outcome.funnel, outcome.counts, outcome.manifest
    missed = _missed(job, outcome)
    version = manifest.version if manifest else None
    return Result(
        run_id=job.run_id,
        version=version,
        corpus=job.run.corpus,
        requests=funnel.requests,
        asked=counts.asked,
        from_ledger=counts.from_ledger,
        accepted=funnel.accepted,
        preferences=manifest.rows("preferences") if manifest else 0,
        rejected=funnel.rejected,
        duplicates=funnel.duplicates,
        failed=funnel.failed,
        pending=funnel.pending,
        unread=funnel.unread,
        judged=counts.judged,
        usd=(counts.spent + counts.judging).usd,
        usd_judge=counts.judging.usd,
        spend=outcome.spend,
        prompt_tokens=counts.prompt_tokens,
        completion_tokens=counts.completion_tokens,
        seconds=round(seconds, 3),
        stopped=_gravest({stop.reason for stop in outcome.stops} | missed.keys()),
        stops=(*map(_sentence, outcome.stops), *missed.values()),
        errors=outcome.errors,
        folder=join_address(job.run.corpus, version) if version else None,
    )


def _sentence(stop: Stop) -> str:
    """Returns why a route stopped, with its name once."""
    named = stop.detail.startswith(f"{stop.route}: ")
    return stop.detail if named else f"{stop.route}: {stop.detail}"


def _missed(job: Job, outcome: RunOutcome) -> dict[StopReason, str]:
    """Returns a sentence if the target was missed and nothing else ended the asking."""
    target, accepted = job.run.target, outcome.funnel.accepted
    if not target or accepted >= target.accepted or outcome.stops or outcome.funnel.pending:
        return {}
    missed = f"target: {accepted} of {target.accepted} accepted, with every prompt and sample asked"
    return {StopReason.PROMPTS: missed}


def _gravest(reasons: Collection[StopReason]) -> StopReason | None:
    return next((reason for reason in STOPPED if reason in reasons), None)
