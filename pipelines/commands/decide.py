"""`stillroom decide`: the guard's verdict on one route, or on a file of questions."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, Literal

import typer

from pipelines.commands.arguments import AsJson, MaxAge, On, RegistryPath, day_of
from pipelines.display.console import console, print_json
from schemas.errors import InputError
from schemas.key_help import key_help
from schemas.terms import Use

if TYPE_CHECKING:
    from transforms.guard.questions import BatchAnswerer

DENIED = 3  # the exit code of a no

Unapproved = Literal["deny", "allow"]


def register(app: typer.Typer) -> None:
    """Adds the command to the command line.

    Args:
        app: The whole command line.
    """
    app.command()(decide)


def decide(
    route: Annotated[str | None, typer.Argument(help="The route to ask.")] = None,
    use: Annotated[Use | None, typer.Option(help=key_help("Purpose", "use"))] = None,
    student_name: Annotated[str | None, typer.Option(help=key_help("Student", "name"))] = None,
    student_distribution: Annotated[
        Literal["internal", "hosted", "released"] | None,
        typer.Option(help=key_help("Student", "distribution")),
    ] = None,
    student_license: Annotated[
        str | None, typer.Option(help=key_help("Student", "license"))
    ] = None,
    competes_with: Annotated[
        list[str] | None,
        typer.Option(help="A competing provider, repeatable; `none` for none. If left out: all."),
    ] = None,
    organisation: Annotated[str | None, typer.Option(help=key_help("Organisation", "name"))] = None,
    commercial: Annotated[
        bool | None,
        typer.Option("--commercial/--no-commercial", help=key_help("Organisation", "commercial")),
    ] = None,
    domicile: Annotated[str | None, typer.Option(help=key_help("Organisation", "domicile"))] = None,
    monthly_active_users: Annotated[
        int | None, typer.Option(help=key_help("Organisation", "monthly_active_users"))
    ] = None,
    annual_revenue_usd: Annotated[
        float | None, typer.Option(help=key_help("Organisation", "annual_revenue_usd"))
    ] = None,
    corpus_distribution: Annotated[
        Literal["internal", "partners", "public"] | None,
        typer.Option(help=key_help("CorpusPurpose", "distribution")),
    ] = None,
    prompt_license: Annotated[
        str | None, typer.Option(help="Licence of the prompts, an SPDX expression.")
    ] = None,
    confidential: Annotated[
        bool, typer.Option("--confidential", help="Deny hosts that train on the prompts.")
    ] = False,
    on: On = None,
    unapproved: Annotated[
        Unapproved, typer.Option(help="Whether unapproved readings are allowed.")
    ] = "deny",
    max_age_days: MaxAge = None,
    registry: RegistryPath = None,
    batch: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Questions, one JSON object per line; - for stdin."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Decide whether terms permit to ask a route for a use on a day. Exits with 3 if they do not.

    With --batch it answers every line of a file with one line of JSON, and exits with 0.
    """
    if (batch is None) == (route is None):
        raise InputError("decide needs a ROUTE or --batch FILE, one of them")
    questions = _questions(registry, on, unapproved, max_age_days)
    if batch:
        with _lines(batch) as lines:
            _answer_all(questions, lines)
        return
    purpose = {
        "use": use,
        "student": {
            "name": student_name,
            "distribution": student_distribution,
            "license": student_license,
            "competes_with": _competitors(competes_with),
        },
        "organisation": {
            "name": organisation,
            "commercial": commercial,
            "domicile": domicile,
            "monthly_active_users": monthly_active_users,
            "annual_revenue_usd": annual_revenue_usd,
        },
        "corpus": {"distribution": corpus_distribution},
    }
    question = {
        "route": route,
        "purpose": purpose,
        "prompt_license": prompt_license,
        "confidential": confidential,
    }
    _answer_one(questions, _declared(question), as_json=as_json)


def _questions(
    registry: str | None, on: datetime | None, unapproved: Unapproved, max_age_days: int | None
) -> BatchAnswerer:
    from transforms.guard.catalogue import load_catalogue, load_registry
    from transforms.guard.questions import BatchAnswerer

    catalogue = load_catalogue()
    return BatchAnswerer(
        catalogue,
        load_registry(registry, catalogue) if registry else None,
        day_of(on),
        unapproved=unapproved,
        max_age_days=max_age_days,
    )


def _competitors(named: list[str] | None) -> list[str] | None:
    """Returns an empty list for `--competes-with none`, and None if it was left out."""
    return [] if named == ["none"] else named or None


def _declared(value: dict[str, Any]) -> dict[str, Any]:
    """Returns the value without what was not declared."""
    plain = {key: _declared(v) if isinstance(v, dict) else v for key, v in value.items()}
    return {key: v for key, v in plain.items() if v is not None}


def _answer_one(questions: BatchAnswerer, question: dict[str, Any], *, as_json: bool) -> None:
    from transforms.guard.questions import verdict_json

    verdict = questions.answer(question)
    if as_json:
        print_json(verdict_json(verdict))
    else:
        from pipelines.display.plan import print_verdict

        print_verdict(verdict, console())
    if not verdict.permits:
        raise typer.Exit(DENIED)


@contextmanager
def _lines(batch: Path) -> Iterator[IO[str]]:
    if str(batch) == "-":
        yield sys.stdin
        return
    try:
        file = batch.open(encoding="utf-8", errors="replace")
    except OSError as error:
        raise InputError(
            "the questions cannot be read", where=str(batch), found=error.strerror or ""
        ) from None
    with file:
        yield file


def _answer_all(questions: BatchAnswerer, lines: IO[str]) -> None:
    for line in lines:
        print_json(questions.answer_line(line))
