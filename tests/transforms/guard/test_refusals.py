"""A refusal says which clause of which document at which version said no, and what would help."""

from __future__ import annotations

from tests.transforms.guard.terms_builder import ASK, DAY, FORBID, PURPOSE, catalogue, terms
from transforms.guard.evaluate import Guard
from transforms.guard.refusals import explain_refusal


def test_a_refusal_names_every_clause_that_said_no_the_most_severe_first() -> None:
    policy = terms(
        "acme/policy", ASK.model_copy(update={"clause": "training"}), layer="acceptable_use"
    )
    unread = terms("acme/weights", layer="weights_licence", version="2", reading=None)
    guard = Guard(catalogue(policy, terms("acme/terms", FORBID), unread))
    verdict = guard.decide("acme/model", PURPOSE, DAY, prompt_license="LicenseRef-x")
    head, *lines = explain_refusal(verdict)
    assert head == "acme/model may not be asked for train_generative on 2026-11-22: prohibited"
    assert [line.split(": ")[0].strip() for line in lines] == [
        "acme/terms@1 2 [service, prohibited]",
        "acme/policy@1 training [acceptable_use, needs_authorisation]",
        "acme/weights@2 [weights_licence, unknown]",
        "LicenseRef-x [prompt_licence, unknown]",
    ]
    assert all("For a yes: " in line for line in lines)
    assert "Output is not for training. For a yes: other terms." in lines[0]
