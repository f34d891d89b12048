"""Prints terms for people: states of documents, one document, what needs attention."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from schemas.inputs.documents import Clause, TermsDocument
from transforms.guard.approvals import DocumentState
from transforms.guard.changes import TextComparison
from transforms.guard.terms_problems import TermsProblem

_COLOURS = {"approved": "green", "open": "green"}


def print_standings(found: Sequence[DocumentState], out: Console) -> None:
    """Prints the state of each document, one per line."""
    table = Table(box=None, pad_edge=False)
    for name in ("document", "version", "state", "approved by", "expires", "routes"):
        table.add_column(name, overflow="fold")
    for one in found:
        colour = _COLOURS.get(one.state, "yellow")
        table.add_row(
            escape(one.document),
            escape(one.version),
            f"[{colour}]{one.state}[/{colour}]" + (" changed" if one.changed else ""),
            escape(one.by),
            str(one.expires or ""),
            str(len(one.routes)),
        )
    out.print(table)


def print_document(document: TermsDocument, versions: Sequence[str], out: Console) -> None:
    """Prints one version of a document with all its clauses."""
    out.print(f"[bold]{escape(document.name)}[/bold]  {escape(document.title)}")
    for name, value in _facts(document, versions):
        out.print(f"    [dim]{name}[/dim]  {escape(value)}")
    for clause in document.clauses:
        out.print(f"\n[bold]{escape(clause.clause)}[/bold]  {_effect(clause)}")
        out.print(f"    {escape(clause.summary)}")
        if clause.yes_if:
            out.print(f"    for a yes: {escape(clause.yes_if)}")


def _facts(document: TermsDocument, versions: Sequence[str]) -> Iterator[tuple[str, str]]:
    effective, reading = document.effective, document.reading
    yield "publisher", document.publisher
    yield "layer", document.layer
    if effective:
        yield "in force", f"from {effective.from_} to {effective.to or 'further notice'}"
    yield "outputs", document.outputs
    yield "inputs used by the provider", document.provider_uses_inputs
    yield "address", document.address or "unknown"
    if reading:
        yield "read", f"{reading.on} by {reading.by}, confidence {reading.confidence}"
        yield "digest", document.sha256
    else:
        yield "read", "not read: every answer is unknown"
    yield "versions", ", ".join(versions)
    if document.note:
        yield "note", document.note


def _effect(clause: Clause) -> str:
    kind = f"duty {clause.duty.kind}, due at {clause.duty.due}" if clause.duty else clause.effect
    condition = " (on a condition)" if clause.when else ""
    return f"{kind}{condition} for {', '.join(clause.uses)}"


def print_findings(
    findings: Sequence[TermsProblem], compared: Sequence[TextComparison], out: Console
) -> None:
    """Prints what needs attention, and a count of the compared texts."""
    for flaw in findings:
        version = f"@{flaw.version}" if flaw.version else ""
        out.print(
            f"[yellow]{flaw.what}[/yellow]  [bold]{escape(flaw.document + version)}[/bold]: "
            f"{escape(flaw.detail)}"
        )
    if compared:
        states = Counter(one.state for one in compared)
        out.print(", ".join(f"{count} {state}" for state, count in sorted(states.items())))
    if not findings:
        out.print("[green]nothing needs attention[/green]")
