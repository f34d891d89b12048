"""Prints plans, results, verifications and stories for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from pipelines.planning.plan import Plan
from pipelines.results import RunResult
from schemas.codes import StopReason
from schemas.manifest import SpendSummary
from schemas.terms import Verdict
from transforms.auditing.explain import Explanation
from transforms.auditing.verify import Verification

_HOW_TO_GO_ON = {
    StopReason.ACCESS: "Review why access was withdrawn before you run again. "
    "What was answered is safe.",
    StopReason.TERMS: "Terms ended during the run: `stillroom plan` tells which. "
    "What was answered is safe.",
    StopReason.BUDGET: "The budget is spent. Run again to go on: "
    "what was answered is not asked again.",
    StopReason.QUOTA: "A quota is used up. Run again later: what was answered is not asked again.",
    StopReason.PROMPTS: "Add prompts, or raise `target.extra_samples`, and run again: "
    "what was answered is not asked again.",
    StopReason.FAILING: "A teacher answers nothing but errors: see the reasons above, mend it, "
    "run again.",
}


def console(*, stderr: bool = False) -> Console:
    """Returns the console to print to."""
    return Console(stderr=stderr, highlight=False, soft_wrap=True)


def show_plan(plan: Plan, out: Console) -> None:
    """Prints a plan: verdicts first, then how much is to be asked and what it can cost."""
    for verdict in plan.verdicts:
        show_verdict(verdict, out)
    for contradiction in plan.contradictions:
        out.print(f"[red]contradiction[/red]  {escape(contradiction)}")
    table = Table.grid(padding=(0, 2))
    for name, value in _figures(plan):
        table.add_row(f"[dim]{name}[/dim]", value)
    out.print(table)


def show_verdict(verdict: Verdict, out: Console) -> None:
    """Prints a verdict with the clauses that decided and the duties owed."""
    colour = "green" if verdict.permits else "red"
    out.print(
        f"[{colour}]{verdict.decision}[/{colour}]  [bold]{escape(verdict.teacher)}[/bold]  "
        f"for {verdict.use} on {verdict.on}: {verdict.status}"
    )
    for clause in verdict.clauses:
        section = f" section {clause.clause}" if clause.clause else ""
        out.print(
            f"    {clause.status}: {escape(clause.document)} {escape(clause.version)}"
            f"{escape(section)} ({clause.layer}): {escape(clause.summary)}"
        )
    for duty in verdict.duties:
        out.print(f"    owes {duty.kind}, due at {duty.due}: {escape(duty.text)}")


def _figures(plan: Plan) -> Iterator[tuple[str, str]]:
    yield "prompts", _with_reasons(plan.prompts, plan.unread, "unreadable")
    yield "requests", f"{plan.requests}, {plan.in_ledger} in the ledger, {plan.to_ask} to ask"
    yield (
        "tokens",
        f"{plan.prompt_tokens} of prompts, at most {plan.max_completion_tokens} of completions",
    )
    yield "cost", f"at most ${plan.usd_max:.2f}"
    if judge := plan.judge:
        tokens = judge.prompt_tokens + judge.max_completion_tokens
        yield (
            "judge",
            f"at most {judge.requests} requests more; its share of tokens and cost is at most "
            f"{tokens} and ${judge.usd_max:.2f}",
        )
    yield "time", f"at least {plan.seconds_min:.0f} s by the quotas"


def show_result(result: RunResult, out: Console) -> None:
    """Prints what a run came to: the funnel, where the corpus is, and how to read it."""
    out.print(_funnel(result))
    out.print(
        f"asked {result.asked}, from the ledger {result.from_ledger}, "
        f"{result.completion_tokens} tokens, ${result.usd:.4f}, {result.seconds:.1f} s"
    )
    if result.spend.usd:
        out.print(f"answers cost ${result.spend.usd:.4f}: {_by_end(result.spend)}")
    if result.spend.usd_uncertain:
        out.print(f"attempts for nothing may have cost ${result.spend.usd_uncertain:.4f} on top")
    if result.judged:
        out.print(f"judged {result.judged}, for ${result.usd_judge:.4f} of that")
    if result.folder:
        out.print(f"\nThe corpus is in [bold]{escape(result.folder)}[/bold]. Read it with\n")
        out.print("    import pyarrow.dataset as ds", markup=False)
        out.print(f"    corpus = ds.dataset({result.folder + '/data'!r})", markup=False)
        out.print(
            '    print(corpus.to_table(columns=["messages", "provenance"]).slice(0, 3))\n',
            markup=False,
        )
    else:
        out.print("\nNo record was accepted, so nothing was published.")
    for stop in result.stops:
        out.print(f"[yellow]{escape(stop)}[/yellow]")
    if result.stopped:
        out.print(f"[yellow]{_HOW_TO_GO_ON[result.stopped]}[/yellow]")


def _by_end(spend: SpendSummary) -> str:
    ends = {
        "accepted": spend.usd_accepted,
        "rejected": spend.usd_rejected,
        "truncated": spend.usd_truncated,
        "duplicates": spend.usd_duplicates,
        "failed": spend.usd_failed,
        "the judge's": spend.usd_judge,
    }
    return ", ".join(f"{name} ${usd:.4f}" for name, usd in ends.items() if usd)


def _funnel(result: RunResult) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    table.add_column("requests", justify="right")
    table.add_column("", style="dim")
    table.add_row("requests", str(result.requests), _reasons(result.unread, "prompts unreadable: "))
    pairs = f"and {result.preferences} preference pairs" if result.preferences else ""
    table.add_row("accepted", str(result.accepted), pairs)
    table.add_row("rejected", str(sum(result.rejected.values())), _reasons(result.rejected))
    table.add_row("duplicates", str(result.duplicates))
    table.add_row("failed", str(sum(result.failed.values())), _reasons(result.failed))
    table.add_row("pending", str(result.pending))
    return table


def show_verification(verification: Verification, out: Console) -> None:
    """Prints whether a corpus is what its manifest says."""
    for problem in verification.problems:
        out.print(f"[red]{escape(problem.file)}[/red]: {escape(problem.what)}")
    state = "[green]verified[/green]" if verification.ok else "[red]does not verify[/red]"
    out.print(
        f"{state}: version {verification.version}, {verification.records} records, "
        f"{verification.shards} shards"
    )


def show_explanation(story: Explanation, out: Console) -> None:
    """Prints a record's story, section by section."""
    out.print(f"[bold]{story.record_id}[/bold] {story.outcome}, version {story.version}")
    for section in story.sections:
        out.print(f"\n[bold]{escape(section.title)}[/bold]")
        for name, value in section.facts:
            out.print(f"  [dim]{escape(name)}[/dim]  {escape(value)}")
        for name, text in section.texts:
            out.print(f"  [dim]{escape(name)}[/dim]")
            out.print(Padding(escape(text), (0, 0, 0, 4)))


def _with_reasons(count: int, reasons: Mapping[str, int], word: str) -> str:
    return (
        f"{count}, {sum(reasons.values())} {word} ({_reasons(reasons)})" if reasons else str(count)
    )


def _reasons(reasons: Mapping[str, int], before: str = "") -> str:
    ordered = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    return before + ", ".join(f"{name} {count}" for name, count in ordered) if reasons else ""
