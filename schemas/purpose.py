"""The declared use of a corpus: run files declare it, and published manifests repeat it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from schemas.codes import ModelRole
from schemas.terms import Use


@dataclass(frozen=True, slots=True, kw_only=True)
class Student:
    """The model to be trained.

    Attributes:
        name: Its name, where it has one yet.
        distribution: Who will get it: `internal`, `hosted` (others use it over a network) or
            `released` (others get the weights). None where it was not declared.
        license: The licence it will be released under, an SPDX expression.
        competes_with: Providers it will compete with, by the names of the catalogue. None where
            it was not declared, which counts as competing with everyone.
    """

    name: str | None = None
    distribution: Literal["internal", "hosted", "released"] | None = None
    license: str | None = None
    competes_with: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Organisation:
    """Who uses the output. None where it was not declared.

    Attributes:
        name: Its name.
        commercial: Whether the use is commercial.
        domicile: Country of its principal place of business, ISO 3166-1 alpha-2.
        monthly_active_users: Of all its products and affiliates, today.
        annual_revenue_usd: US dollars a year, with affiliates.
    """

    name: str | None = None
    commercial: bool | None = None
    domicile: str | None = None
    monthly_active_users: int | None = None
    annual_revenue_usd: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusPurpose:
    """Who will get the corpus itself: `internal`, `partners` or `public`."""

    distribution: Literal["internal", "partners", "public"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Purpose:
    """The declared use. The guard judges this, and records carry it."""

    use: Use
    student: Student = field(default_factory=Student)
    organisation: Organisation = field(default_factory=Organisation)
    corpus: CorpusPurpose = field(default_factory=CorpusPurpose)

    def of(self, role: str) -> Purpose:
        """Returns what a model is asked for: a judge selects, whatever its records are for.

        Args:
            role: The model's role, see `ModelRole`.
        """
        return replace(self, use="select") if role == ModelRole.JUDGE else self
