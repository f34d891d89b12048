"""Prints audits, withdrawals, release checks and indexes for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from schemas.manifest import Manifest
from transforms.corpus.audit import Audit
from transforms.corpus.release import DutyCheck


def show_audit(found: Audit, out: Console) -> None:
    """Prints what an audit found, a clause that denies at a time."""
    for denial in found.by_clause:
        version = f" {denial.version}" if denial.version else ""
        section = f" section {denial.clause}" if denial.clause else ""
        out.print(
            f"[red]{denial.records}[/red] of [bold]{escape(denial.teacher)}[/bold]  "
            f"{denial.status}: {escape(denial.document + version + section)}: "
            f"{escape(denial.summary)}"
        )
    colour = "red" if found.denied else "green"
    out.print(
        f"version {found.version}, {found.records} records; on {found.on} "
        f"{found.permitted} permitted, [{colour}]{found.denied} denied[/{colour}]"
    )


def show_withdrawal(manifest: Manifest, to: Path, out: Console) -> None:
    """Prints what was withdrawn, and where the rest is."""
    removed = manifest.removed.records if manifest.removed else 0
    out.print(
        f"{removed} records withdrawn from version {manifest.parent}, "
        f"{manifest.funnel.accepted} are left"
    )
    out.print(f"The corpus is in [bold]{escape(str(to / manifest.version))}[/bold].")


def show_index(told: Mapping[str, Any], out: Console) -> None:
    """Prints whether an index was made, and where it is."""
    state = "made" if told["made"] else "there already, and whole"
    of = f"version {told['version']}, {told['records']} records, by {told['unit']}"
    out.print(f"the index of {of}: {state}")
    out.print(f"The index is in [bold]{escape(told['folder'])}[/bold].")


def show_release(checks: Sequence[DutyCheck], out: Console) -> None:
    """Prints each duty: whether it is met, what was looked for, and what is missing."""
    for check in checks:
        state = "[green]met[/green]" if check.met else "[red]not met[/red]"
        duty = check.duty
        out.print(f"{state}  {duty.kind}: {escape(duty.text)} ({escape(duty.document)})")
        out.print(f"    looked for {escape(check.looked_for)}")
        if check.missing:
            out.print(f"    [red]missing[/red] {escape(check.missing)}")
    if not checks:
        out.print("[green]the records owe nothing[/green]")
