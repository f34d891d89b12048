"""The catalogue's open weights answer as the reference has them.

The expected answers were written by hand from `reference/terms.md`: section 3.2 has one row a
family of models, 1.2 the clauses behind it, 3.3 the cases that are tricky. `row` names the place.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import pytest

from schemas.purpose import CorpusPurpose, Organisation, Purpose, Student
from schemas.terms import Use, Verdict
from transforms.guard.answer import Answer, ask_document
from transforms.guard.catalogue import load_catalogue
from transforms.guard.evaluate import Guard
from transforms.guard.obligations import contradictions

CATALOGUE = load_catalogue()
GUARD = Guard(CATALOGUE, unapproved="allow")
TODAY = date(2026, 11, 21)
USES: tuple[Use, ...] = ("train_generative", "train_narrow", "select", "evaluate")
OWN_MACHINES = ("self-hosted/", "embedded/")

# What one cell of the reference's table comes to. C is P where nothing is owed, as in the house.
ANSWERS = {
    "P": ("permit", "permitted"),
    "C": ("permit", "permitted_if"),
    "s": ("permit", "silent"),
    "?": ("deny", "silent"),  # passages were read that do not tell
    "X": ("deny", "prohibited"),
    "A": ("deny", "needs_authorisation"),
    "U": ("deny", "unknown"),
}


@dataclass(frozen=True)
class Row:
    """What weights answer to each of the uses, in their order, and what is owed where they permit.

    Attributes:
        route: The route.
        released: Answers to a student that competes with everybody and is released, its corpus
            published, in commerce.
        owed: Kinds of duty for it, from any training; `disclose` is owed for the corpus.
        internal: Answers to a student that competes with no one and stays internal, as its
            corpus does.
        kept: Kinds of duty for that one.
        row: Where the reference says so.
    """

    route: str
    released: str
    owed: str
    internal: str
    kept: str
    row: str


LLAMA = "3.2 Llama 3.1, 3.2, 3.3, 4; 1.2 Llama 3.2 / 3.3 / 4"
APACHE = "3.2 Mistral / SmolLM / OLMo base / Granite / Yi / gpt-oss (Apache-2.0)"
ROWS = [
    Row("embedded/smollm2-135m-instruct", "ssss", "", "ssss", "", APACHE),
    Row("self-hosted/llama-2-70b-chat", "XsXs", "disclose", "XsXs", "", "3.2 Llama 2, Llama 3"),
    Row("self-hosted/llama-3-70b-instruct", "XsXs", "disclose", "XsXs", "", "3.2 Llama 2, Llama 3"),
    Row("self-hosted/llama-3.1-70b-instruct", "CCCs", "disclose name_prefix", "PPPs", "", LLAMA),
    Row("self-hosted/llama-3.2-3b-instruct", "CCCs", "disclose name_prefix", "PPPs", "", LLAMA),
    Row(
        "self-hosted/llama-3.2-11b-vision-instruct",
        "CCCs",
        "disclose name_prefix",
        "PPPs",
        "",
        LLAMA,
    ),
    Row("self-hosted/llama-3.3-70b-instruct", "CCCs", "disclose name_prefix", "PPPs", "", LLAMA),
    Row("self-hosted/llama-4-scout", "CCCs", "disclose name_prefix", "PPPs", "", LLAMA),
    Row(
        "self-hosted/gemma-3-27b-it",
        "CCCs",
        "delete_on_request disclose flow_down notice",
        "CCCs",
        "delete_on_request",
        "3.2 Gemma 1-3n: derivative, flow-down, copy, Notice; delete on termination",
    ),
    Row("self-hosted/qwen-72b-chat", "XsXs", "", "XsXs", "", "3.2 Tongyi Qianwen 2023; 1.2 5.b"),
    Row("self-hosted/qwen2.5-72b-instruct", "CCCs", "attribution", "PPPs", "", "3.2 Qwen LICENSE"),
    Row("self-hosted/qwen3-8b", "ssss", "", "ssss", "", "3.2 Qwen3 / most 2.5 (Apache-2.0)"),
    Row(
        "self-hosted/deepseek-llm-67b-chat",
        "CCCs",
        "flow_down notice",
        "PPPs",
        "",
        "3.2 DeepSeek licence 1.0; 1.1 DeepSeek 4.a",
    ),
    Row("self-hosted/deepseek-r1", "PPPP", "", "PPPP", "", "3.2 DeepSeek R1 (MIT); 1.1 README 7"),
    Row(
        "self-hosted/deepseek-r1-distill-llama-70b",
        "CCCs",
        "disclose name_prefix",
        "PPPs",
        "",
        "3.2 R1-Distill-Llama: MIT and Llama 3.3",
    ),
    Row("self-hosted/mistral-7b-instruct", "ssss", "", "ssss", "", APACHE),
    Row("self-hosted/mistral-large-2407", "XXXX", "", "XXXX", "", "3.2 Mistral MRL weights"),
    Row("self-hosted/codestral-22b", "???P", "", "???P", "", "3.2 Mistral MNPL: U for outputs"),
    Row("self-hosted/command-r", "XXXX", "", "XXXX", "", "3.2 Cohere Labs weights"),
    Row("self-hosted/gpt-oss-120b", "ssss", "", "ssss", "", APACHE),
    Row("self-hosted/granite-3.0-8b-instruct", "ssss", "", "ssss", "", APACHE),
    Row("self-hosted/olmo-2-base", "ssss", "", "ssss", "", APACHE),
    Row(
        "self-hosted/olmo-2-instruct",
        "CCCs",
        "delete_on_request disclose flow_down notice",
        "CCCs",
        "delete_on_request",
        "3.2 OLMo-2 Instruct: inherited Gemma terms",
    ),
    Row(
        "self-hosted/falcon-2-11b",
        "CCCs",
        "attribution flow_down notice",
        "PPPs",
        "",
        "3.2 Falcon 2; 1.2 Falcon 5.2, 6",
    ),
    Row("self-hosted/exaone-3.5", "XXXA", "", "XXXA", "", "3.2 EXAONE-NC: C research alone"),
    Row("self-hosted/glm-4.5", "ssss", "", "ssss", "", "3.2 GLM-4.5 (MIT)"),
    Row("self-hosted/minimax-m2", "PPPs", "", "PPPs", "", "3.2 Kimi K2 / MiniMax M2: below"),
    Row("self-hosted/kimi-k2", "PPPs", "", "PPPs", "", "3.2 Kimi K2 / MiniMax M2: below"),
    Row("self-hosted/yi-1.5", "ssss", "attribution", "ssss", "", f"{APACHE}: Yi asks attribution"),
    Row("self-hosted/nemotron", "ssss", "", "ssss", "", "3.2 Nemotron (NVIDIA OML)"),
    Row("self-hosted/phi-4", "UUUU", "", "UUUU", "", "3.2 Phi-3/4; 3.6"),
    Row("self-hosted/hunyuan3d-2", "XXXs", "disclose", "XXXs", "", "3.2 Hunyuan (3D text)"),
]

# Texts that bind no built-in route, asked alone: for the released student, and within the house.
DOCUMENTS = [
    ("google/gemma-4-license", "UUUU", "UUUU", "1.2 Gemma 4 [S]; 3.6"),
    ("qwen/research-license", "XXXP", "XXXP", "3.2 Qwen research: X commercial, evaluation C"),
    ("qwen/tongyi-research-license", "XXXP", "XXXP", "1.2 Tongyi Qianwen Research"),
    ("openmdw/openmdw", "PPPP", "PPPP", "3.2 OpenMDW models"),
    ("bigcode/openrail-m", "CCCs", "PPPs", "1.2 BigCode OpenRAIL-M v1"),
    ("moonshot/kimi-k3-license", "PPPs", "PPPs", "3.2 Kimi K3: below the threshold"),
]

ORGANISATION = Organisation(
    name="Example Ltd",
    commercial=True,
    domicile="US",
    monthly_active_users=12_000,
    annual_revenue_usd=4_000_000,
)


def purpose(use: Use, *, released: bool, **changes: Any) -> Purpose:
    """Returns one of the two purposes of the table, with facts of its organisation changed."""
    return Purpose(
        use=use,
        student=Student(
            name="tutor",
            distribution="released" if released else "internal",
            license="Apache-2.0",
            competes_with=CATALOGUE.providers if released else (),
        ),
        organisation=replace(ORGANISATION, **changes),
        corpus=CorpusPurpose(distribution="public" if released else "internal"),
    )


def ask(
    route: str,
    use: Use = "train_generative",
    *,
    on: date = TODAY,
    released: bool = True,
    **changes: Any,
) -> Verdict:
    """Asks the guard, as the table does, with facts of the organisation changed."""
    return GUARD.decide(route, purpose(use, released=released, **changes), on)


def ask_alone(name: str, asked: Purpose, model: str = "some-model") -> Answer:
    """Asks the newest version of a document, apart from any route and sign-off."""
    document = CATALOGUE.documents[name][-1]
    return ask_document(document, document.layer, asked, model)


def kinds(answer: Verdict | Answer) -> set[str]:
    """Returns the kinds of what is owed."""
    return {duty.kind for duty in answer.duties}


def given(verdict: Verdict) -> tuple[str, str]:
    """Returns a verdict's answer, as a cell of the table."""
    return verdict.decision, verdict.status


def owed(row: Row, use: Use, *, released: bool) -> set[str]:
    """Returns the kinds that a row owes for a use that it permits: scores owe for the corpus."""
    all_kinds = set((row.owed if released else row.kept).split())
    return all_kinds & {"disclose"} if use == "evaluate" else all_kinds


@pytest.mark.parametrize("released", [True, False], ids=["released", "internal"])
@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.route)
def test_weights_answer_as_the_reference_has_it(row: Row, use: Use, released: bool) -> None:
    verdict = ask(row.route, use, released=released)
    cells = row.released if released else row.internal
    assert given(verdict) == ANSWERS[cells[USES.index(use)]], row.row
    expected = owed(row, use, released=released) if verdict.permits else set()
    assert kinds(verdict) == expected, row.row


def test_the_table_holds_every_route_on_ones_own_machines() -> None:
    routes = {name for name in CATALOGUE.routes if name.startswith(OWN_MACHINES)}
    assert {row.route for row in ROWS} == routes


@pytest.mark.parametrize("released", [True, False], ids=["released", "internal"])
@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize(("name", "outside", "inside", "row"), DOCUMENTS)
def test_a_document_without_a_route_answers_as_the_reference_has_it(
    name: str, outside: str, inside: str, row: str, use: Use, released: bool
) -> None:
    answer = ask_alone(name, purpose(use, released=released))
    expected = ANSWERS[(outside if released else inside)[USES.index(use)]]
    assert ("permit" if answer.permits else "deny", answer.status) == expected, row


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.route)
def test_a_student_that_declares_nothing_fares_no_better_than_one_that_is_released(
    row: Row,
) -> None:
    for use in USES:
        declared = ask(row.route, use)
        undeclared = GUARD.decide(row.route, Purpose(use=use), TODAY)
        assert declared.permits or not undeclared.permits, row.row
        if undeclared.permits:
            assert kinds(undeclared) >= kinds(declared), row.row


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.route)
def test_only_open_licences_permit_before_anybody_has_signed(row: Row) -> None:
    strict = Guard(CATALOGUE).decide(row.route, purpose("evaluate", released=False), TODAY)
    documents = [CATALOGUE.documents[terms.document][-1] for terms in strict.terms]
    assert strict.permits == all(document.open_licence for document in documents)


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


@pytest.mark.parametrize(
    "name",
    sorted({terms.document for row in ROWS for terms in CATALOGUE.routes[row.route].terms}),
)
def test_a_note_says_what_was_read_or_what_is_missing(name: str) -> None:
    for version in CATALOGUE.documents[name]:
        if version.reading is None:
            assert "Missing:" in version.note
            assert version.clauses == ()
        else:
            assert version.sha256
            assert version.address
            assert version.reading.archive or version.reading.confidence != "high"
