"""The licence of a prompt: what it asks for, and which uses it bars."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from schemas.purpose import Organisation
from tests.transforms.guard.terms_builder import PURPOSE, UNDECLARED
from transforms.guard.prompt_licences import OWN_WORK, LicenceTerms, ask_licence, licence_terms

RESEARCH = PURPOSE.model_copy(update={"organisation": Organisation(name="E", commercial=False)})
FREE = LicenceTerms()
BY = LicenceTerms(attribution=True)
SA = LicenceTerms(share_alike=True)
BY_SA = LicenceTerms(attribution=True, share_alike=True)
BY_ND = LicenceTerms(attribution=True, no_derivatives=True)
BY_NC = LicenceTerms(attribution=True, non_commercial=True)
BY_NC_SA = replace(BY_NC, share_alike=True)
UNKNOWN = LicenceTerms(unknown=True)


@pytest.mark.parametrize(
    ("expression", "terms"),
    [
        ("MIT", FREE),
        ("mit", FREE),
        ("Apache-2.0", FREE),
        ("CC0-1.0", FREE),
        (OWN_WORK, FREE),
        ("CC-BY-4.0", BY),
        ("CC-BY-3.0-DE", BY),
        ("ODC-By-1.0", BY),
        ("CC-BY-SA-4.0", BY_SA),
        ("CC-BY-ND-4.0", BY_ND),
        ("CC-BY-NC-4.0", BY_NC),
        ("CC-BY-NC-SA-4.0", BY_NC_SA),
        ("CC-BY-NC-ND-4.0", replace(BY_NC, no_derivatives=True)),
        ("GPL-3.0-or-later", SA),
        ("GPL-2.0+", SA),
        ("ODbL-1.0", SA),
        ("GFDL-1.3-no-invariants-only", SA),
        ("GPL-2.0-only WITH Classpath-exception-2.0", SA),
        ("MIT AND CC-BY-4.0", BY),
        ("MIT OR CC-BY-NC-4.0", FREE),
        ("CC-BY-NC-4.0 OR GPL-3.0-only", SA),
        ("CC-BY-4.0 AND (MIT OR GPL-3.0-only)", BY),
        ("CC-BY-4.0 AND MIT OR LicenseRef-x", BY),
        ("LicenseRef-x OR MIT", FREE),
        ("LicenseRef-x AND MIT", UNKNOWN),
        ("LicenseRef-x", UNKNOWN),
        ("proprietary", UNKNOWN),
        ("NOASSERTION", UNKNOWN),
        ("CC-BY-5.0", UNKNOWN),
        ("CC-BY", UNKNOWN),
        ("MIT Apache-2.0", UNKNOWN),
        ("MIT AND", UNKNOWN),
        ("(MIT", UNKNOWN),
        ("MIT)", UNKNOWN),
        ("OR", UNKNOWN),
        ("MIT WITH", UNKNOWN),
        ("MIT WITH no-such-exception", UNKNOWN),
        ("MIT OR no-such-licence", UNKNOWN),
        ("LicenseRef-MIT-TC", UNKNOWN),
        ("GPL-2.0-only+", UNKNOWN),
        ("licenseref-OWN-work", FREE),
        ("", UNKNOWN),
        ("(" * 100_000, UNKNOWN),
    ],
    ids=lambda value: str(value)[:40],
)
def test_an_expression_asks_for_what_its_licences_ask_for(
    expression: str, terms: LicenceTerms
) -> None:
    asked = licence_terms(expression)
    assert asked.unknown == terms.unknown
    if not terms.unknown:
        assert asked == terms


@pytest.mark.parametrize(
    ("license", "purpose", "status", "duties"),
    [
        ("MIT", PURPOSE, "permitted", set()),
        (OWN_WORK, PURPOSE, "permitted", set()),
        ("CC-BY-4.0", PURPOSE, "permitted_if", {"attribution"}),
        ("CC-BY-SA-4.0", PURPOSE, "permitted_if", {"attribution", "share_alike"}),
        ("CC-BY-ND-4.0", PURPOSE, "permitted_if", {"attribution", "keep_internal"}),
        ("CC-BY-NC-4.0", PURPOSE, "prohibited", set()),
        ("CC-BY-NC-4.0", UNDECLARED, "prohibited", set()),
        ("CC-BY-NC-4.0", RESEARCH, "permitted_if", {"attribution", "flow_down"}),
        ("LicenseRef-x", PURPOSE, "unknown", set()),
    ],
)
def test_a_prompt_s_licence_answers_like_a_document(
    license: str, purpose: Any, status: str, duties: set[str]
) -> None:
    answer = ask_licence(license, purpose)
    assert answer.status == status
    assert answer.permits == (status not in ("prohibited", "unknown"))
    assert {duty.kind for duty in answer.duties} == duties
    assert all(duty.document == license for duty in answer.duties)
    assert answer.clauses[0].layer == "prompt_licence"


def test_a_denial_says_what_is_needed_and_what_is_undeclared() -> None:
    (clause,) = ask_licence("CC-BY-NC-4.0", UNDECLARED).clauses
    assert "nobody declared organisation.commercial" in clause.summary
    assert "For a yes: " in clause.summary
    assert OWN_WORK in ask_licence("LicenseRef-x", PURPOSE).clauses[0].summary


def test_a_misspelt_licence_is_unknown_and_gets_the_nearest_name() -> None:
    (clause,) = ask_licence("MIT OR Apache2", PURPOSE).clauses
    assert clause.status == "unknown"
    assert "unknown licence: 'Apache2'. did you mean 'Apache-2.0'" in clause.summary
