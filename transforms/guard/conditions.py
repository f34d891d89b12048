"""Checks whether a clause's condition holds for the declared facts: yes, no or not declared."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from schemas.inputs.documents import Condition
from schemas.purpose import Purpose

# Members from 2020-02-01 (Article 52 of the Treaty on European Union, less the United Kingdom).
# fmt: off
EU = frozenset({
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IT",
    "LT", "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK",
})
# fmt: on
# The EU's members with Iceland, Liechtenstein and Norway (EEA Agreement).
EEA = EU | {"IS", "LI", "NO"}

# stillroom asks every API for text, and uses no other feature of the service.
MODALITY = frozenset({"text"})
FEATURES: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ConditionResult:
    """Whether a condition holds.

    Attributes:
        holds: True, False, or None if it depends on a fact that was not declared.
        undeclared: The undeclared facts that it depends on, by their names in the run file.
    """

    holds: bool | None
    undeclared: tuple[str, ...] = ()


_YES = ConditionResult(True)


def check_condition(condition: Condition | None, purpose: Purpose, model: str) -> ConditionResult:
    """Returns whether a condition holds.

    This is Kleene's three-valued logic: false beats unknown, unknown beats true. A student whose
    competitors are not declared competes with everyone: that holds, and counts as undeclared.

    Args:
        condition: The condition; None always holds.
        purpose: The declared use.
        model: The route's model.
    """
    if condition is None:
        return _YES
    results = list(_results(condition, purpose, model))
    if any(result.holds is False for result in results):
        return ConditionResult(False)
    holds = None if any(result.holds is None for result in results) else True
    return ConditionResult(holds, _names(results))


def _results(condition: Condition, purpose: Purpose, model: str) -> Iterator[ConditionResult]:
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


def _not(result: ConditionResult) -> ConditionResult:
    holds = None if result.holds is None else not result.holds
    return ConditionResult(holds, result.undeclared)


def _any(results: Iterable[ConditionResult]) -> ConditionResult:
    found = list(results)
    undeclared = _names(found)
    if any(result.holds for result in found):
        return ConditionResult(True, undeclared)
    return ConditionResult(
        None if any(result.holds is None for result in found) else False, undeclared
    )


def _names(results: Iterable[ConditionResult]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for result in results for name in result.undeclared))


def _countries(names: Iterable[str]) -> frozenset[str]:
    groups = {"EU": EU, "EEA": EEA}
    return frozenset().union(*(groups.get(name, {name}) for name in names))
