"""Prints the usage that a ledger recorded for people."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipelines.display.console import money
from transforms.limits.totals import TotalsByDay, UsageTotals

_COUNTS = ("requests", "attempts", "answered", "tokens in", "tokens out", "US dollars", "at most +")
_WIDE = 200  # characters: what is no terminal has no width


def print_totals(totals: TotalsByDay, total: UsageTotals, out: Console) -> None:
    """Prints usage and cost by route, model and day, with their total."""
    out.width = out.width if out.is_terminal else _WIDE
    table = Table(box=None, pad_edge=False)
    for name in ("route", "model", "day"):
        table.add_column(name, overflow="fold")
    for name in _COUNTS:
        table.add_column(name, justify="right", overflow="fold")
    table.add_column("failed", overflow="fold")
    for key, account in totals.items():
        table.add_row(*map(escape, key), *_cells(account))
    table.add_row("all", "", "", *_cells(total))
    out.print(table)


def _cells(account: UsageTotals) -> Iterator[str]:
    counts = (account.requests, account.attempts, account.answered)
    for count in (*counts, account.prompt_tokens, account.completion_tokens):
        yield f"{count:,}"
    yield money(account.spent.usd).removeprefix("$")
    yield money(account.most.usd).removeprefix("$") if account.uncertain else ""
    yield ", ".join(f"{code} {count}" for code, count in sorted(account.failed.items()))
