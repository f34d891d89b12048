"""The guard's verdict on a route: all layers, at their versions of the day, signed off or not."""

from __future__ import annotations

import pickle
import subprocess
import sys
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from schemas.errors import InputError
from schemas.inputs.documents import Clause, Effective, TermsDocument
from schemas.inputs.registry import Approval, Authorisation, BindingTerms, Registry, Route
from schemas.terms import Status
from tests.transforms.guard.terms_builder import (
    ASK,
    DAY,
    FORBID,
    OWE,
    PERMIT,
    PURPOSE,
    READING,
    catalogue,
    route,
    terms,
)
from transforms.guard.evaluate import Guard, decision_id

ROOT = Path(__file__).resolve().parents[3]
CLOSED: dict[str, Any] = {"open_licence": False}
LEAVE = Authorisation(
    document="acme/terms",
    clause="3",
    reference="MSA-1",
    from_=date(2026, 1, 1),
    to=date(2026, 12, 31),
)


def approval(on: date = DAY, expires: date | None = None, version: str = "1") -> Approval:
    return Approval(document="acme/terms", version=version, by="legal", on=on, expires=expires)


def status(guard: Guard, **question: Any) -> tuple[str, Status]:
    verdict = guard.decide("acme/model", PURPOSE, **({"on": DAY} | question))
    return verdict.decision, verdict.status


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ((), ("permit", "permitted")),
        ((terms("b/t", PERMIT),), ("permit", "permitted")),
        ((terms("b/t", PERMIT, OWE),), ("permit", "permitted_if")),
        ((terms("b/t"),), ("permit", "silent")),
        ((terms("b/t", outputs="unstated"),), ("deny", "silent")),
        ((terms("b/t", PERMIT, **CLOSED),), ("deny", "unapproved")),
        ((terms("b/t", effective=Effective(from_=date(2030, 1, 1))),), ("deny", "not_in_force")),
        ((terms("b/t", reading=None),), ("deny", "unknown")),
        ((terms("b/t", ASK),), ("deny", "needs_authorisation")),
        ((terms("b/t", FORBID),), ("deny", "prohibited")),
        ((terms("b/t", reading=None), terms("c/t", FORBID)), ("deny", "prohibited")),
        ((terms("b/t", reading=None), terms("c/t", **CLOSED)), ("deny", "unknown")),
        ((terms("b/t", PERMIT, OWE), terms("c/t", FORBID)), ("deny", "prohibited")),
    ],
)
def test_all_documents_must_permit_and_the_weakest_answer_is_the_status(
    others: tuple[TermsDocument, ...], expected: tuple[str, Status]
) -> None:
    assert status(Guard(catalogue(terms("acme/terms", PERMIT), *others))) == expected


def test_a_policy_that_is_silent_does_not_weaken_what_another_layer_grants() -> None:
    policy = terms("b/policy", layer="acceptable_use")
    assert status(Guard(catalogue(terms("acme/terms", PERMIT), policy)))[1] == "permitted"
    assert status(Guard(catalogue(policy))) == ("permit", "silent")


def test_a_policy_that_forbids_is_a_prohibition_like_any() -> None:
    policy = terms("b/policy", FORBID, layer="acceptable_use")
    assert status(Guard(catalogue(terms("acme/terms", PERMIT), policy)))[1] == "prohibited"


def test_duties_of_all_documents_add_up() -> None:
    other = OWE.model_copy(update={"clause": "9"})
    guard = Guard(catalogue(terms("b/t", PERMIT, other), terms("a/t", PERMIT, OWE)))
    duties = guard.decide("acme/model", PURPOSE, DAY).duties
    assert [(duty.kind, duty.document) for duty in duties] == [
        ("attribution", "a/t"),
        ("attribution", "b/t"),
    ]


def test_a_refused_route_owes_nothing() -> None:
    verdict = Guard(catalogue(terms("a/t", PERMIT, OWE), terms("b/t", FORBID))).decide(
        "acme/model", PURPOSE, DAY
    )
    assert (verdict.duties, verdict.obligation_class) == ((), "none")


def test_a_refusal_shows_every_document_that_says_no_and_none_that_says_yes() -> None:
    guard = Guard(
        catalogue(terms("a/t", PERMIT), terms("b/t", reading=None), terms("c/t", ASK, FORBID))
    )
    shown = [(c.document, c.status) for c in guard.decide("acme/model", PURPOSE, DAY).clauses]
    assert shown == [
        ("c/t", "prohibited"),
        ("c/t", "needs_authorisation"),
        ("b/t", "unknown"),
    ]


def test_the_version_of_the_day_binds() -> None:
    old = terms(
        "acme/terms", PERMIT, effective=Effective(from_=date(2024, 1, 1), to=date(2024, 6, 30))
    )
    new = terms("acme/terms", FORBID, version="2", effective=Effective(from_=date(2024, 7, 1)))
    guard = Guard(catalogue(old, new))
    assert status(guard, on=date(2023, 12, 31)) == ("deny", "not_in_force")
    assert status(guard, on=date(2024, 1, 1)) == ("permit", "permitted")
    assert status(guard, on=date(2024, 6, 30)) == ("permit", "permitted")
    assert status(guard, on=date(2024, 7, 1)) == ("deny", "prohibited")


def test_a_document_without_dates_is_in_force_always() -> None:
    guard = Guard(catalogue(terms("acme/terms", PERMIT, effective=None)))
    assert status(guard, on=date(1999, 1, 1)) == ("permit", "permitted")


@pytest.mark.parametrize(
    ("approvals", "expected"),
    [
        ((), "unapproved"),
        ((approval(),), "permitted"),
        ((approval(on=DAY + timedelta(1)),), "unapproved"),
        ((approval(version="2"),), "unapproved"),
        ((approval(expires=DAY),), "permitted"),
        ((approval(on=date(2025, 1, 1), expires=DAY - timedelta(1)),), "expired"),
        ((approval(on=date(2025, 1, 1), expires=DAY - timedelta(1)), approval()), "permitted"),
    ],
)
def test_a_reading_needs_an_approval_in_force(
    approvals: tuple[Approval, ...], expected: Status
) -> None:
    guard = Guard(catalogue(terms("acme/terms", PERMIT, **CLOSED)), Registry(approvals=approvals))
    assert status(guard)[1] == expected


def test_an_approval_does_not_turn_a_prohibition_into_a_permission() -> None:
    registry = Registry(approvals=(approval(),))
    guard = Guard(catalogue(terms("acme/terms", FORBID, **CLOSED)), registry)
    assert status(guard) == ("deny", "prohibited")


@pytest.mark.parametrize("expires", [None, DAY - timedelta(1)])
def test_unapproved_readings_may_be_allowed_and_the_verdict_shows_it(expires: date | None) -> None:
    approvals = (approval(date(2025, 1, 1), expires),) if expires else ()
    guard = Guard(
        catalogue(terms("acme/terms", PERMIT, **CLOSED)),
        Registry(approvals=approvals),
        unapproved="allow",
    )
    verdict = guard.decide("acme/model", PURPOSE, DAY)
    flaw = "expired" if expires else "unapproved"
    assert (verdict.decision, verdict.status) == ("permit", "permitted")
    assert verdict.clauses[0].status == flaw
    assert verdict.terms[0].status == flaw


@pytest.mark.parametrize("unapproved", ["deny", "allow"])
@pytest.mark.parametrize(("days", "expected"), [(21, "permitted"), (20, "expired")])
def test_a_reading_that_is_too_old_denies_even_if_approved(
    days: int, expected: Status, unapproved: Any
) -> None:
    guard = Guard(
        catalogue(terms("acme/terms", PERMIT, **CLOSED)),
        Registry(approvals=(approval(),)),
        unapproved=unapproved,
        max_age_days=days,
    )
    assert DAY - READING.on == timedelta(21)
    assert status(guard)[1] == expected


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (date(2025, 12, 31), "needs_authorisation"),
        (date(2026, 1, 1), "permitted_if"),
        (date(2026, 12, 31), "permitted_if"),
        (date(2027, 1, 1), "needs_authorisation"),
    ],
)
def test_an_authorisation_holds_from_its_first_day_to_its_last(day: date, expected: Status) -> None:
    guard = Guard(catalogue(terms("acme/terms", ASK)), Registry(authorisations=(LEAVE,)))
    verdict = guard.decide("acme/model", PURPOSE, day)
    assert verdict.status == expected
    assert verdict.authorisations == (("MSA-1",) if verdict.permits else ())


def test_an_authorisation_lifts_no_clause_of_another_document() -> None:
    guard = Guard(catalogue(terms("other/terms", ASK)), Registry(authorisations=(LEAVE,)))
    assert status(guard)[1] == "needs_authorisation"


def test_a_document_may_bind_at_another_layer() -> None:
    bound = Route(
        id="r/m",
        api="embedded",
        model="m",
        terms=(BindingTerms(document="acme/terms", layer="base_model_licence"),),
    )
    guard = Guard(catalogue(terms("acme/terms", PERMIT), routes=[bound]))
    verdict = guard.decide("r/m", PURPOSE, DAY)
    assert (verdict.terms[0].layer, verdict.clauses[0].layer) == ("base_model_licence",) * 2


@pytest.mark.parametrize(
    ("layer", "inputs", "question", "expected"),
    [
        ("service", "no", {"confidential": True}, "permit"),
        ("service", "opt_out", {"confidential": True}, "deny"),
        ("host", "yes", {"confidential": True}, "deny"),
        ("aggregator", "unstated", {"confidential": True}, "deny"),
        ("host", "yes", {}, "permit"),
        ("host", "yes", {"prompt_license": "MIT"}, "permit"),
        ("weights_licence", "unstated", {"confidential": True}, "permit"),
        ("acceptable_use", "unstated", {"confidential": True}, "permit"),
    ],
)
def test_a_host_that_may_train_on_inputs_gets_no_confidential_prompt(
    layer: Any, inputs: Any, question: dict[str, Any], expected: str
) -> None:
    document = terms("acme/terms", PERMIT, layer=layer, provider_uses_inputs=inputs)
    assert status(Guard(catalogue(document)), **question)[0] == expected


def test_a_host_that_may_train_on_inputs_gets_no_non_commercial_prompt() -> None:
    research = PURPOSE.model_copy(
        update={"organisation": PURPOSE.organisation.model_copy(update={"commercial": False})}
    )
    asked: dict[str, Any] = {"prompt_license": "CC-BY-NC-4.0"}
    for inputs, expected in (("no", "permit"), ("opt_out", "deny")):
        document = terms("acme/terms", PERMIT, provider_uses_inputs=inputs)
        verdict = Guard(catalogue(document)).decide("acme/model", research, DAY, **asked)
        assert verdict.decision == expected


def test_the_licence_of_the_prompt_is_a_layer_of_its_own() -> None:
    guard = Guard(catalogue(terms("acme/terms", PERMIT)))
    verdict = guard.decide("acme/model", PURPOSE, DAY, prompt_license="CC-BY-SA-4.0")
    assert [term.layer for term in verdict.terms] == ["service", "prompt_licence"]
    assert {duty.kind for duty in verdict.duties} == {"attribution", "share_alike"}
    assert status(guard, prompt_license="LicenseRef-who-knows") == ("deny", "unknown")


def test_a_verdict_names_version_and_digest_of_every_document() -> None:
    guard = Guard(catalogue(terms("a/t", PERMIT), terms("b/t", reading=None)))
    shown = [
        (t.document, t.version, t.sha256, t.status)
        for t in guard.decide("acme/model", PURPOSE, DAY).terms
    ]
    assert shown == [("a/t", "1", "a" * 64, "permitted"), ("b/t", "1", "", "unknown")]


def test_a_team_s_own_route_is_decided_like_a_built_in_one() -> None:
    own = route("acme/terms", id="ours/model")
    guard = Guard(catalogue(terms("acme/terms", PERMIT), routes=[]), Registry(routes={own.id: own}))
    assert guard.route("ours/model") is own
    assert guard.decide("ours/model", PURPOSE, DAY).permits


def test_an_unknown_route_names_the_one_that_comes_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'acme/model'"):
        Guard(catalogue(terms())).decide("acme/modle", PURPOSE, DAY)


def test_the_same_question_has_the_same_verdict_object() -> None:
    guard = Guard(catalogue(terms("acme/terms", PERMIT)))
    assert guard.decide("acme/model", PURPOSE, DAY) is guard.decide("acme/model", PURPOSE, DAY)


def test_a_guard_with_further_routes_leaves_the_first_as_it_was() -> None:
    guard = Guard(catalogue(terms("acme/terms", PERMIT)))
    added = guard.route("acme/model").model_copy(update={"id": "acme/older"})
    assert guard.with_routes([added]).decide("acme/older", PURPOSE, DAY).permits
    with pytest.raises(InputError, match="no such route"):
        guard.decide("acme/older", PURPOSE, DAY)


def test_a_pickled_guard_decides_alike() -> None:
    guard = Guard(catalogue(terms("acme/terms", ASK)), Registry(authorisations=(LEAVE,)))
    verdict = guard.decide("acme/model", PURPOSE, DAY)
    copy = pickle.loads(pickle.dumps(guard))  # noqa: S301 - our own bytes
    assert copy.decide("acme/model", PURPOSE, DAY) == verdict


@pytest.mark.parametrize(
    ("clauses", "day", "allowed"),
    [((PERMIT, OWE), DAY, "deny"), ((PERMIT,), DAY - timedelta(1), "deny"), ((), DAY, "allow")],
)
def test_another_verdict_has_another_name(
    clauses: tuple[Clause, ...], day: date, allowed: Any
) -> None:
    first = Guard(catalogue(terms("acme/terms", PERMIT))).decide("acme/model", PURPOSE, DAY)
    guard = Guard(catalogue(terms("acme/terms", *clauses)), unapproved=allowed)
    assert guard.decide("acme/model", PURPOSE, day).decision_id != first.decision_id


@pytest.mark.parametrize("change", [{"registry_digest": "f" * 64}, {"duties": ()}, {"on": "x"}])
def test_a_verdict_that_was_changed_no_longer_has_its_name(change: dict[str, Any]) -> None:
    guard = Guard(catalogue(terms("acme/terms", PERMIT, OWE)))
    verdict = guard.decide("acme/model", PURPOSE, DAY)
    assert decision_id(verdict) == verdict.decision_id
    assert decision_id(replace(verdict, **change)) != verdict.decision_id


@pytest.mark.parametrize(
    "registry",
    [
        Registry(approvals=(approval(),)),
        Registry(authorisations=(LEAVE,)),
        Registry(routes={"ours/m": route("acme/terms", id="ours/m")}),
    ],
)
def test_another_registry_has_another_digest(registry: Registry) -> None:
    plain = catalogue(terms())
    assert Guard(plain, registry).registry_digest != Guard(plain).registry_digest
    other = replace(plain, digest="1" * 64)
    assert Guard(other, registry).registry_digest != Guard(plain, registry).registry_digest


def test_where_a_registry_was_read_from_does_not_change_its_digest() -> None:
    here, there = (
        Registry(
            routes={"ours/m": route("acme/terms", id="ours/m").model_copy(update={"where": where})},
            approvals=(approval().model_copy(update={"where": where}),),
            authorisations=(LEAVE.model_copy(update={"where": where}),),
        )
        for where in ("a.yaml:1", "b.yaml:9")
    )
    plain = catalogue(terms())
    assert Guard(plain, here).registry_digest == Guard(plain, there).registry_digest


def test_a_decision_has_the_same_name_in_every_process() -> None:
    program = (
        "from tests.transforms.guard.terms_builder import *\n"
        "from transforms.guard.evaluate import Guard, decision_id\n"
        "guard = Guard(catalogue(terms('b/t', PERMIT, OWE), terms('a/t')))\n"
        "print(guard.decide('acme/model', PURPOSE, DAY).decision_id)\n"
    )
    names = {
        subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(names) == 1


def test_the_same_question_gets_the_same_answer_without_being_judged_again() -> None:
    guard = Guard(catalogue(terms("acme/terms", PERMIT, OWE)))
    assert guard.decide("acme/model", PURPOSE, DAY) is guard.decide("acme/model", PURPOSE, DAY)
