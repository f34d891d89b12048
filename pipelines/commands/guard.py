"""The guard's commands: `stillroom decide`, `stillroom terms list|show|check`.

They need no Beam, and no network but for `terms check --fetch`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, Literal

import typer

from pipelines.commands.arguments import AsJson, MaxAge, On, RegistryPath
from schemas.errors import InputError, nearest
from schemas.terms import Use

if TYPE_CHECKING:
    from transforms.guard.questions import BatchAnswerer

DENIED = 3  # the exit code of a no

_terms = typer.Typer(help="What you rely on: documents, approvals, changes.", no_args_is_help=True)


Unapproved = Literal["deny", "allow"]

RunPath = Annotated[
    Path | None,
    typer.Option("--run", metavar="RUN", help="A run file: its registry, and its teachers only."),
]


def register(app: typer.Typer) -> None:
    """Adds the guard's commands to the command line.

    Args:
        app: The whole command line.
    """
    app.command()(decide)
    _terms.command("list")(list_terms)
    _terms.command("show")(show_terms)
    _terms.command("check")(check_terms)
    app.add_typer(_terms, name="terms")


def decide(
    route: Annotated[str | None, typer.Argument(help="The route to be asked.")] = None,
    use: Annotated[Use | None, typer.Option(help="What the output is for.")] = None,
    student_name: Annotated[str | None, typer.Option()] = None,
    student_distribution: Annotated[
        Literal["internal", "hosted", "released"] | None, typer.Option()
    ] = None,
    student_license: Annotated[str | None, typer.Option(help="An SPDX expression.")] = None,
    competes_with: Annotated[
        list[str] | None,
        typer.Option(help="A provider, repeatable; `none` for nobody. Left out: everyone."),
    ] = None,
    organisation: Annotated[str | None, typer.Option(help="Its name.")] = None,
    commercial: Annotated[bool | None, typer.Option("--commercial/--no-commercial")] = None,
    domicile: Annotated[str | None, typer.Option(help="A country's two letters.")] = None,
    monthly_active_users: Annotated[int | None, typer.Option()] = None,
    annual_revenue_usd: Annotated[float | None, typer.Option()] = None,
    corpus_distribution: Annotated[
        Literal["internal", "partners", "public"] | None, typer.Option()
    ] = None,
    prompt_license: Annotated[
        str | None, typer.Option(help="Licence of the prompts, an SPDX expression.")
    ] = None,
    confidential: Annotated[
        bool, typer.Option("--confidential", help="Keep the prompts from hosts that train on them.")
    ] = False,
    on: On = None,
    unapproved: Annotated[
        Unapproved, typer.Option(help="Readings that nobody signed off.")
    ] = "deny",
    max_age_days: MaxAge = None,
    registry: RegistryPath = None,
    batch: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Questions, a JSON object a line; - for stdin."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """May this route be asked, for this use, by us, on this day? Ends with 3 where it may not.

    With --batch it answers every line of a file with one line of JSON, and ends with 0.
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
    registry: Path | None, on: datetime | None, unapproved: Unapproved, max_age_days: int | None
) -> BatchAnswerer:
    from transforms.guard.catalogue import load_catalogue, load_registry
    from transforms.guard.questions import BatchAnswerer

    catalogue = load_catalogue()
    return BatchAnswerer(
        catalogue,
        load_registry(registry, catalogue) if registry else None,
        _day(on),
        unapproved=unapproved,
        max_age_days=max_age_days,
    )


def _day(on: datetime | None) -> date:
    from transforms.clock import Clock

    return on.date() if on else Clock().today()


def _competitors(named: list[str] | None) -> list[str] | None:
    """Reads `--competes-with none` as nobody; None stays undeclared."""
    return [] if named == ["none"] else named or None


def _declared(value: dict[str, Any]) -> dict[str, Any]:
    """Leaves out what was not declared."""
    plain = {key: _declared(v) if isinstance(v, dict) else v for key, v in value.items()}
    return {key: v for key, v in plain.items() if v is not None}


def _answer_one(questions: BatchAnswerer, question: dict[str, Any], *, as_json: bool) -> None:
    from transforms.guard.questions import verdict_json

    verdict = questions.answer(question)
    if as_json:
        _print_json(verdict_json(verdict))
    else:
        from pipelines.display.run import console, show_verdict

        show_verdict(verdict, console())
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
        _print_json(questions.answer_line(line))


def _print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")


def list_terms(
    registry: RegistryPath = None,
    run: RunPath = None,
    max_age_days: MaxAge = None,
    as_json: AsJson = False,
) -> None:
    """How every document stands that you rely on: approved, open, unapproved, unknown, …"""
    from pipelines.planning.reliance import read_reliance
    from schemas.files import unstructure

    found = read_reliance(run, registry, _day(None), max_age_days=max_age_days).document_states()
    if as_json:
        _print_json(unstructure(found))
    else:
        from pipelines.display.run import console
        from pipelines.display.terms import show_standings

        show_standings(found, console())


def show_terms(
    name: Annotated[str, typer.Argument(metavar="DOCUMENT[@VERSION]")], as_json: AsJson = False
) -> None:
    """One document: what its clauses say, who read it and when, where its text is."""
    from schemas.files import unstructure
    from transforms.guard.catalogue import load_catalogue

    versions = load_catalogue().documents
    document, _, version = name.partition("@")
    if document not in versions:
        remedy = nearest(document, versions)
        raise InputError("no such document of terms", found=repr(document), remedy=remedy)
    known = {one.version: one for one in versions[document]}
    if version and version not in known:
        remedy = nearest(version, known)
        raise InputError(f"{document} has no such version", found=repr(version), remedy=remedy)
    today = _day(None)
    newest = versions[document][-1]
    chosen = known.get(version) or next((v for v in known.values() if v.in_force(today)), newest)
    if as_json:
        plain = unstructure(chosen)
        del plain["where"]
        _print_json(plain | {"versions": list(known)})
    else:
        from pipelines.display.run import console
        from pipelines.display.terms import show_document

        show_document(chosen, list(known), console())


def check_terms(
    registry: RegistryPath = None,
    run: RunPath = None,
    within_days: Annotated[
        int, typer.Option(min=0, metavar="N", help="What ends in so many days is expiring.")
    ] = 30,
    max_age_days: MaxAge = None,
    fetch: Annotated[
        bool, typer.Option("--fetch", help="Fetch each newest text and compare it: the network.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """What needs attention: unapproved, expiring, superseded, changed. Ends with 1 for anything.

    With --fetch it notes changed texts in terms-changed.json beside the registry, and what was
    approved of them counts no longer.
    """
    from pipelines.planning.reliance import read_reliance
    from schemas.files import unstructure

    reliance = read_reliance(
        run, registry, _day(None), within_days=within_days, max_age_days=max_age_days
    )
    compared = reliance.fetch() if fetch else []
    findings = reliance.noting(compared).findings(compared)
    if as_json:
        told = {"ok": not findings, "findings": findings, "compared": compared}
        _print_json(unstructure(told))
    else:
        from pipelines.display.run import console
        from pipelines.display.terms import show_findings

        show_findings(findings, compared, console())
    if findings:
        raise typer.Exit(1)
