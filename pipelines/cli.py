"""The command line: `stillroom COMMAND …`.

Every command imports what it needs when it runs: `--help` and the commands that need no Beam
start without it.
"""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Annotated, Any, NoReturn

import typer

from pipelines.commands import corpus, decide, init, ledger, runs, serve, terms
from pipelines.display.console import print_error
from schemas.errors import StillroomError

app = typer.Typer(
    name="stillroom",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(version("stillroom"))
        raise typer.Exit


Version = Annotated[
    bool,
    typer.Option(
        "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
    ),
]


@app.callback()
def _stillroom(version: Version = False) -> None:
    """Licensed distillation corpora: permitted teachers, every answer kept, full provenance."""


for module in (init, runs, corpus, serve, decide, terms, ledger):
    module.register(app)


def main() -> NoReturn:
    """Runs the command line. Prints an error in one sentence, without a traceback."""
    try:
        code = app(standalone_mode=False)
    except StillroomError as error:
        print_error(error)
        sys.exit(error.exit_code)
    except typer.TyperException as error:
        _print_misuse(error)
        sys.exit(2)
    sys.exit(code)


def _print_misuse(error: Any) -> None:
    """Prints what is wrong with the arguments of a command; Typer would draw a box around it."""
    what = error.format_message().replace("Value error, ", "")
    if what:  # without any arguments Typer has printed the help, and there is nothing to say
        print_error(f"{what[0].lower()}{what[1:]}\n  see `{error.ctx.command_path} --help`")
