"""Prints plans and verdicts for people."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipelines.display.console import money, reasons
from pipelines.planning.other_settings import MOST_REQUESTS
from pipelines.planning.plan import Plan
from schemas.terms import Verdict


@contextmanager
def counting(err: Console) -> Iterator[Callable[[int], object]]:
    """Shows how many prompts are planned, on a terminal; yields what takes the count."""
    with err.status("planning") as status:
        yield lambda prompts: status.update(f"planning: {prompts:,} prompts")


def print_plan(plan: Plan, out: Console) -> None:
    """Prints the verdicts, then requests, tokens, maximum cost and minimum time."""
    for verdict in plan.verdicts:
        print_verdict(verdict, out)
    for contradiction in plan.contradictions:
        out.print(f"[red]contradiction[/red]  {escape(contradiction)}")
    table = Table.grid(padding=(0, 2))
    for name, value in _figures(plan):
        table.add_row(f"[dim]{name}[/dim]", value)
    out.print(table)
    for sentence in plan_warnings(plan):
        out.print(f"[yellow]warning[/yellow]  {escape(sentence)}")


def plan_warnings(plan: Plan) -> Iterator[str]:
    """Yields a sentence for each thing in a plan that may not be meant."""
    for name in plan.shared_files:
        yield f"{name} is both a file of prompts and an evaluation set: its prompts are not asked"
    at_least = "at least " if plan.to_ask > MOST_REQUESTS else ""
    for other in plan.other_answers:
        changes = "; ".join(
            f"{each.name} {each.before}, now {each.now}" for each in other.differences
        )
        yield (
            f"{at_least}{other.answers} of the requests to {other.teacher} have an answer in the "
            f"ledger under other settings ({changes}): they are asked and paid for anew"
        )


def print_verdict(verdict: Verdict, out: Console) -> None:
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
    yield "prompts", _prompts(plan)
    yield "requests", _requests(plan)
    yield (
        "tokens",
        f"{plan.prompt_tokens} of prompts, at most {plan.max_completion_tokens} of completions",
    )
    yield "cost", _cost(plan)
    if judge := plan.judge:
        tokens = judge.prompt_tokens + judge.max_completion_tokens
        yield (
            "judge",
            f"at most {judge.requests} requests more; its share of tokens and cost is at most "
            f"{tokens} and {money(judge.usd_max)}",
        )
    days = f", on {plan.days_min} days" if plan.days_min > 1 else ""
    yield "time", f"at least {plan.seconds_min:.0f} s by the quotas{days}"


def _cost(plan: Plan) -> str:
    if plan.usd_max is not None:
        return f"at most {money(plan.usd_max)}"
    names = ", ".join(plan.unpriced)
    return escape(f"unknown: teachers.yaml has no price for {names}")


def _prompts(plan: Plan) -> str:
    parts = [str(plan.prompts)]
    if plan.unread:
        parts.append(f"{sum(plan.unread.values())} unreadable ({escape(reasons(plan.unread))})")
    if plan.contaminated:
        parts.append(f"{plan.contaminated} not asked: they hold an item of an evaluation set")
    return ", ".join(parts)


def _requests(plan: Plan) -> str:
    parts = [str(plan.requests), f"{plan.in_ledger} in the ledger"]
    if plan.withheld:
        parts.append(f"{plan.withheld} of prompts that are not asked")
    if plan.refused:
        parts.append(f"{plan.refused} refused before by the server")
    return ", ".join([*parts, f"{plan.to_ask} to ask"])
