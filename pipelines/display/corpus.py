"""Prints verifications, stories, audits, withdrawals, release checks and indexes for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import indent
from typing import Any

from rich.console import Console
from rich.markup import escape

from schemas.addresses import join_address
from schemas.manifest import Manifest
from schemas.visible import visible
from transforms.auditing.audit import Audit, Denial
from transforms.auditing.explain import Explanation
from transforms.auditing.release import DutyCheck
from transforms.auditing.verify import Verification


def print_verification(verification: Verification, out: Console) -> None:
    """Prints whether a corpus is what its manifest says."""
    for problem in verification.problems:
        out.print(f"[red]{escape(problem.file)}[/red]: {escape(problem.what)}")
    state = "[green]verified[/green]" if verification.ok else "[red]does not verify[/red]"
    out.print(
        f"{state}: version {escape(verification.version)}, {verification.records} records, "
        f"{verification.shards} shards"
    )


def print_explanation(story: Explanation, out: Console) -> None:
    """Prints a record's story, section by section."""
    state = f"{story.outcome}, version {story.version}"
    out.print(f"[bold]{escape(story.record_id)}[/bold] {escape(state)}")
    for section in story.sections:
        out.print(f"\n[bold]{escape(section.title)}[/bold]")
        for name, value in section.facts:
            out.print(f"  [dim]{escape(name)}[/dim]  {escape(value)}")
        for name, text in section.texts:
            out.print(f"  [dim]{escape(name)}[/dim]")
            out.print(indent(escape(visible(text)), "    "))  # `indent` knows more ends of lines


def print_audit(found: Audit, out: Console) -> None:
    """Prints what an audit found, a clause that denies at a time."""
    for denial in found.by_clause:
        version = f" {denial.version}" if denial.version else ""
        section = f" section {denial.clause}" if denial.clause else ""
        out.print(
            f"[red]{_denied(denial)}[/red] of [bold]{escape(denial.teacher)}[/bold]  "
            f"{escape(denial.status)}: {escape(denial.document + version + section)}: "
            f"{escape(denial.summary)}"
        )
    colour = "red" if found.denied else "green"
    out.print(
        f"version {escape(found.version)}, {found.records} records; on {found.on} "
        f"{found.permitted} permitted, [{colour}]{found.denied} denied[/{colour}]"
    )
    if found.preferences:
        out.print(f"{found.preferences} preference pairs, {found.preferences_denied} denied")


def _denied(denial: Denial) -> str:
    sides = f"{denial.sides} worse sides of pairs" if denial.sides else ""
    records = str(denial.records) if denial.records or not sides else ""
    return " and ".join(filter(None, (records, sides)))


def print_withdrawal(manifest: Manifest, to: str, out: Console) -> None:
    """Prints what was withdrawn, and where the rest is."""
    removed = manifest.removed
    out.print(
        f"{removed.records if removed else 0} records withdrawn from version "
        f"{escape(str(manifest.parent))}, {manifest.funnel.accepted} are left"
    )
    if removed and removed.preferences:
        left = manifest.rows("preferences")
        out.print(f"{removed.preferences} preference pairs went with them, {left} are left")
    out.print(f"The corpus is in [bold]{escape(join_address(to, manifest.version))}[/bold].")


def print_index(index: Mapping[str, Any], out: Console) -> None:
    """Prints whether an index was made, and where it is."""
    state = "made" if index["made"] else "exists and is complete"
    of = f"version {escape(index['version'])}, {index['records']} records, by {index['unit']}"
    out.print(f"the index of {of}: {state}")
    out.print(f"The index is in [bold]{escape(index['folder'])}[/bold].")


def print_release(checks: Sequence[DutyCheck], out: Console) -> None:
    """Prints for each duty whether it is met, what was searched for, and what is missing."""
    for check in checks:
        state = "[green]met[/green]" if check.met else "[red]not met[/red]"
        duty = check.duty
        out.print(f"{state}  {escape(duty.kind)}: {escape(duty.text)} ({escape(duty.document)})")
        out.print(f"    looked for {escape(check.looked_for)}")
        if check.missing:
            out.print(f"    [red]missing[/red] {escape(check.missing)}")
    if not checks:
        out.print("[green]the records owe nothing[/green]")
