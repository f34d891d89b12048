"""Does a clause's condition hold for what was declared? Yes, no, or nobody said."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from schemas.inputs.documents import Condition
from schemas.purpose import Purpose

# Members since 2020-02-01 (Article 52 of the Treaty on European Union, less the United Kingdom).
# fmt: off
EU = frozenset({
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IT",
    "LT", "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK",
})
# fmt: on
# The EU's members with Iceland, Liechtenstein and Norway (EEA Agreement).
EEA = EU | {"IS", "LI", "NO"}

# What stillroom asks every API for: text, with no feature of the service switched on.
MODALITY = frozenset({"text"})
FEATURES: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ConditionResult:
    """Whether a condition holds.

    Attributes:
        holds: True, False, or None where it hangs on a fact that was not declared.
        undeclared: The facts that nobody declared and that it hangs on, as the run file names
            them.
    """

    holds: bool | None
    undeclared: tuple[str, ...] = ()


_YES = ConditionResult(True)


def check_condition(condition: Condition | None, purpose: Purpose, model: str) -> ConditionResult:
    """Tells whether a condition holds.

    It is Kleene's three-valued logic: false beats unknown, unknown beats true. A student that
    does not say with whom it competes competes with everyone, which is a yes and yet undeclared.

    Args:
        condition: The condition; None holds always.
        purpose: What was declared.
        model: The route's model.

    Returns:
        The finding.
    """
    if condition is None:
        return _YES
    findings = list(_findings(condition, purpose, model))
    if any(finding.holds is False for finding in findings):
        return ConditionResult(False)
    holds = None if any(finding.holds is None for finding in findings) else True
    return ConditionResult(holds, _names(findings))


def _findings(condition: Condition, purpose: Purpose, model: str) -> Iterator[ConditionResult]:
    yield from _about_student(condition, purpose)
    yield from _about_organisation(condition, purpose)
    yield from _about_request(condition, model)
    if condition.any_of:
        yield _any(check_condition(one, purpose, model) for one in condition.any_of)


def _about_student(condition: Condition, purpose: Purpose) -> Iterator[ConditionResult]:
    student = purpose.student
    if condition.competes_with:
        yield _competes(condition.competes_with, student.competes_with)
    if condition.student_distribution:
        yield _among(student.distribution, condition.student_distribution, "student.distribution")
    if condition.student_license:
        yield _like(student.license, condition.student_license, "student.license")
    if condition.corpus_distribution:
        yield _among(
            purpose.corpus.distribution, condition.corpus_distribution, "corpus.distribution"
        )


def _about_organisation(condition: Condition, purpose: Purpose) -> Iterator[ConditionResult]:
    organisation = purpose.organisation
    if condition.commercial is not None:
        yield _among(organisation.commercial, (condition.commercial,), "organisation.commercial")
    if condition.domicile_in:
        yield _among(
            organisation.domicile, _countries(condition.domicile_in), "organisation.domicile"
        )
    if condition.domicile_not_in:
        yield _not(
            _among(
                organisation.domicile,
                _countries(condition.domicile_not_in),
                "organisation.domicile",
            )
        )
    if condition.monthly_active_users_over is not None:
        yield _over(
            organisation.monthly_active_users,
            condition.monthly_active_users_over,
            "organisation.monthly_active_users",
        )
    if condition.annual_revenue_usd_over is not None:
        yield _over(
            organisation.annual_revenue_usd,
            condition.annual_revenue_usd_over,
            "organisation.annual_revenue_usd",
        )


def _about_request(condition: Condition, model: str) -> Iterator[ConditionResult]:
    if condition.model:
        yield _like(model, condition.model, "model")
    if condition.model_not:
        yield _not(_like(model, condition.model_not, "model"))
    if condition.modality:
        yield ConditionResult(not MODALITY.isdisjoint(condition.modality))
    if condition.feature:
        yield ConditionResult(not FEATURES.isdisjoint(condition.feature))


def _competes(providers: Iterable[str], declared: Iterable[str] | None) -> ConditionResult:
    if declared is None:
        return ConditionResult(True, ("student.competes_with",))
    return ConditionResult(bool({name.casefold() for name in declared} & set(providers)))


def _among(value: object, allowed: Collection[object], name: str) -> ConditionResult:
    return ConditionResult(None, (name,)) if value is None else ConditionResult(value in allowed)


def _over(value: float | None, limit: float, name: str) -> ConditionResult:
    return ConditionResult(None, (name,)) if value is None else ConditionResult(value > limit)


def _like(value: str | None, patterns: Iterable[str], name: str) -> ConditionResult:
    if value is None:
        return ConditionResult(None, (name,))
    folded = value.casefold()
    return ConditionResult(any(fnmatchcase(folded, pattern.casefold()) for pattern in patterns))


def _not(finding: ConditionResult) -> ConditionResult:
    holds = None if finding.holds is None else not finding.holds
    return ConditionResult(holds, finding.undeclared)


def _any(findings: Iterable[ConditionResult]) -> ConditionResult:
    found = list(findings)
    undeclared = _names(found)
    if any(finding.holds for finding in found):
        return ConditionResult(True, undeclared)
    return ConditionResult(None if any(f.holds is None for f in found) else False, undeclared)


def _names(findings: Iterable[ConditionResult]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for finding in findings for name in finding.undeclared))


def _countries(names: Iterable[str]) -> frozenset[str]:
    groups = {"EU": EU, "EEA": EEA}
    return frozenset().union(*(groups.get(name, {name}) for name in names))
