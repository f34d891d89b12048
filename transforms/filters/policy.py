"""Which rules a run applies, and what happens to a record with a finding."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from schemas.errors import InputError, Problem, close_names
from schemas.inputs.quality import Action, FilterChoice
from schemas.records import RecordedFinding
from schemas.written import as_sequence
from transforms.filters.load_rules import load_rule
from transforms.filters.redact import redact
from transforms.filters.rules import Candidate, Finding, Rule
from transforms.filters.settings import read_settings

# Applied if a run file names no filters: certain defects drop, the rest is reported.
DEFAULT_RULES = (
    "finish_reason",
    "empty",
    "unclosed",
    "reasoning_marks",
    "json_schema",
    "tool_calls",
    "logprobs",
    "usage",
    "returned_key",
    "repetition",
    "duplicate_ngrams",
    "leaked_tokens",
    "secrets",
    "generic_secrets",
    "personal",
    "refusal",
    "self_identity",
)
# Applied to every run: what a request explicitly asked for, what it cost, and a key that came back.
ALWAYS = ("json_schema", "tool_calls", "logprobs", "usage", "returned_key")


@dataclass(frozen=True, slots=True)
class AppliedRule:
    """A rule as one run applies it.

    Attributes:
        rule: The rule.
        action: What happens to a record with a finding.
        settings: Its settings.
        codes: Findings with other codes are left out.
        always_tag: Codes that tag, whatever the action.
    """

    rule: Rule
    action: Action
    settings: Any
    codes: tuple[str, ...]
    always_tag: tuple[str, ...]

    def find(self, candidate: Candidate) -> Iterator[Finding]:
        """Yields the rule's findings of the wanted codes."""
        for found in self.rule.find(candidate, self.settings):
            if found.code in self.codes:
                yield found

    def recorded(self, candidate: Candidate) -> Iterator[RecordedFinding]:
        """Yields the same findings in the form that records keep."""
        for found in self.find(candidate):
            action: Action = "tag" if found.code in self.always_tag else self.action
            severity = self.rule.severity(found.code)
            yield found.recorded(self.rule.name, self.rule.version, action, severity)


@dataclass(frozen=True, slots=True)
class Filters:
    """The rules of a run, ready to apply. It can be pickled for workers.

    Attributes:
        rules: The rules in the order of the report.
    """

    rules: tuple[AppliedRule, ...]

    def apply(self, candidate: Candidate) -> tuple[RecordedFinding, ...]:
        """Returns the findings of all rules: each one runs, whatever the others found."""
        return tuple(found for rule in self.rules for found in rule.recorded(candidate))

    def redact(self, candidate: Candidate) -> Candidate:
        """Returns the candidate with placeholders for what the run redacts."""
        redacting = [rule for rule in self.rules if rule.action == "redact"]
        found = [it for rule in redacting for it in rule.find(candidate)]
        return redact(candidate, found) if found else candidate


def rejecting_finding(findings: Iterable[RecordedFinding]) -> RecordedFinding | None:
    """Returns the finding for which a record is rejected.

    Args:
        findings: All findings in the record.

    Returns:
        The first that drops, else the first that quarantines, else None.
    """
    first = {found.action: found for found in reversed(tuple(findings))}
    return first.get("drop") or first.get("quarantine")


def tags(findings: Iterable[RecordedFinding]) -> tuple[str, ...]:
    """Returns the codes of the findings that tag, each once, in alphabetical order."""
    return tuple(sorted({found.code for found in findings if found.action == "tag"}))


def compile_filters(
    choices: tuple[FilterChoice, ...] | None, where: Callable[[int], str]
) -> Filters:
    """Returns the filters that a run file chooses.

    A rule may be named more than once, with different actions for its codes: besides the rule's
    own settings every choice may have `codes`, the codes that it applies to.

    Args:
        choices: The run file's choices; None for the default rules. The rules in `ALWAYS` are
            applied in any case.
        where: File and line of a choice, by its index.

    Returns:
        The filters.

    Raises:
        InputError: With every choice that has an unknown rule, setting or code, a value of the
            wrong type, or `redact` for a rule that cannot redact.
    """
    if choices is None:
        choices = tuple(FilterChoice(rule=name) for name in DEFAULT_RULES)
    named = {choice.rule for choice in choices}
    choices = (*choices, *(FilterChoice(rule=name) for name in ALWAYS if name not in named))
    applied: list[AppliedRule] = []
    problems: list[Problem] = []
    for index, choice in enumerate(choices):
        try:
            applied.append(_apply(choice, where(index), applied))
        except InputError as error:
            problems.extend(error.problems)
    if problems:
        raise InputError(problems)
    return Filters(tuple(applied))


def _apply(choice: FilterChoice, where: str, before: list[AppliedRule]) -> AppliedRule:
    rule = load_rule(choice.rule, where)
    written = dict(choice.settings)
    always_tag = () if "codes" in written else rule.always_tag
    codes = _read_codes(rule, written.pop("codes", rule.codes), where)
    settings = read_settings(rule.name, rule.settings, written, where)
    if choice.action == "redact" and not rule.redacts:
        raise InputError(
            f"the rule {rule.name!r} cannot redact: its findings have no place",
            where=where,
            found="action: redact",
            expected="action: drop, quarantine or tag",
        )
    if problem := rule.check(settings):
        raise InputError([problem.at(where)])
    for other in before:
        if other.rule == rule and set(other.codes) & set(codes):
            raise InputError(
                f"the rule {rule.name!r} is named twice for the same findings",
                where=where,
                found=", ".join(code for code in codes if code in other.codes),
                remedy="keep one, or give each its own `codes`",
            )
    return AppliedRule(rule, choice.action or rule.action, settings, codes, always_tag)


def _read_codes(rule: Rule, written: Any, where: str) -> tuple[str, ...]:
    codes = as_sequence(written) if isinstance(written, str | list | tuple) else ()
    for code in codes or (written,):
        if code not in rule.codes:
            raise InputError(
                f"the rule {rule.name!r} has no such code",
                where=where,
                found=repr(code),
                expected=f"one of {', '.join(rule.codes)}",
                remedy=close_names(str(code), rule.codes),
            )
    return codes
