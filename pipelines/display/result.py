"""Prints the result of a run for people."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipelines.display.console import money, reasons
from pipelines.results import Result
from schemas.addresses import join_address
from schemas.manifest import SpendSummary

_HOW_TO_GO_ON = {
    "access": "Review why access was withdrawn before you run again. What was answered is safe.",
    "terms": "Terms ended during the run: `stillroom plan` shows which. What was answered is safe.",
    "money": "The account has no money left. Add credit at the provider, then run again: what was "
    "answered is not asked again.",
    "budget": "The budget is spent. Run again to go on: what was answered is not asked again.",
    "quota": "A quota is used up. Run again later: what was answered is not asked again.",
    "prompts": "Add prompts, or raise `target.extra_samples`, and run again: what was answered is "
    "not asked again.",
    "unreachable": "A host cannot be reached: correct its endpoint or start its server; run again. "
    "`stillroom plan --probe` only looks whether it is there.",
    "failing": "A teacher returns only errors: see the reasons above, correct them, run again.",
}


def print_result(result: Result, out: Console) -> None:
    """Prints counts and cost, where the corpus is, and how to read it."""
    out.print(_funnel(result))
    out.print(
        f"asked {result.asked}, from the ledger {result.from_ledger}, "
        f"{result.completion_tokens} tokens, {_cost(result.usd)}, {result.seconds:.1f} s"
    )
    spend = result.spend
    if spend.usd != 0:
        out.print(f"answers cost {money(spend.usd)}: {_by_end(spend)}")
    if spend.usd_uncertain is None:
        out.print("attempts without known usage may have cost more: how much is unknown")
    elif spend.usd_uncertain:
        most = money(spend.usd_uncertain)
        out.print(f"attempts without known usage may have cost up to {most} more")
    if result.judged:
        out.print(f"judged {result.judged}, for {money(result.usd_judge)} of that")
    if result.folder:
        out.print(f"\nThe corpus is in [bold]{escape(str(result.folder))}[/bold]. Read it with\n")
        out.print("    import pyarrow.dataset as ds", markup=False)
        out.print(f"    corpus = ds.dataset({join_address(result.folder, 'data')!r})", markup=False)
        out.print(
            '    print(corpus.to_table(columns=["messages", "provenance"]).slice(0, 3))\n',
            markup=False,
        )
    else:
        out.print("\nNo record was accepted, so nothing was published.")
    for error in result.errors:
        out.print(f"[yellow]{escape(error)}[/yellow]")
    for stop in result.stops:
        out.print(f"[yellow]{escape(stop)}[/yellow]")
    if result.stopped:
        out.print(f"[yellow]{_HOW_TO_GO_ON[result.stopped]}[/yellow]")


def _cost(usd: float | None) -> str:
    return "cost unknown" if usd is None else money(usd)


def _by_end(spend: SpendSummary) -> str:
    ends = {
        "accepted": spend.usd_accepted,
        "rejected": spend.usd_rejected,
        "truncated": spend.usd_truncated,
        "duplicates": spend.usd_duplicates,
        "failed": spend.usd_failed,
        "the judge's": spend.usd_judge,
    }
    return ", ".join(f"{name} {money(usd)}" for name, usd in ends.items() if usd != 0)


def _funnel(result: Result) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    table.add_column("requests", justify="right")
    table.add_column("", style="dim")
    unread = f"prompts unreadable: {escape(reasons(result.unread))}" if result.unread else ""
    table.add_row("requests", str(result.requests), unread)
    pairs = f"and {result.preferences} preference pairs" if result.preferences else ""
    table.add_row("accepted", str(result.accepted), pairs)
    table.add_row("rejected", str(sum(result.rejected.values())), escape(reasons(result.rejected)))
    table.add_row("duplicates", str(result.duplicates))
    table.add_row("failed", str(sum(result.failed.values())), escape(reasons(result.failed)))
    table.add_row("pending", str(result.pending))
    return table
