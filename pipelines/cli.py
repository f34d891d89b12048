"""The command line: `stillroom COMMAND …`.

Every command imports what it needs when it runs: `--help` and the commands that need no Beam
start without it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from pipelines.commands import corpus as corpus_commands
from pipelines.commands import guard as guard_commands
from pipelines.commands import init as init_command
from pipelines.commands import ledger as ledger_commands
from pipelines.commands.arguments import AsJson, CorpusPath
from schemas.errors import StillroomError

app = typer.Typer(
    name="stillroom",
    help="Licensed distillation corpora: permitted teachers, every answer kept, full provenance.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="The run file, YAML.")]
_BEAM = {"allow_extra_args": True, "ignore_unknown_options": False}


def _print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False, sort_keys=False) + "\n")


init_command.register(app)


@app.command()
def plan(path: RunPath, as_json: AsJson = False) -> None:
    """Tell what a run would ask, whether it may, and what it can cost. Asks nobody."""
    from pipelines.display.run import console, show_plan
    from pipelines.launch import plan_run

    prepared = plan_run(path)
    if as_json:
        _print_json(prepared.as_json())
    else:
        show_plan(prepared, console())
    if not prepared.permitted:
        raise typer.Exit(3)


@app.command(context_settings=_BEAM)
def run(
    context: typer.Context,
    path: RunPath,
    slices: Annotated[
        int, typer.Option(min=1, max=16, help="Shares of quota and budget, one worker each.")
    ] = 1,
    as_json: AsJson = False,
) -> None:
    """Ask, filter, dedupe and publish. Resumes by itself. Beam's own options go after `--`."""
    _execute(path, context.args, slices=slices, asks=True, as_json=as_json)


@app.command(context_settings=_BEAM)
def build(context: typer.Context, path: RunPath, as_json: AsJson = False) -> None:
    """The same as `run` from the ledger alone: asks nobody."""
    _execute(path, context.args, slices=1, asks=False, as_json=as_json)


def _execute(
    path: Path, beam_options: list[str], *, slices: int, asks: bool, as_json: bool
) -> None:
    from pipelines.display.run import console, show_result
    from pipelines.launch import launch

    result = launch(path, beam_options, slices=slices, asks=asks, console=console(stderr=as_json))
    if as_json:
        _print_json(result.as_json())
    else:
        show_result(result, console())
    raise typer.Exit(result.exit_code)


@app.command()
def verify(corpus: CorpusPath, as_json: AsJson = False) -> None:
    """Prove, offline, that a corpus is what its manifest says."""
    from pipelines.display.run import console, show_verification
    from schemas.files import unstructure
    from transforms.auditing.verify import verify as verify_corpus

    verification = verify_corpus(corpus)
    if as_json:
        _print_json(unstructure(verification))
    else:
        show_verification(verification, console())
    if not verification.ok:
        raise typer.Exit(1)


@app.command()
def explain(
    corpus: CorpusPath,
    record_id: Annotated[str, typer.Argument(help="A record's id, or enough of its beginning.")],
    as_json: AsJson = False,
) -> None:
    """Tell one record's whole story."""
    from pipelines.display.run import console, show_explanation
    from schemas.files import unstructure
    from transforms.auditing.explain import explain as explain_record

    story = explain_record(corpus, record_id)
    if as_json:
        _print_json(unstructure(story))
    else:
        show_explanation(story, console())


@app.command()
def serve(
    port: Annotated[int, typer.Option(help="0 takes a free one.")] = 8080,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
) -> None:
    """Serve the embedded teacher as an OpenAI-compatible server, until Ctrl-C."""
    from transforms.providers.embedded import serve as serve_embedded

    serve_embedded(port, host)


guard_commands.register(app)
corpus_commands.register(app)
ledger_commands.register(app)


def main() -> NoReturn:
    """Runs the command line; an error that a person can mend is told without a traceback."""
    try:
        app(standalone_mode=True)
    except StillroomError as error:
        sys.stderr.write(f"stillroom: {error}\n")
        sys.exit(error.exit_code)
    sys.exit(0)


if __name__ == "__main__":
    main()
