"""The declared use of a corpus: run files declare it, and published manifests repeat it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo

from schemas.codes import ModelRole
from schemas.errors import InputError
from schemas.spdx import parse_licence
from schemas.terms import Use
from schemas.written import FROM_FILE, Absent, Flaw, Form, Many, Text, Written, flawed

StudentDistribution = Literal["internal", "hosted", "released"]
CorpusDistribution = Literal["internal", "partners", "public"]


def _known_licence(expression: str, info: ValidationInfo) -> str:
    """Refuses an unknown licence in a file; manifests of older versions may have one."""
    try:
        if info.context == FROM_FILE:
            parse_licence(expression)
    except InputError as error:
        raise flawed(
            *(
                Flaw(what=it.what, found=it.found, expected=it.expected, remedy=it.remedy)
                for it in error.problems
            )
        ) from None
    return expression


Licence = Annotated[Text, AfterValidator(_known_licence)]
Country = Annotated[str, Form("^[A-Z]{2}$", "a country's two letters, as DE")]


class Student(Written):
    """The model to be trained."""

    name: Absent[str] = Field(
        default=None, description="The student's name.", examples=["tutor-360m"]
    )
    distribution: Absent[StudentDistribution] = Field(
        default=None,
        description="Who will get the student: you alone, users over a network,"
        " or users of its weights.",
        examples=["internal"],
    )
    license: Absent[Licence] = Field(
        default=None,
        description="The licence that the student will be released under, an SPDX expression.",
        examples=["Apache-2.0"],
    )
    competes_with: Absent[Many[str]] = Field(
        default=None,
        description="Providers that the student will compete with, by the catalogue's names; left"
        " out, it counts as competing with every provider.",
        examples=[["openai"]],
    )


class Organisation(Written):
    """Who uses the output."""

    name: Absent[str] = Field(
        default=None, description="The organisation's name.", examples=["Example Ltd"]
    )
    commercial: Absent[bool] = Field(
        default=None, description="Whether the use is commercial.", examples=[True]
    )
    domicile: Absent[Country] = Field(
        default=None,
        description="Country of the organisation's principal place of business, its two letters"
        " by ISO 3166-1.",
        examples=["DE"],
    )
    monthly_active_users: Absent[int] = Field(
        default=None,
        ge=0,
        description="Monthly users of all its products and affiliates, today.",
        examples=[12000],
    )
    annual_revenue_usd: Absent[float] = Field(
        default=None,
        ge=0,
        description="Revenue with affiliates, US dollars a year.",
        examples=[4000000],
    )


class CorpusPurpose(Written):
    """Who will get the corpus itself."""

    distribution: Absent[CorpusDistribution] = Field(
        default=None,
        description="Who will get the corpus: the organisation alone, its partners, or the public.",
        examples=["internal"],
    )


class Purpose(Written):
    """The declared use: the guard judges it, and every record carries it."""

    use: Use = Field(
        description="What the output is for: to train a model that writes, to train one that does"
        " not, to select data or to evaluate a model.",
        examples=["train_generative"],
    )
    student: Student = Field(default=Student(), description="The model to be trained.")
    organisation: Organisation = Field(default=Organisation(), description="Who uses the output.")
    corpus: CorpusPurpose = Field(
        default=CorpusPurpose(), description="Who will get the corpus itself."
    )

    def of(self, role: str) -> Purpose:
        """Returns what a model is asked for: a judge selects, whatever its records are for.

        Args:
            role: The model's role, see `ModelRole`.
        """
        return self.model_copy(update={"use": "select"}) if role == ModelRole.JUDGE else self
