"""Reads a run file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from schemas.addresses import is_address
from schemas.canonical import digest, inexact_integers, integer_problem
from schemas.errors import InputError
from schemas.inputs.check import read_model
from schemas.inputs.document import Document, read_yaml
from schemas.inputs.run import RunFile, WrittenRun


def load_run(path: Path) -> tuple[RunFile, Document]:
    """Reads and checks a run file.

    Args:
        path: The file; paths in it are relative to its folder.

    Returns:
        The run, and the document it was read from, which knows the lines.

    Raises:
        InputError: With every problem, its line, what was found and what was expected.
    """
    document = read_yaml(path)
    if inexact := list(inexact_integers(document.data)):
        raise InputError(integer_problem(at, it).at(document.where(at)) for at, it in inexact)
    written = read_model(document, WrittenRun)
    base = path.resolve().parent
    run = RunFile(
        **dict(written) | _absolute(written, base),
        base=str(base),
        path=str(path),
        config_digest=digest(document.data),
    )
    return run, document


def _absolute(run: WrittenRun, base: Path) -> dict[str, Any]:
    """Returns the fields that are folders, relative ones taken from the run file's."""
    folders = {"corpus": run.corpus, "ledger": run.ledger, "registry": run.registry}
    against = tuple(str(base / folder) for folder in run.dedupe.against)
    return {
        "dedupe": run.dedupe.model_copy(update={"against": against}),
        **{
            name: folder if folder is None or is_address(folder) else str(base / folder)
            for name, folder in folders.items()
        },
    }
