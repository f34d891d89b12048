"""The work folder of an execution: the files that its stages write for each other and the launcher.

    requests/      requests by bucket          (transforms.prompts.staging)
    filtered/      their records and rejects   (transforms.records.filtered_bucket)
    judging/       the judge's requests        (transforms.judging)
    judged/        the same, once judged       (transforms.records.filtered_bucket)
    best_of/       the samples of each prompt  (transforms.choosing.choose_samples)
    chosen/        the same, once chosen       (transforms.records.filtered_bucket)
    dedupe/        what deduplication compares (transforms.dedupe)
    pairs/         samples that may be paired  (transforms.choosing.pair_samples)
    sides/         the worse sides of pairs    (transforms.choosing.rejected_sides)
    shards/        shards not yet published    (transforms.corpus.shards)
    progress/      how far each stage has come
    unread.pickle, outcome.pickle, error.pickle, stop, alive

Rows on their way between two stages are pickled files, so that no text is shuffled. Only workers
of the same execution write and read them, in a folder that is gone afterwards; and a bucket of
nested records unpickles ten times faster than it could be rebuilt from Arrow.
"""

from __future__ import annotations

import fcntl
import os
import pickle
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from schemas.addresses import is_address
from schemas.canonical import sha256
from schemas.errors import Interrupted, StillroomError
from schemas.progress import StageFigures
from transforms.storage.files import translate_os_errors, write_file

REQUESTS = "requests"
JUDGING = "judging"
BEST_OF = "best_of"
DEDUPE = "dedupe"
PAIRS = "pairs"
REJECTED_SIDES = "sides"
SHARDS = "shards"
PROGRESS = "progress"
UNREAD = "unread.pickle"
OUTCOME = "outcome.pickle"

_ERROR = "error.pickle"
_STOP = "stop"
_ALIVE = "alive"


def work_folder(corpus: str, run_id: str) -> Path:
    """Returns the work folder of an execution, on the file system of its corpus.

    The work files of a corpus in a bucket are on this machine, in the folder for temporary files.

    Raises:
        StillroomError: That folder is not this user's alone.
    """
    return (_private_folder(corpus) if is_address(corpus) else Path(corpus) / ".work") / run_id


def _private_folder(corpus: str) -> Path:
    """Makes a folder that no other user can write to: the files in it are unpickled."""
    name = f"stillroom-{os.getuid()}-{sha256(corpus.encode())[:16]}"
    folder = Path(tempfile.gettempdir(), name)
    with translate_os_errors(lambda error: StillroomError(f"{folder}: {error.strerror}")):
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise StillroomError(
            f"{folder}: other users can write there\n"
            "  remove it, or set TMPDIR to a folder of yours"
        )
    return folder


@contextmanager
def open_work_folder(work: Path) -> Iterator[None]:
    """Creates a work folder, and removes it at the end, with those that killed runs left behind.

    Args:
        work: The folder. While its run lives, a file in it is locked.
    """
    hidden = work.with_name(f".{work.name}")
    hidden.mkdir(parents=True)
    with (hidden / _ALIVE).open("w") as alive:
        fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
        hidden.rename(work)  # only now that it is locked, so that no other run removes it
        _remove_abandoned(work.parent)
        try:
            yield
        finally:
            shutil.rmtree(work, ignore_errors=True)
            with suppress(OSError):
                work.parent.rmdir()


def _remove_abandoned(folder: Path) -> None:
    for path in folder.glob(f"[!.]*/{_ALIVE}"):
        with path.open("w") as alive, suppress(BlockingIOError):
            fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path.parent, ignore_errors=True)


def write_staged(path: Path, value: Any) -> None:
    """Writes a value, all or nothing: a reader sees the old file or the whole new one.

    Args:
        path: A file in a work folder; its own folder is created if need be.
        value: Frozen dataclasses, or a list of them.
    """
    write_file(path, pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL), durable=False)


def read_staged(path: Path) -> Any:
    """Returns what `write_staged` wrote in this execution."""
    return pickle.loads(path.read_bytes())  # noqa: S301 - our own work folder


def write_progress(work: Path, name: str, figures: StageFigures) -> None:
    """Writes how far a stage has come, for the launcher to read during the run.

    Args:
        work: The work folder.
        name: The stage and its part: `slice-0`, `bucket-12`.
        figures: What this part has done so far.
    """
    write_file(work / PROGRESS / f"{name}.json", figures.encode(), durable=False)


def ask_to_stop(work: Path) -> None:
    """Asks all stages of an execution to stop; see `stopping`."""
    (work / _STOP).touch()


def stopping(work: Path) -> bool:
    """Returns whether the stages of an execution were asked to stop."""
    return (work / _STOP).exists()


@contextmanager
def report_errors(work: Path) -> Iterator[None]:
    """Saves a StillroomError of a stage in the work folder, for the launcher to raise again.

    Runners pass on a worker's exception only as text, wrapped in their own.

    Args:
        work: The work folder.

    Raises:
        Interrupted: The stage was asked to stop before it began.
    """
    if stopping(work):
        raise Interrupted("stopped")
    try:
        yield
    except StillroomError as error:
        write_staged(work / _ERROR, error)
        raise


def raise_reported(work: Path) -> None:
    """Raises the error that a stage saved, if one did.

    Args:
        work: The work folder.

    Raises:
        StillroomError: The stage's own.
    """
    if stopping(work):
        raise Interrupted("stopped")
    if (work / _ERROR).exists():
        raise read_staged(work / _ERROR)
