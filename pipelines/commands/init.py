"""`stillroom init`: a small project that is ready to run."""

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

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The folder to create it in.")]


def register(app: typer.Typer) -> None:
    """Adds the command to the command line.

    Args:
        app: The whole command line.
    """
    app.command()(init)


def init(folder: Folder = Path()) -> None:
    """Make a small project that is ready to run, offline and for free."""
    make_starter(folder)
    typer.echo(f"made {folder / 'run.yaml'}\nnext: stillroom plan {folder / 'run.yaml'}")


def make_starter(folder: Path) -> None:
    """Writes a run file, a registry and prompts.

    Args:
        folder: Where; it is created. No file in it is overwritten.

    Raises:
        InputError: One of the files exists already, and nothing was written; or the folder cannot
            be written.
    """
    there = [name for name in _FILES.values() if (folder / name).exists()]
    if there:
        raise InputError(
            "the folder has a project already",
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
