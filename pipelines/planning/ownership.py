"""Whose a corpus is: the run's whose name its versions have."""

from __future__ import annotations

from schemas.errors import InputError
from schemas.inputs.run import RunFile
from transforms.corpus.bucket import corpus_name


def check_owner(run: RunFile) -> None:
    """Refuses to publish onto a corpus of another name, whose readers expect other records.

    Args:
        run: The run file.

    Raises:
        InputError: The corpus has another name, or its current version cannot be read.
    """
    remedy = "name another folder under `corpus:`; or, to replace that corpus, add --take-over"
    try:
        name = corpus_name(run.corpus)
    except InputError as error:
        found = error.problems[0]
        raise InputError(
            f"what is published here cannot be read: {found.what}",
            where=found.where,
            found=found.found,
            expected=f"a corpus of the name {run.name}",
            remedy=remedy,
        ) from None
    if name not in (None, run.name):
        raise InputError(
            "the corpus belongs to another run",
            where=run.corpus,
            found=f"name: {name}",
            expected=f"name: {run.name}, or an empty folder",
            remedy=remedy,
        )
