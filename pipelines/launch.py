"""Checks a run, starts its pipeline and waits for the result.

Beam is imported when the pipeline starts, since a plan does not need it.
"""

from __future__ import annotations

import logging
import secrets
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from functools import partial
from types import FrameType

from rich.console import Console

from pipelines.display.plan import plan_warnings
from pipelines.display.progress import Display
from pipelines.planning.earlier_corpora import open_indexes
from pipelines.planning.ownership import check_owner
from pipelines.planning.plan import Plan
from pipelines.planning.plan_run import plan_prepared
from pipelines.planning.prepare import prepare
from pipelines.planning.rounds import Rounds
from pipelines.results import Result, result_of
from pipelines.runners.process import handling, outside_event_loop, quiet_beam
from schemas.addresses import AnyPath, is_address
from schemas.errors import InputError, Interrupted, RefusedByTerms
from transforms.clock import Clock
from transforms.corpus.publish import preflight
from transforms.guard.refusals import explain_refusal
from transforms.job import Job, bits_of
from transforms.ledger import accept_loss, open_ledger
from transforms.ledger.damage import refuse_damage
from transforms.limits.redis_limiters import check_limiter
from transforms.prompts.extent import widest_extent
from transforms.providers.keys import resolve_keys
from transforms.publishing.outcome import RunOutcome
from transforms.work import (
    OUTCOME,
    PROGRESS,
    ask_to_stop,
    open_work_folder,
    raise_reported,
    read_staged,
    stopping,
    work_folder,
)

_CLOCK = Clock()
_LOG = logging.getLogger(__name__)


def launch(
    path: AnyPath,
    beam_options: Sequence[str],
    *,
    slices: int,
    asks: bool,
    accepts_loss: bool = False,
    takes_over: bool = False,
    console: Console | None = None,
    clock: Clock = _CLOCK,
) -> Result:
    """Runs a run file to its end.

    Args:
        path: The run file.
        beam_options: Options of Beam.
        slices: Number of parts that the requests are divided into, one worker each.
        asks: Whether teachers are asked. If not, only the ledger is read.
        accepts_loss: Whether to go on without what is damaged or missing in the ledger.
        takes_over: Whether a corpus of another name may be published onto.
        console: Where progress is printed; None for nowhere.
        clock: The clock of asking. The corpus is built for the day on which the run starts.

    Returns:
        Counts, cost and the published version.

    Raises:
        InputError: Something that a person wrote is wrong. Nothing was sent.
        RefusedByTerms: The guard refused. Nothing was sent.
        LedgerBusy: Another run writes to the ledger. Nothing was sent.
        Interrupted: Stopped by Ctrl-C. Every answer is in the ledger.
        StillroomError: The run failed. Every answer is in the ledger.
    """
    started = time.monotonic()
    _check_options(beam_options)
    notify = partial(console.print, markup=False) if console else _LOG.info
    ready = get_ready(
        path,
        slices=slices,
        asks=asks,
        beam_options=beam_options,
        accepts_loss=accepts_loss,
        takes_over=takes_over,
        clock=clock,
        notify=notify,
    )
    if not asks:
        _warn_of_damage(ready)
    rounds = Rounds(ready)
    job = rounds.first()
    while (outcome := _run_round(job, beam_options, console)).falls_short:
        job = rounds.following(job, outcome)
    return result_of(job, outcome, seconds=time.monotonic() - started)


def _run_round(job: Job, beam_options: Sequence[str], console: Console | None) -> RunOutcome:
    display = Display(job.work / PROGRESS, job.requests, console) if console else nullcontext()
    with quiet_beam(), open_work_folder(job.work), _stoppable(job, console):
        with display:
            outside_event_loop(partial(_run_pipeline, job, beam_options))
        outcome: RunOutcome = read_staged(job.work / OUTCOME)
    return outcome


def launch_template(path: AnyPath, beam_options: Sequence[str], slices: int) -> None:
    """Submits a run without waiting for it: a Flex Template's launcher must end at once.

    Beam's options are not checked: Dataflow refuses parameters that the template does not declare,
    and adds options of its own.

    Args:
        path: The run file.
        beam_options: Options of Beam.
        slices: As for `launch`.

    Raises:
        StillroomError: As `launch`, before anything is submitted.
    """
    from pipelines.graph import build_corpus
    from pipelines.runners.local import make_pipeline

    job = get_ready(path, slices=slices, asks=True, beam_options=beam_options)
    if job.run.target:
        raise InputError(
            "a job without a waiting launcher cannot reach a target",
            where=str(path),
            found="target",
            expected="a run that asks all of its prompts",
            remedy="leave `target` out, or start it with `stillroom run`",
        )
    pipeline = make_pipeline(beam_options)
    build_corpus(pipeline, job)
    pipeline.run()


def get_ready(
    path: AnyPath,
    *,
    slices: int,
    asks: bool,
    beam_options: Sequence[str] = (),
    accepts_loss: bool = False,
    takes_over: bool = False,
    clock: Clock = _CLOCK,
    notify: Callable[[str], object] = _LOG.info,
) -> Job:
    """Checks all that can be checked before the first request.

    Args:
        path: The run file.
        slices: As for `launch`.
        asks: Whether teachers are to be asked.
        beam_options: Options of Beam.
        accepts_loss: Whether to go on without what is damaged or missing in the ledger.
        takes_over: Whether a corpus of another name may be published onto.
        clock: The clock of asking.
        notify: Called with a message before slow work.

    Returns:
        The job, ready to start.

    Raises:
        InputError: Something that a person wrote is wrong: the run file or what it refers to, a
            folder that cannot be written, a key that is missing, a limiter that does not answer,
            an index that does not fit.
        RefusedByTerms: The guard refused.
        LedgerBusy: Another run writes to the ledger.
    """
    today, run_id = clock.today(), _run_id()
    prepared = prepare(path, today, asks=asks)
    if is_address(prepared.run.corpus):
        _check_workers(beam_options)
    plan = plan_prepared(prepared, today)
    if not plan.permitted:
        raise RefusedByTerms(_refusal(plan))
    for sentence in plan_warnings(plan) if asks else ():
        _LOG.warning("%s", sentence)
    if not takes_over:
        check_owner(prepared.run)
    preflight(prepared.run.corpus)
    if asks:
        open_ledger(prepared.run.ledger).preflight(run_id)
        for lost in accept_loss(prepared.run.ledger, run_id) if accepts_loss else ():
            _LOG.warning("accepted as lost: %s", lost)
        refuse_damage(open_ledger(prepared.run.ledger).reader(), prepared.run.ledger)
        resolve_keys(prepared.guard.route(name) for name in plan.open_routes)
        if prepared.limiter and plan.open_routes:
            outside_event_loop(partial(check_limiter, prepared.limiter))
    against = open_indexes(prepared.run, prepared.against, notify)
    return Job(
        run=prepared.run,
        run_id=run_id,
        work=work_folder(prepared.run.corpus, run_id),
        started_at=clock.now(),
        guard=prepared.guard,
        verdicts=plan.verdicts,
        filters=prepared.filters,
        requests=plan.requests,
        bits=bits_of(prepared.run, plan.requests),
        slices=slices,
        today=today,
        asks=asks,
        extent=widest_extent(prepared.run),
        against=against,
        clock=clock,
        limiter=prepared.limiter,
    )


def _check_options(beam_options: Sequence[str]) -> None:
    if not beam_options:
        return
    from pipelines.runners.options import check_job_server, check_options

    with quiet_beam():
        check_options(beam_options)
        check_job_server(beam_options)


def _check_workers(beam_options: Sequence[str]) -> None:
    """The work files of a corpus in a bucket are on this machine, where every worker must be."""
    from pipelines.runners.local import workers_are_here

    if not workers_are_here(beam_options):
        raise InputError(
            "workers on other machines cannot build a corpus in a bucket yet",
            where="corpus",
            found=" ".join(beam_options),
            expected="a corpus on a file system that all workers share, or the local runner",
        )


def _warn_of_damage(job: Job) -> None:
    for place in open_ledger(job.run.ledger).reader().damage():
        _LOG.warning("%s", place)


def _refusal(plan: Plan) -> str:
    lines = [
        line
        for verdict in plan.verdicts
        if not verdict.permits
        for line in explain_refusal(verdict)
    ]
    lines += (f"the duties contradict each other: {text}" for text in plan.contradictions)
    return "\n".join(["refused by terms; nothing was sent", *lines])


def _run_id() -> str:
    """Returns a unique name that sorts by time."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"


def _run_pipeline(job: Job, beam_options: Sequence[str]) -> None:
    from pipelines.graph import build_corpus
    from pipelines.runners.local import make_pipeline

    pipeline = make_pipeline(beam_options)
    build_corpus(pipeline, job)
    try:
        pipeline.run().wait_until_finish()
    except Exception:
        raise_reported(job.work)
        raise


_SAFE = """stopped
  Every answer that was paid for is in the ledger. Nothing was published.
  Run the same command again to go on: it asks only what has no answer yet."""
_IN_BATCHES = """
  Batches that were submitted go on at the provider; the next run collects them."""


@contextmanager
def _stoppable(job: Job, console: Console | None) -> Iterator[None]:
    """Stops on the first Ctrl-C after the answers in flight, on the second one at once.

    Raises:
        Interrupted: The run was stopped; the message says how to resume it.
    """

    def stop(signum: int, frame: FrameType | None) -> None:
        if stopping(job.work):
            raise KeyboardInterrupt
        ask_to_stop(job.work)
        if console:
            console.print("stopping after the answers in flight; Ctrl-C again stops at once")

    with handling((signal.SIGINT, signal.SIGTERM), stop):
        try:
            yield
        except (KeyboardInterrupt, Interrupted):
            in_batches = any(
                model.mode == "batch" for each in (job, job.judging()) for model in each.models()
            )
            raise Interrupted(_SAFE + (_IN_BATCHES if in_batches else "")) from None
