"""The commands for a run file: `stillroom plan`, `run` and `build`."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from pipelines.commands.arguments import AsJson
from pipelines.display.console import console, print_json

TakeOver = Annotated[
    bool,
    typer.Option("--take-over", help="Publish onto a corpus that another run file has published."),
]
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


def plan(
    path: RunPath,
    probe: Annotated[
        bool,
        typer.Option(
            "--probe",
            help="Ask each route for its list of models; exit with 1 if one cannot be asked.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show requests, verdicts and maximum cost. Sends no request. Exits with 3 if terms refuse."""
    if probe:
        _plan_and_probe(path, as_json=as_json)
        return
    from pipelines.planning.plan_run import plan_run

    if sys.stderr.isatty():
        from pipelines.display.plan import counting

        with counting(console(stderr=True)) as counted:
            planned = plan_run(path, counted=counted)
    else:
        planned = plan_run(path)
    if as_json:
        print_json(planned.as_json())
    else:
        from pipelines.display.plan import print_plan

        print_plan(planned, console())
    if not planned.permitted:
        raise typer.Exit(3)


def _plan_and_probe(path: str, *, as_json: bool) -> None:
    from pipelines.planning.probe import plan_and_probe
    from schemas.files import unstructure

    planned, probes = plan_and_probe(path)
    if as_json:
        print_json(planned.as_json() | {"probes": [unstructure(probe) for probe in probes]})
    else:
        from pipelines.display.plan import print_plan
        from pipelines.display.probe import print_probes

        print_plan(planned, console())
        print_probes(probes, console())
    if not planned.permitted:
        raise typer.Exit(3)
    if any(probe.fails for probe in probes):
        raise typer.Exit(1)


def run(
    context: typer.Context,
    path: RunPath,
    slices: Annotated[
        int,
        typer.Option(min=1, max=16, help="Workers that ask at once; they share quota and budget."),
    ] = 1,
    accept_loss: Annotated[
        bool,
        typer.Option(
            "--accept-loss",
            help="Go on without what is damaged or missing in the ledger: it is bought again.",
        ),
    ] = False,
    take_over: TakeOver = False,
    as_json: AsJson = False,
) -> None:
    """Ask, filter, deduplicate and publish. Run it again after any interruption.

    Arguments after `--` are passed to Beam.
    """
    _execute(
        path,
        context.args,
        slices=slices,
        asks=True,
        accepts_loss=accept_loss,
        takes_over=take_over,
        as_json=as_json,
    )


def build(
    context: typer.Context, path: RunPath, take_over: TakeOver = False, as_json: AsJson = False
) -> None:
    """Do what `run` does with the answers in the ledger. Sends nothing.

    Arguments after `--` are passed to Beam.
    """
    _execute(path, context.args, slices=1, asks=False, takes_over=take_over, as_json=as_json)


def _execute(path: str, beam_options: list[str], *, as_json: bool, **how: Any) -> None:
    from pipelines.display.log import warnings_on
    from pipelines.launch import launch

    err = console(stderr=True)
    with warnings_on(err):
        result = launch(path, beam_options, console=err, **how)
    if as_json:
        print_json(result.as_json())
    else:
        from pipelines.display.result import print_result

        print_result(result, console())
    raise typer.Exit(result.exit_code)
