"""The built-in catalogue holds together, and says what the texts say.

The sources are rows of the survey of terms that the catalogue was made from, section 3.2 of
terms.md ("teachers x clauses") and 1.4 ("how the terms moved").
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from schemas.inputs.check import read_model
from schemas.inputs.document import parse_yaml
from schemas.inputs.documents import Clause, Condition, TermsDocument, WrittenTerms
from schemas.inputs.registry import Registry, WrittenRegistry
from schemas.purpose import CorpusPurpose, Organisation, Purpose, Student
from schemas.spdx import is_licence
from schemas.terms import Status, Use
from transforms.guard.catalogue import load_catalogue, load_registry
from transforms.guard.evaluate import Guard

CATALOGUE = load_catalogue()
DOCUMENTS = [version for versions in CATALOGUE.documents.values() for version in versions]
CLAUSES = [(document, clause) for document in DOCUMENTS for clause in document.clauses]
TODAY = date(2026, 11, 22)
GUARD = Guard(CATALOGUE, unapproved="allow")
ORGANISATION = Organisation(
    name="Example",
    commercial=True,
    domicile="DE",
    monthly_active_users=12_000,
    annual_revenue_usd=4_000_000.0,
)
ALL: tuple[Use, ...] = ("train_generative", "train_narrow", "select", "evaluate")
TRAINING = ALL[:3]

INTERNAL = Student(name="tutor", distribution="internal", license="Apache-2.0", competes_with=())
RELEASED = Student(name="tutor", distribution="released", license="Apache-2.0", competes_with=())
COMPETING = Student(
    name="tutor", distribution="released", license="Apache-2.0", competes_with=CATALOGUE.providers
)
COMPETING_INSIDE = Student(
    name="tutor", distribution="internal", license="Apache-2.0", competes_with=CATALOGUE.providers
)


def answer(
    route: str, use: Use, student: Student, on: date = TODAY, guard: Guard = GUARD
) -> tuple[str, Status, set[str]]:
    corpus = CorpusPurpose(
        distribution="internal" if student.distribution == "internal" else "public"
    )
    verdict = guard.decide(
        route, Purpose(use=use, student=student, organisation=ORGANISATION, corpus=corpus), on
    )
    return verdict.decision, verdict.status, {duty.kind for duty in verdict.duties}


def rows() -> list[tuple[str, str, tuple[Use, ...], Student, str, Status, set[str]]]:
    """Source, route, uses, student, decision, status, duties."""
    openai, anthropic, xai = "openai-api/gpt", "anthropic-api/claude", "xai-api/grok-4"
    mistral, deepseek = "mistral-api/mistral-large", "deepseek-api/deepseek-chat"
    llama_2, llama_3 = "self-hosted/llama-2-70b-chat", "self-hosted/llama-3-70b-instruct"
    llama_31, gemma = "self-hosted/llama-3.1-70b-instruct", "self-hosted/gemma-3-27b-it"
    exaone, together = "self-hosted/exaone-3.5", "together/llama-3.1-70b-instruct"
    smollm = "embedded/smollm2-135m-instruct"
    generative: tuple[Use, ...] = ("train_generative", "select")
    narrow: tuple[Use, ...] = ("train_narrow",)
    evaluate: tuple[Use, ...] = ("evaluate",)
    owed = {"flow_down", "notice", "delete_on_request", "disclose"}
    return [
        ("OpenAI API: Comp X", openai, generative, COMPETING, "deny", "prohibited", set()),
        ("OpenAI API: Int s", openai, generative, INTERNAL, "permit", "silent", set()),
        ("OpenAI API: Narrow P", openai, narrow, COMPETING_INSIDE, "permit", "permitted_if", set()),
        ("OpenAI API: Narrow, sold", openai, narrow, COMPETING, "deny", "prohibited", set()),
        ("OpenAI API: Eval s", openai, evaluate, COMPETING_INSIDE, "permit", "silent", set()),
        ("Anthropic: A", anthropic, TRAINING, INTERNAL, "deny", "needs_authorisation", set()),
        ("Anthropic: X/A", anthropic, TRAINING, COMPETING, "deny", "needs_authorisation", set()),
        ("Anthropic: Eval s", anthropic, evaluate, INTERNAL, "permit", "silent", set()),
        ("xAI: X/A", xai, TRAINING, INTERNAL, "deny", "needs_authorisation", set()),
        ("xAI: Eval s", xai, evaluate, INTERNAL, "permit", "silent", set()),
        ("Mistral API, text: s", mistral, ALL, COMPETING_INSIDE, "permit", "silent", set()),
        ("Mistral API: not human", mistral, ALL, COMPETING, "permit", "silent", {"disclose"}),
        ("DeepSeek API: P", deepseek, ALL, COMPETING_INSIDE, "permit", "permitted", set()),
        ("DeepSeek: tell", deepseek, ALL, RELEASED, "permit", "permitted_if", {"disclose"}),
        ("Llama 2: X", llama_2, generative, INTERNAL, "deny", "prohibited", set()),
        ("Llama 2: Narrow s", llama_2, narrow, INTERNAL, "permit", "silent", set()),
        ("Llama 3: X", llama_3, generative, INTERNAL, "deny", "prohibited", set()),
        ("Llama 3: Eval s", llama_3, evaluate, INTERNAL, "permit", "silent", set()),
        ("Llama 3.1: no naming yet", llama_31, TRAINING, INTERNAL, "permit", "permitted", set()),
        (
            "Llama 3.1: prefix", llama_31, TRAINING, RELEASED, "permit", "permitted_if",
            {"name_prefix", "disclose"},
        ),
        ("Llama 3.1: Eval s", llama_31, evaluate, INTERNAL, "permit", "silent", set()),
        ("Gemma 1-3n: C", gemma, TRAINING, RELEASED, "permit", "permitted_if", owed),
        (
            "Gemma 1-3n: C, inside", gemma, TRAINING, INTERNAL, "permit", "permitted_if",
            {"delete_on_request"},
        ),
        ("Gemma 1-3n: Eval s", gemma, evaluate, INTERNAL, "permit", "silent", set()),
        ("EXAONE-NC: X", exaone, TRAINING, INTERNAL, "deny", "prohibited", set()),
        (
            "EXAONE-NC: Eval, commercial", exaone, evaluate, INTERNAL, "deny",
            "needs_authorisation", set(),
        ),
        ("Together: competing host", together, ALL, COMPETING, "deny", "prohibited", set()),
        (
            "Together with Llama 3.1", together, TRAINING, RELEASED, "permit", "silent",
            {"name_prefix", "disclose"},
        ),
        ("SmolLM (Apache-2.0): s", smollm, ALL, COMPETING, "permit", "silent", set()),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("source", "route", "uses", "student", "decision", "status", "duties"),
    rows(),
    ids=[row[0] for row in rows()],
)
def test_a_route_answers_as_its_terms_were_read(
    source: str,
    route: str,
    uses: tuple[Use, ...],
    student: Student,
    decision: str,
    status: Status,
    duties: set[str],
) -> None:
    for use in uses:
        assert answer(route, use, student) == (decision, status, duties), (source, use)


@pytest.mark.parametrize(
    ("route", "on", "student", "status"),
    [
        ("mistral-api/mistral-large", date(2024, 2, 26), COMPETING, "prohibited"),
        ("mistral-api/mistral-large", date(2024, 2, 27), COMPETING, "silent"),
        ("mistral-api/mistral-large", date(2025, 12, 11), COMPETING, "silent"),
        ("xai-api/grok-4", date(2025, 12, 1), INTERNAL, "prohibited"),
        ("xai-api/grok-4", date(2026, 4, 10), INTERNAL, "unknown"),
        ("xai-api/grok-4", date(2026, 8, 13), INTERNAL, "prohibited"),
        ("xai-api/grok-4", date(2026, 8, 14), INTERNAL, "needs_authorisation"),
        ("anthropic-api/claude", date(2025, 9, 14), INTERNAL, "needs_authorisation"),
        ("anthropic-api/claude", date(2024, 1, 1), INTERNAL, "not_in_force"),
        ("openai-api/gpt", date(2025, 12, 31), COMPETING, "prohibited"),
        ("deepseek-api/deepseek-chat", date(2025, 1, 20), INTERNAL, "permitted"),
        ("deepseek-api/deepseek-chat", date(2025, 1, 19), INTERNAL, "not_in_force"),
    ],
)
def test_the_terms_of_the_day_decide(
    route: str, on: date, student: Student, status: Status
) -> None:
    assert answer(route, "train_generative", student, on)[1] == status


def test_an_organisation_of_llama_s_size_needs_a_licence_of_its_own() -> None:
    large = Organisation(
        name="Large",
        commercial=True,
        domicile="US",
        monthly_active_users=700_000_001,
        annual_revenue_usd=1e9,
    )
    purpose = Purpose(
        use="train_generative",
        student=INTERNAL,
        organisation=large,
        corpus=CorpusPurpose(distribution="internal"),
    )
    verdict = GUARD.decide("self-hosted/llama-3.1-70b-instruct", purpose, TODAY)
    assert verdict.status == "needs_authorisation"


def test_a_recorded_authorisation_opens_anthropic_to_a_student_that_does_not_compete(
    tmp_path: Path,
) -> None:
    path = tmp_path / "teachers.yaml"
    path.write_text(
        "authorisations:\n"
        "  - {document: anthropic/usage-policy, clause: training, reference: MSA-2026-114,"
        " from: 2026-09-01, to: 2027-08-31}\n"
    )
    guard = Guard(CATALOGUE, load_registry(path, CATALOGUE), unapproved="allow")
    claude = "anthropic-api/claude"
    assert answer(claude, "train_generative", INTERNAL, guard=guard)[0] == "permit"
    assert answer(claude, "train_generative", COMPETING, guard=guard)[0] == "deny"


def test_only_open_licences_need_no_approval() -> None:
    strict = Guard(CATALOGUE, Registry())
    assert answer("embedded/smollm2-135m-instruct", "train_generative", RELEASED, guard=strict)[
        :2
    ] == ("permit", "silent")
    refused = answer("deepseek-api/deepseek-chat", "train_generative", RELEASED, guard=strict)
    assert refused[:2] == ("deny", "unapproved")


def test_every_question_about_a_built_in_route_has_an_answer() -> None:
    for route in CATALOGUE.routes:
        for use in ALL:
            for student in (INTERNAL, RELEASED, COMPETING, Student()):
                assert answer(route, use, student)[0] in ("permit", "deny")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_a_reading_says_what_was_read(document: TermsDocument) -> None:
    reading = document.reading
    if reading is None:
        assert not document.clauses
        return
    assert reading.by == "stillroom maintainers"
    if reading.archive:
        assert reading.sha256
        assert reading.archive.recorded <= reading.on
    elif not reading.quote_sha256:
        assert reading.confidence != "high"


def test_an_open_licence_forbids_nothing_and_has_its_identifier() -> None:
    for document in DOCUMENTS:
        if document.open_licence:
            assert is_licence(document.spdx), document.name
            assert all(clause.effect in ("permit", "duty") for clause in document.clauses)


def _conditions(clause: Clause) -> list[Condition]:
    return [clause.when, *clause.when.any_of] if clause.when else []


def test_a_clause_about_competitors_names_providers_that_the_catalogue_knows() -> None:
    for document, clause in CLAUSES:
        for condition in _conditions(clause):
            assert set(condition.competes_with) <= set(CATALOGUE.providers), document.where


def test_a_route_of_one_s_own_machines_is_bound_by_no_host() -> None:
    hosts = ("host", "aggregator", "service")
    for route in CATALOGUE.routes.values():
        layers = {CATALOGUE.documents[bound.document][0].layer for bound in route.terms}
        own = route.id.startswith(("self-hosted/", "embedded/"))
        assert own == layers.isdisjoint(hosts), route.id


def _examples() -> list[str]:
    text = (Path(__file__).resolve().parents[3] / "docs" / "catalogue.md").read_text("utf-8")
    return [block.split("```")[0] for block in text.split("```yaml\n")[1:]]


@pytest.mark.parametrize("text", _examples(), ids=lambda text: text.split(":")[0])
def test_the_examples_of_the_documentation_are_valid(text: str) -> None:
    kind = WrittenTerms if text.startswith("document:") else WrittenRegistry
    read_model(parse_yaml(text, "docs/catalogue.md"), kind)


def test_an_archived_text_has_an_address_of_its_newest_copy() -> None:
    (document,) = CATALOGUE.documents["together/terms-of-service"]
    assert document.reading
    assert document.reading.archive
    assert document.reading.archive.newest == (
        "https://raw.githubusercontent.com/OpenTermsArchive/genai-contrib-versions/HEAD/"
        "Together%20AI/Terms%20of%20Service.md"
    )
