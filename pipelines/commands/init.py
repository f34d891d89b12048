"""`stillroom init`: a starter project that runs as it stands."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from schemas.errors import InputError

# A file named `.gitignore` within the package would be obeyed there.
_FILES = {
    "run.yaml": "run.yaml",
    "teachers.yaml": "teachers.yaml",
    "prompts.jsonl": "prompts.jsonl",
    "gitignore": ".gitignore",
}

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Where; it is made.")]


def register(app: typer.Typer) -> None:
    """Adds the command to the command line.

    Args:
        app: The whole command line.
    """
    app.command()(init)


def init(folder: Folder = Path()) -> None:
    """Make a starter project that runs as it stands: offline, for free."""
    make_starter(folder)
    typer.echo(f"made {folder / 'run.yaml'}\nnext: stillroom plan {folder / 'run.yaml'}")


def make_starter(folder: Path) -> None:
    """Makes a starter project: run file, registry, prompts.

    Args:
        folder: Where; it is made. Nothing in it is written over.

    Raises:
        InputError: One of the files is there already, or the folder cannot be written; in the
            first case nothing was written.
    """
    there = [name for name in _FILES.values() if (folder / name).exists()]
    if there:
        raise InputError(
            "the folder holds a project already",
            where=str(folder),
            found=", ".join(there),
            expected="a folder without these files",
            remedy="name another folder: `stillroom init DIR`",
        )
    starter = files("pipelines.commands") / "starter"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, placed in _FILES.items():
            (folder / placed).write_bytes((starter / name).read_bytes())
    except OSError as error:
        raise InputError(
            "the project cannot be written", where=str(folder), found=str(error.strerror)
        ) from None
