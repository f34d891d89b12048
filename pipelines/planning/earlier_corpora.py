"""Finds, pins and indexes the earlier corpora that a run compares its records with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from schemas.errors import InputError, Problem, StillroomError
from schemas.index import Index, Unit
from schemas.inputs.document import Document
from schemas.inputs.quality import NearDedupe
from schemas.inputs.run import RunFile
from transforms.corpus.read import LATEST, Corpus, open_corpus


@dataclass(frozen=True, slots=True)
class Pinned:
    """A version to compare with, fixed for the whole run.

    Attributes:
        corpus: The version.
        own: Whether it is an earlier version of the corpus that the run publishes.
    """

    corpus: Corpus
    own: bool


def pin(run: RunFile, document: Document) -> tuple[Pinned, ...]:
    """Finds the versions that a run file's `dedupe.against` names.

    The run's own corpus may be named before its first version is published.

    Args:
        run: The run file.
        document: The parsed file, with its lines.

    Returns:
        The versions, sorted by name and version.

    Raises:
        InputError: There is no corpus, or a version is named twice; with file and line.
    """
    pinned: dict[tuple[str, str], Pinned] = {}
    problems: list[Problem] = []
    for place, name in enumerate(run.dedupe.against):
        where = document.where(("dedupe", "against", place))
        if _is_own(Path(name), run) and not (Path(name) / LATEST).exists():
            continue
        try:
            corpus = open_corpus(Path(name))
        except InputError as error:
            problems += (_named(problem, name, where) for problem in error.problems)
            continue
        key = (corpus.manifest.name, corpus.manifest.version)
        if key in pinned:
            problems.append(
                Problem("dedupe.against: a version is named twice", where=where, found=name)
            )
        pinned[key] = Pinned(corpus, _is_own(corpus.folder.parent, run))
    if problems:
        raise InputError(problems)
    return tuple(pinned[key] for key in sorted(pinned))


def open_indexes(
    run: RunFile, pinned: Sequence[Pinned], notify: Callable[[str], object]
) -> tuple[Index, ...]:
    """Opens the indexes of pinned versions, and makes those that are missing.

    Args:
        run: The run file.
        pinned: The versions.
        notify: Called with a message before an index is made.

    Returns:
        An index for each, in their order.

    Raises:
        InputError: An index does not fit, or is damaged.
        StillroomError: One is missing, and cannot be made.
    """
    unit = (run.dedupe.near or NearDedupe()).unit
    return tuple(_open(version, unit, notify) for version in pinned)


def _open(version: Pinned, unit: Unit, notify: Callable[[str], object]) -> Index:
    from transforms.dedupe.index import make_index, open_index  # a plan opens no index

    corpus = version.corpus
    index = open_index(corpus, unit, own=version.own)
    if index is None:
        records = corpus.manifest.funnel.accepted
        notify(f"making the index of {corpus.folder}, {records} records; later runs use it too")
        make_index(corpus, unit)
        index = open_index(corpus, unit, own=version.own)
    if index is None:
        raise StillroomError(f"{corpus.folder}: its index was removed; run again")
    return index


def _is_own(folder: Path, run: RunFile) -> bool:
    return folder.resolve() == Path(run.corpus).resolve()


def _named(problem: Problem, folder: str, where: str) -> Problem:
    """Returns a corpus's problem as a problem of the line of the run file that names it."""
    found = "; ".join(filter(None, (problem.where or folder, problem.found)))
    return replace(problem, what=f"dedupe.against: {problem.what}", where=where, found=found)
