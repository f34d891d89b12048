"""Explains a denial: which clause of which version of which document decided it."""

from __future__ import annotations

from schemas.terms import ClauseStatus, Verdict


def explain_refusal(verdict: Verdict) -> list[str]:
    """Returns why a route may not be asked, and what is needed for a permit.

    Args:
        verdict: A verdict that denies.

    Returns:
        A headline, then a line for each clause or document that denies, most severe first.
    """
    headline = f"{verdict.teacher} may not be asked for {verdict.use} on {verdict.on}"
    return [
        f"{headline}: {verdict.status}",
        *(f"  {_named(clause)}: {clause.summary}" for clause in verdict.clauses),
    ]


def _named(clause: ClauseStatus) -> str:
    version = f"@{clause.version}" if clause.version else ""
    section = f" {clause.clause}" if clause.clause else ""
    return f"{clause.document}{version}{section} [{clause.layer}, {clause.status}]"
