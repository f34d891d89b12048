"""A refusal in words: which clause of which document at which version said no."""

from __future__ import annotations

from schemas.terms import ClauseStatus, Verdict


def explain_refusal(verdict: Verdict) -> list[str]:
    """Tells why a route may not be asked, and what would have to be true for a yes.

    Args:
        verdict: A verdict that denies.

    Returns:
        A headline, then one line for each clause or document that said no, most severe first.
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
