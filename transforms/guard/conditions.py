"""Does a clause's condition hold for what was declared? Yes, no, or nobody said."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from schemas.documents import Condition
from schemas.run import Purpose

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
class Finding:
    """Whether a condition holds.

    Attributes:
        holds: True, False, or None where it hangs on a fact that was not declared.
        undeclared: The facts that nobody declared and that it hangs on, as the run file names
            them.
    """

    holds: bool | None
    undeclared: tuple[str, ...] = ()


_YES = Finding(True)


def examine(condition: Condition | None, purpose: Purpose, model: str) -> Finding:
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
        return Finding(False)
    holds = None if any(finding.holds is None for finding in findings) else True
    return Finding(holds, _names(findings))


def _findings(condition: Condition, purpose: Purpose, model: str) -> Iterator[Finding]:
    yield from _about_student(condition, purpose)
    yield from _about_organisation(condition, purpose)
    yield from _about_request(condition, model)
    if condition.any_of:
        yield _any(examine(one, purpose, model) for one in condition.any_of)


def _about_student(condition: Condition, purpose: Purpose) -> Iterator[Finding]:
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


def _about_organisation(condition: Condition, purpose: Purpose) -> Iterator[Finding]:
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


def _about_request(condition: Condition, model: str) -> Iterator[Finding]:
    if condition.model:
        yield _like(model, condition.model, "model")
    if condition.model_not:
        yield _not(_like(model, condition.model_not, "model"))
    if condition.modality:
        yield Finding(not MODALITY.isdisjoint(condition.modality))
    if condition.feature:
        yield Finding(not FEATURES.isdisjoint(condition.feature))


def _competes(providers: Iterable[str], declared: Iterable[str] | None) -> Finding:
    if declared is None:
        return Finding(True, ("student.competes_with",))
    return Finding(bool({name.casefold() for name in declared} & set(providers)))


def _among(value: object, allowed: Collection[object], name: str) -> Finding:
    return Finding(None, (name,)) if value is None else Finding(value in allowed)


def _over(value: float | None, limit: float, name: str) -> Finding:
    return Finding(None, (name,)) if value is None else Finding(value > limit)


def _like(value: str | None, patterns: Iterable[str], name: str) -> Finding:
    if value is None:
        return Finding(None, (name,))
    folded = value.casefold()
    return Finding(any(fnmatchcase(folded, pattern.casefold()) for pattern in patterns))


def _not(finding: Finding) -> Finding:
    holds = None if finding.holds is None else not finding.holds
    return Finding(holds, finding.undeclared)


def _any(findings: Iterable[Finding]) -> Finding:
    found = list(findings)
    undeclared = _names(found)
    if any(finding.holds for finding in found):
        return Finding(True, undeclared)
    return Finding(None if any(f.holds is None for f in found) else False, undeclared)


def _names(findings: Iterable[Finding]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for finding in findings for name in finding.undeclared))


def _countries(names: Iterable[str]) -> frozenset[str]:
    groups = {"EU": EU, "EEA": EEA}
    return frozenset().union(*(groups.get(name, {name}) for name in names))
