"""Reads a run file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from schemas.addresses import join_address, parent_address
from schemas.canonical import digest, inexact_integers, integer_problem
from schemas.errors import InputError, Problem
from schemas.inputs.check import read_model
from schemas.inputs.document import Document, read_yaml
from schemas.inputs.run import RunFile, WrittenRun


def load_run(path: Path, address: str = "") -> tuple[RunFile, Document]:
    """Reads and checks a run file.

    Args:
        path: The file; paths in it are relative to its folder.
        address: Where it was copied from, if it is a copy: paths are relative to that folder.

    Returns:
        The run, and the document it was read from, which knows the lines.

    Raises:
        InputError: With every problem, its line, what was found and what was expected.
    """
    document = read_yaml(path, name=address or str(path))
    if inexact := list(inexact_integers(document.data)):
        raise InputError(integer_problem(at, it).at(document.where(at)) for at, it in inexact)
    written = read_model(document, WrittenRun)
    if address:
        _check_folders(written, document)
    base, _ = parent_address(address) if address else (str(path.resolve().parent), "")
    run = RunFile(
        **dict(written) | _absolute(written, base),
        base=base,
        path=address or str(path),
        config_digest=digest(document.data),
    )
    return run, document


def _check_folders(run: WrittenRun, document: Document) -> None:
    """Earlier corpora are read from a disk, and a run file in a bucket has none beside it."""
    problems = [
        Problem(
            "a relative path, and the run file is in a bucket",
            where=document.where(("dedupe", "against", at)),
            found=folder,
            expected="an absolute path on a disk",
        )
        for at, folder in enumerate(run.dedupe.against)
        if not Path(folder).is_absolute()
    ]
    if problems:
        raise InputError(problems)


def _absolute(run: WrittenRun, base: str) -> dict[str, Any]:
    """Returns the fields that are folders, relative ones taken from the run file's."""
    folders = {"corpus": run.corpus, "ledger": run.ledger, "registry": run.registry}
    against = tuple(join_address(base, folder) for folder in run.dedupe.against)
    return {
        "dedupe": run.dedupe.model_copy(update={"against": against}),
        **{
            name: folder if folder is None else join_address(base, folder)
            for name, folder in folders.items()
        },
    }
