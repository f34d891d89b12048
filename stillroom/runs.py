"""What the commands `plan`, `run`, `build`, `verify` and `path` do, as functions.

They print nothing unless asked, return data, and raise StillroomError. They work in a notebook,
beside a running event loop, and in any thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from os import fspath
from pathlib import Path

from rich.console import Console

from pipelines.display.console import console
from pipelines.launch import launch
from pipelines.planning.plan import Plan
from pipelines.planning.plan_run import plan_run
from pipelines.results import Result
from schemas.addresses import AnyPath, is_address
from transforms.auditing.verify import Verification
from transforms.auditing.verify import verify as verify_corpus
from transforms.corpus.bucket import local_corpus, newest_in_bucket
from transforms.corpus.read import open_corpus


def plan(run_file: AnyPath) -> Plan:
    """Plans a run: verdicts, requests and maximum cost. Sends nothing.

        >>> plan = stillroom.plan("run.yaml")
        >>> plan.permitted, plan.to_ask, plan.usd_max
        (True, 67, 0.0)

    Args:
        run_file: The run file: a path, or `gs://bucket/name`.

    Returns:
        The plan, also where terms refuse: see `Plan.permitted` and `Plan.verdicts`.

    Raises:
        InputError: Something in the run file or what it refers to is wrong.
    """
    return plan_run(run_file)


def run(
    run_file: AnyPath,
    *,
    slices: int = 1,
    beam_options: Sequence[str] = (),
    accept_loss: bool = False,
    take_over: bool = False,
    progress: bool = False,
) -> Result:
    """Asks, filters, deduplicates and publishes. Call it again after any interruption.

        >>> result = stillroom.run("run.yaml")
        >>> result.accepted, result.rejected, result.stopped
        (61, {'length': 6}, None)

    Args:
        run_file: The run file: a path, or `gs://bucket/name`.
        slices: Workers that ask at once; they share quota and budget. 1 to 16.
        beam_options: Options of Beam, such as `--runner=FlinkRunner`.
        accept_loss: Whether to go on without what is damaged or missing in the ledger.
        take_over: Whether to publish onto a corpus that another run file has published.
        progress: Whether progress is printed on stderr.

    Returns:
        Counts, cost, version and folder of the corpus. `Result.stopped` says why asking ended
        early; such a run is resumed by another call.

    Raises:
        InputError: Something in the run file or what it refers to is wrong. Nothing was sent.
        RefusedByTerms: Terms forbid the use. Nothing was sent.
        LedgerBusy: Another run writes to the ledger. Nothing was sent.
        Interrupted: Stopped by Ctrl-C. Every answer is in the ledger.
        StillroomError: The run failed. Every answer is in the ledger.
    """
    return launch(
        run_file,
        beam_options,
        slices=slices,
        asks=True,
        accepts_loss=accept_loss,
        takes_over=take_over,
        console=_console(progress),
    )


def build(
    run_file: AnyPath,
    *,
    beam_options: Sequence[str] = (),
    take_over: bool = False,
    progress: bool = False,
) -> Result:
    """Does what `run` does with the answers in the ledger. Sends nothing.

    Args:
        run_file: The run file: a path, or `gs://bucket/name`.
        beam_options: Options of Beam.
        take_over: As for `run`.
        progress: Whether progress is printed on stderr.

    Returns:
        As `run`.

    Raises:
        StillroomError: As `run`.
    """
    return launch(
        run_file,
        beam_options,
        slices=1,
        asks=False,
        takes_over=take_over,
        console=_console(progress),
    )


def verify(corpus: AnyPath) -> Verification:
    """Checks offline that a corpus matches its manifest.

        >>> verification = stillroom.verify("corpora/demo")
        >>> verification.ok, verification.problems
        (True, ())

    Args:
        corpus: The corpus's folder, or a version's; also in `gs://`.

    Returns:
        Whether it does, and every problem.

    Raises:
        InputError: There is no corpus.
    """
    with local_corpus(corpus) as path:
        return verify_corpus(path)


def latest(corpus: AnyPath) -> str:
    """Returns the folder of the current version of a corpus, or its address in a bucket.

        >>> pyarrow.dataset.dataset(f"{stillroom.latest('corpora/demo')}/data")

    Args:
        corpus: The corpus's folder, or `gs://bucket/folder`.

    Raises:
        InputError: There is no corpus.
    """
    address = fspath(corpus)
    if is_address(address):
        return newest_in_bucket(address)
    return str(open_corpus(Path(address)).folder)


def _console(progress: bool) -> Console | None:
    return console(stderr=True) if progress else None
