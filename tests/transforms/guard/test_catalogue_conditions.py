"""Conditions in the catalogue's licences of weights: countries, thresholds, research, dates.

The expected answers were written by hand from `reference/terms.md`: 1.2 has the clauses, 3.3 the
difficult cases.
"""

from __future__ import annotations

from datetime import date

import pytest

from schemas.terms import Use
from tests.transforms.guard.weights import (
    ANSWERS,
    GUARD,
    TODAY,
    USES,
    ask,
    ask_alone,
    given,
    kinds,
    purpose,
)
from transforms.guard.obligations import contradictions


# Section 1.2, "Llama EU multimodal": not 3.1, not the models of 3.2 and 3.3 that take text alone.
@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize(
    ("route", "barred"),
    [
        ("self-hosted/llama-3.1-70b-instruct", False),
        ("self-hosted/llama-3.2-3b-instruct", False),
        ("self-hosted/llama-3.2-11b-vision-instruct", True),
        ("self-hosted/llama-3.3-70b-instruct", False),
        ("self-hosted/deepseek-r1-distill-llama-70b", False),
        ("self-hosted/llama-4-scout", True),
    ],
)
def test_multimodal_llamas_are_not_licensed_in_the_european_union(
    route: str, barred: bool, use: Use
) -> None:
    verdict = ask(route, use, domicile="DE")
    assert (verdict.status == "prohibited") == barred
    assert ask(route, use, domicile="GB").permits
    assert ask(route, use, domicile=None).permits != barred


@pytest.mark.parametrize("domicile", ["FR", "GB", "KR", None])
def test_hunyuan_may_not_even_be_evaluated_outside_its_territory(domicile: str | None) -> None:
    assert ask("self-hosted/hunyuan3d-2", "evaluate", domicile=domicile).status == "prohibited"
    assert ask("self-hosted/hunyuan3d-2", "evaluate", domicile="JP").permits


# Section 3.3(11): who has more users than the licence names needs leave; as many is not more.
@pytest.mark.parametrize(
    ("route", "limit"),
    [
        ("self-hosted/llama-2-70b-chat", 700_000_000),
        ("self-hosted/llama-3.2-3b-instruct", 700_000_000),
        ("self-hosted/llama-3.3-70b-instruct", 700_000_000),
        ("self-hosted/llama-4-scout", 700_000_000),
        ("self-hosted/deepseek-r1-distill-llama-70b", 700_000_000),
        ("self-hosted/qwen-72b-chat", 100_000_000),
        ("self-hosted/qwen2.5-72b-instruct", 100_000_000),
        ("self-hosted/hunyuan3d-2", 1_000_000),
    ],
)
def test_many_users_need_a_licence_of_their_own(route: str, limit: int) -> None:
    assert ask(route, "evaluate", monthly_active_users=limit).permits
    for users in (limit + 1, None):
        verdict = ask(route, "evaluate", monthly_active_users=users)
        assert given(verdict) == ANSWERS["A"]


def test_qwens_threshold_is_for_commercial_users() -> None:
    route = "self-hosted/qwen2.5-72b-instruct"
    assert ask(route, monthly_active_users=10**9, commercial=False).permits
    assert not ask(route, monthly_active_users=10**9, commercial=True).permits


@pytest.mark.parametrize(
    ("route", "revenue"),
    [("self-hosted/kimi-k2", 240_000_000), ("self-hosted/minimax-m2", 30_000_000)],
)
def test_a_name_is_shown_above_a_threshold_of_users_or_revenue(route: str, revenue: int) -> None:
    assert kinds(ask(route, monthly_active_users=10**8, annual_revenue_usd=revenue)) == set()
    for above in (
        {"monthly_active_users": 10**8 + 1},
        {"annual_revenue_usd": revenue + 1},
        {"monthly_active_users": None},
        {"annual_revenue_usd": None},
    ):
        verdict = ask(route, **above)
        assert given(verdict) == ANSWERS["C"]
        assert kinds(verdict) == {"attribution"}
    assert kinds(ask(route, monthly_active_users=10**9, commercial=False)) == set()


def test_kimi_k3_asks_large_sellers_for_an_agreement_unless_all_stays_inside() -> None:
    for released, expected in ((True, "needs_authorisation"), (False, "permitted")):
        asked = purpose("train_generative", released=released, annual_revenue_usd=20_000_001)
        assert ask_alone("moonshot/kimi-k3-license", asked).status == expected


# Section 1.2: what is derived from outputs is a derivative, and foundational models are barred.
def test_stabilitys_outputs_train_narrow_models_below_its_threshold_of_revenue() -> None:
    name = "stability/community-license"
    for use in ("train_generative", "select"):
        assert ask_alone(name, purpose(use, released=True)).status == "prohibited"
    small = purpose("train_narrow", released=True, annual_revenue_usd=1_000_000)
    assert kinds(ask_alone(name, small)) == {"attribution", "delete_on_request", "notice"}
    large = purpose("train_narrow", released=True, annual_revenue_usd=1_000_001)
    assert ask_alone(name, large).status == "needs_authorisation"


# Sections 1.2 and 3.2: what is licensed for research alone permits research alone.
@pytest.mark.parametrize("use", USES)
def test_mistrals_research_weights_permit_research_and_bind_what_comes_of_it(use: Use) -> None:
    assert given(ask("self-hosted/mistral-large-2407", use, commercial=None)) == ANSWERS["X"]
    verdict = ask("self-hosted/mistral-large-2407", use, commercial=False)
    assert given(verdict) == ANSWERS["C"]
    assert "flow_down" in kinds(verdict)


def test_command_r_stays_unknown_for_research_since_its_policy_is_unread() -> None:
    for use in USES:
        verdict = ask("self-hosted/command-r", use, commercial=False)
        assert given(verdict) == ANSWERS["U"]
        assert {clause.document for clause in verdict.clauses} == {
            "cohere/labs-acceptable-use-policy"
        }


def test_exaone_is_evaluated_in_research_alone() -> None:
    verdict = ask("self-hosted/exaone-3.5", "evaluate", commercial=False)
    assert given(verdict) == ANSWERS["C"]
    assert kinds(verdict) == {"attribution", "delete_on_request"}


# Section 3.3(2) and 1.4: the same name, under the terms of the day.
@pytest.mark.parametrize(
    ("route", "on", "cell", "row"),
    [
        ("self-hosted/minimax-m2", date(2025, 11, 12), "s", "3.3(2) MiniMax-M2: plain MIT"),
        ("self-hosted/minimax-m2", date(2025, 11, 13), "C", "3.3(2) MiniMax-M2: threshold clause"),
        ("self-hosted/nemotron", date(2025, 10, 23), "s", "1.2 NVIDIA 2025-04-28"),
        ("self-hosted/nemotron", date(2025, 10, 24), "s", "1.2 NVIDIA 2025-10-24"),
        ("self-hosted/gemma-3-27b-it", date(2025, 3, 23), "C", "1.2 Gemma 2024-04-01"),
        ("self-hosted/gemma-3-27b-it", date(2026, 4, 1), "C", "1.2 Gemma 2026-04-01"),
    ],
)
def test_weights_answer_by_the_terms_of_the_day(route: str, on: date, cell: str, row: str) -> None:
    verdict = ask(route, on=on, annual_revenue_usd=40_000_000)
    assert given(verdict) == ANSWERS[cell], row


@pytest.mark.parametrize(
    ("route", "released_on"),
    [
        ("self-hosted/llama-3.3-70b-instruct", date(2024, 12, 6)),
        ("self-hosted/qwen3-8b", date(2025, 4, 28)),
        ("self-hosted/minimax-m2", date(2025, 10, 27)),
    ],
)
def test_no_licence_was_in_force_before_the_weights_were_released(
    route: str, released_on: date
) -> None:
    eve = released_on.replace(day=released_on.day - 1)
    assert ask(route, on=eve).status == "not_in_force"
    assert ask(route, on=released_on).permits


def test_multimodal_weights_of_nvidia_ask_for_the_name_of_cosmos() -> None:
    asked = purpose("train_generative", released=True)
    for model, expected in (
        ("nvidia/NVIDIA-Nemotron-Nano-12B-v2", set()),
        ("nvidia/NVIDIA-Nemotron-Nano-12B-v2-VL", {"attribution"}),
        ("nvidia/Cosmos-Reason1-7B", {"attribution"}),
    ):
        assert kinds(ask_alone("nvidia/open-model-license", asked, model)) == expected


# Section 3.3(6): duties are tested for contradiction.
def test_a_plain_apache_student_cannot_carry_what_derivatives_pass_on() -> None:
    asked = purpose("train_generative", released=True)
    for route in ("gemma-3-27b-it", "deepseek-llm-67b-chat", "falcon-2-11b", "olmo-2-instruct"):
        verdict = GUARD.decide(f"self-hosted/{route}", asked, TODAY)
        assert contradictions([verdict], asked), route
    free = [ask(f"self-hosted/{route}") for route in ("llama-4-scout", "qwen2.5-72b-instruct")]
    assert contradictions(free, asked) == []
