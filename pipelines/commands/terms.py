"""`stillroom terms list|show|check`: the documents of terms that a team relies on.

Only `terms check --fetch` uses the network.
"""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines.commands.arguments import AsJson, MaxAge, RegistryPath, day_of
from pipelines.display.console import console, print_json
from schemas.errors import InputError, nearest

_terms = typer.Typer(
    help="List, show and check the documents of terms that you rely on.", no_args_is_help=True
)

RunPath = Annotated[
    str | None,
    typer.Option(
        "--run", metavar="RUN", help="A run file: use its registry, and only its teachers."
    ),
]


def register(app: typer.Typer) -> None:
    """Adds `stillroom terms` to the command line.

    Args:
        app: The whole command line.
    """
    _terms.command("list")(list_terms)
    _terms.command("show")(show_terms)
    _terms.command("check")(check_terms)
    app.add_typer(_terms, name="terms")


def list_terms(
    registry: RegistryPath = None,
    run: RunPath = None,
    max_age_days: MaxAge = None,
    as_json: AsJson = False,
) -> None:
    """List the state of every document that you rely on: approved, open, unapproved, unknown, …"""
    from pipelines.planning.terms_in_use import read_terms_in_use
    from schemas.files import unstructure

    found = read_terms_in_use(
        run, registry, day_of(None), max_age_days=max_age_days
    ).document_states()
    if as_json:
        print_json(unstructure(found))
    else:
        from pipelines.display.terms import print_standings

        print_standings(found, console())


def show_terms(
    name: Annotated[str, typer.Argument(metavar="DOCUMENT[@VERSION]")], as_json: AsJson = False
) -> None:
    """Show one document: its clauses, who read it and when, and where its text is."""
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
    today = day_of(None)
    newest = versions[document][-1]
    chosen = known.get(version) or next((v for v in known.values() if v.in_force(today)), newest)
    if as_json:
        plain = unstructure(chosen)
        del plain["where"]
        print_json(plain | {"versions": list(known)})
    else:
        from pipelines.display.terms import print_document

        print_document(chosen, list(known), console())


def check_terms(
    registry: RegistryPath = None,
    run: RunPath = None,
    within_days: Annotated[
        int, typer.Option(min=0, metavar="N", help="Report what ends within N days as expiring.")
    ] = 30,
    max_age_days: MaxAge = None,
    fetch: Annotated[
        bool,
        typer.Option("--fetch", help="Fetch each newest text from the network and compare it."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List what needs attention: unapproved, expiring, superseded, changed. Exits with 1 if any.

    With --fetch it records changed texts in terms-changed.json beside the registry; their
    approvals no longer count.
    """
    from pipelines.planning.terms_in_use import read_terms_in_use
    from schemas.files import unstructure

    in_use = read_terms_in_use(
        run, registry, day_of(None), within_days=within_days, max_age_days=max_age_days
    )
    compared = in_use.fetch() if fetch else []
    findings = in_use.note(compared).findings(compared)
    if as_json:
        checked = {"ok": not findings, "findings": findings, "compared": compared}
        print_json(unstructure(checked))
    else:
        from pipelines.display.terms import print_findings

        print_findings(findings, compared, console())
    if findings:
        raise typer.Exit(1)
