"""The commands for a run file: `stillroom plan`, `run` and `build`."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines.commands.arguments import AsJson
from pipelines.display.console import console, print_json

RunPath = Annotated[str, typer.Argument(metavar="RUN", help="The run file, YAML.")]
_BEAM = {"allow_extra_args": True, "ignore_unknown_options": False}


def register(app: typer.Typer) -> None:
    """Adds the commands to the command line.

    Args:
        app: The whole command line.
    """
    app.command()(plan)
    app.command(context_settings=_BEAM)(run)
    app.command(context_settings=_BEAM)(build)


def plan(path: RunPath, as_json: AsJson = False) -> None:
    """Show requests, verdicts and maximum cost. Sends nothing. Exits with 3 if terms refuse."""
    from pipelines.planning.plan_run import plan_run

    prepared = plan_run(path)
    if as_json:
        print_json(prepared.as_json())
    else:
        from pipelines.display.plan import print_plan

        print_plan(prepared, console())
    if not prepared.permitted:
        raise typer.Exit(3)


def run(
    context: typer.Context,
    path: RunPath,
    slices: Annotated[
        int,
        typer.Option(min=1, max=16, help="Workers that ask at once; they share quota and budget."),
    ] = 1,
    as_json: AsJson = False,
) -> None:
    """Ask, filter, deduplicate and publish. Run it again after any interruption.

    Arguments after `--` are passed to Beam.
    """
    _execute(path, context.args, slices=slices, asks=True, as_json=as_json)


def build(context: typer.Context, path: RunPath, as_json: AsJson = False) -> None:
    """Do what `run` does with the answers in the ledger. Sends nothing.

    Arguments after `--` are passed to Beam.
    """
    _execute(path, context.args, slices=1, asks=False, as_json=as_json)


def _execute(path: str, beam_options: list[str], *, slices: int, asks: bool, as_json: bool) -> None:
    from pipelines.display.log import warnings_on
    from pipelines.launch import launch

    err = console(stderr=True)
    with warnings_on(err):
        result = launch(path, beam_options, slices=slices, asks=asks, console=err)
    if as_json:
        print_json(result.as_json())
    else:
        from pipelines.display.result import print_result

        print_result(result, console())
    raise typer.Exit(result.exit_code)
