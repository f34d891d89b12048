"""A condition holds, does not hold, or depends on an undeclared fact."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.inputs.documents import Condition
from schemas.purpose import CorpusPurpose, Organisation, Purpose, Student
from tests.transforms.guard.terms_builder import PURPOSE, UNDECLARED
from transforms.guard.conditions import EEA, EU, check_condition


def declared(**facts: Any) -> Purpose:
    """Returns a purpose that declares these facts alone, by their names in a run file."""
    sections: dict[str, dict[str, Any]] = {"student": {}, "organisation": {}, "corpus": {}}
    for name, value in facts.items():
        section, _, field = name.partition("_")
        sections[section][field] = value
    return Purpose(
        use="train_generative",
        student=Student(**sections["student"]),
        organisation=Organisation(**sections["organisation"]),
        corpus=CorpusPurpose(**sections["corpus"]),
    )


@pytest.mark.parametrize(
    ("condition", "facts", "holds"),
    [
        ({"competes_with": ("acme",)}, {"student_competes_with": ("acme", "other")}, True),
        ({"competes_with": ("acme",)}, {"student_competes_with": ("Acme",)}, True),
        ({"competes_with": ("acme",)}, {"student_competes_with": ()}, False),
        ({"competes_with": ("acme",)}, {}, True),
        ({"student_distribution": ("hosted",)}, {"student_distribution": "hosted"}, True),
        ({"student_distribution": ("hosted",)}, {"student_distribution": "internal"}, False),
        ({"student_distribution": ("hosted",)}, {}, None),
        ({"corpus_distribution": ("public",)}, {"corpus_distribution": "public"}, True),
        ({"corpus_distribution": ("public",)}, {"corpus_distribution": "partners"}, False),
        ({"corpus_distribution": ("public",)}, {}, None),
        ({"student_license": ("cc-by-*",)}, {"student_license": "CC-BY-4.0"}, True),
        ({"student_license": ("cc-by-*",)}, {"student_license": "MIT"}, False),
        ({"student_license": ("cc-by-*",)}, {}, None),
        ({"commercial": True}, {"organisation_commercial": True}, True),
        ({"commercial": True}, {"organisation_commercial": False}, False),
        ({"commercial": False}, {"organisation_commercial": False}, True),
        ({"commercial": False}, {}, None),
        ({"domicile_in": ("EU",)}, {"organisation_domicile": "DE"}, True),
        ({"domicile_in": ("EU",)}, {"organisation_domicile": "NO"}, False),
        ({"domicile_in": ("EEA",)}, {"organisation_domicile": "NO"}, True),
        ({"domicile_in": ("EU", "GB")}, {"organisation_domicile": "GB"}, True),
        ({"domicile_in": ("EU",)}, {}, None),
        ({"domicile_not_in": ("US",)}, {"organisation_domicile": "DE"}, True),
        ({"domicile_not_in": ("US",)}, {"organisation_domicile": "US"}, False),
        ({"domicile_not_in": ("US",)}, {}, None),
        ({"monthly_active_users_over": 5}, {"organisation_monthly_active_users": 6}, True),
        ({"monthly_active_users_over": 5}, {"organisation_monthly_active_users": 5}, False),
        ({"monthly_active_users_over": 5}, {}, None),
        ({"annual_revenue_usd_over": 5}, {"organisation_annual_revenue_usd": 5.5}, True),
        ({"annual_revenue_usd_over": 5}, {"organisation_annual_revenue_usd": 0.0}, False),
        ({"annual_revenue_usd_over": 5}, {}, None),
        ({"model": ("*VISION*",)}, {}, True),
        ({"model": ("*text*",)}, {}, False),
        ({"model_not": ("*vision*",)}, {}, False),
        ({"model_not": ("*text*",)}, {}, True),
        ({"modality": ("text", "image")}, {}, True),
        ({"modality": ("image",)}, {}, False),
        ({"feature": ("web_search",)}, {}, False),
    ],
    ids=str,
)
def test_a_condition_reads_the_declared_fact(
    condition: dict[str, Any], facts: dict[str, Any], holds: bool | None
) -> None:
    assert (
        check_condition(Condition(**condition), declared(**facts), "Llama-Vision-11B").holds
        is holds
    )


def test_no_condition_always_holds() -> None:
    assert check_condition(None, UNDECLARED, "m").holds is True


@pytest.mark.parametrize(
    ("commercial", "domicile", "holds"),
    [
        (True, "US", True),
        (True, "DE", False),
        (None, "DE", False),  # false beats unknown
        (None, "US", None),  # unknown beats true
        (None, None, None),
    ],
)
def test_all_facts_of_a_condition_must_hold(
    commercial: bool | None, domicile: str | None, holds: bool | None
) -> None:
    purpose = PURPOSE.model_copy(
        update={"organisation": Organisation(name="E", commercial=commercial, domicile=domicile)}
    )
    condition = Condition(commercial=True, domicile_in=("US",))
    assert check_condition(condition, purpose, "m").holds is holds


@pytest.mark.parametrize(
    ("commercial", "domicile", "holds"),
    [
        (True, "DE", True),
        (True, None, True),  # true beats unknown
        (None, "DE", None),  # unknown beats false
        (False, "DE", False),
    ],
)
def test_any_of_needs_one_that_holds(
    commercial: bool | None, domicile: str | None, holds: bool | None
) -> None:
    purpose = PURPOSE.model_copy(
        update={"organisation": Organisation(name="E", commercial=commercial, domicile=domicile)}
    )
    either = (Condition(commercial=True), Condition(domicile_in=("US",)))
    assert check_condition(Condition(any_of=either), purpose, "m").holds is holds


def test_a_result_names_the_undeclared_facts() -> None:
    condition = Condition(
        competes_with=("acme",), student_distribution=("hosted",), domicile_in=("EU",)
    )
    assert check_condition(condition, UNDECLARED, "m").undeclared == (
        "student.competes_with",
        "student.distribution",
        "organisation.domicile",
    )


def test_a_finding_that_does_not_hold_names_nothing() -> None:
    condition = Condition(competes_with=("acme",), modality=("image",))
    assert check_condition(condition, UNDECLARED, "m").undeclared == ()


def test_the_european_union_has_27_members_and_the_economic_area_30() -> None:
    assert len(EU) == 27
    assert len(EEA) == 30
    assert not {"GB", "CH", "US"} & EEA
