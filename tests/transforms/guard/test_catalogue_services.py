"""The catalogue's services and hosts answer as the reference has them.

The expected answers were written by hand from `reference/terms.md`: section 3.2 has one row a
teacher, sections 1.1 and 1.3 the clauses behind it, 1.4 how they moved. `row` names the place.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import pytest

from schemas.inputs.documents import TermsDocument
from schemas.inputs.registry import Authorisation, Registry
from schemas.purpose import CorpusPurpose, Organisation, Purpose, Student
from schemas.terms import Use
from transforms.guard.answer import ask_document
from transforms.guard.catalogue import load_catalogue
from transforms.guard.evaluate import Guard

CATALOGUE = load_catalogue()
GUARD = Guard(CATALOGUE, unapproved="allow")
TODAY = date(2026, 11, 21)
USES: tuple[Use, ...] = ("train_generative", "train_narrow", "select", "evaluate")
# Makers of models; a student that competes with one of these need not compete with a host.
MAKERS = (
    "anthropic", "cohere", "deepseek", "google", "meta", "minimax", "mistral", "moonshot",
    "openai", "perplexity", "qwen", "stability", "xai", "zai",
)  # fmt: skip

# What one cell of the reference's table comes to: decision, and status.
X = ("deny", "prohibited")
A = ("deny", "needs_authorisation")
U = ("deny", "unknown")
S = ("permit", "silent")
C = ("permit", "permitted_if")
P = ("permit", "permitted")

Cells = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Row:
    """What a teacher answers to each of the uses.

    Attributes:
        teacher: A route, or a document.
        competing: To a student that competes with every maker, is released, and has its corpus
            published.
        internal: To one that competes with no one and stays internal, as its corpus does.
        row: Where the reference says so.
    """

    teacher: str
    competing: Cells
    internal: Cells
    row: str


ROUTES = [
    Row("openai-api/gpt", (X, X, X, S), (S, C, S, S), "3.2 OpenAI API; 1.1 OpenAI 3.3(e)"),
    Row("anthropic-api/claude", (A, A, A, S), (A, A, A, S), "3.2 Anthropic API; 1.1 D.4, AUP"),
    Row("gemini-api/gemini", (X, X, X, S), (S, S, S, S), "3.2 Gemini API, paid; 1.1 Google"),
    Row("xai-api/grok-4", (A, A, A, S), (A, A, A, S), "3.2 xAI API; 1.1 xAI 3.2"),
    Row("meta-model-api/llama", (A, A, A, P), (S, S, S, P), "3.2 Meta Model API; 1.1 10(ix)"),
    Row("meta-model-api/muse-spark", (A, A, A, P), (S, S, S, P), "3.2 Meta Model API"),
    Row("mistral-api/mistral-large", (S, S, S, S), (S, S, S, S), "3.2 Mistral API, text"),
    Row("deepseek-api/deepseek-chat", (C, C, C, C), (P, P, P, P), "3.2 DeepSeek API; 1.1 4.2(3)"),
    Row("cohere-api/command", (U, U, U, U), (U, U, U, U), "3.2 Cohere API; 3.6"),
    # The row's letters are for a person at the keyboard; programs are barred from all of it.
    Row("chatgpt-consumer/gpt", (X, X, X, X), (X, X, X, X), "3.2 ChatGPT consumer: not a route"),
    Row("qwen-chat-consumer/qwen", (X, X, X, X), (X, X, X, X), "3.2 Qwen Chat: automation X"),
    Row("together/llama-3.1-70b-instruct", (S, S, S, S), (S, S, S, S), "1.3 Together; 3.2 Llama"),
    Row("fireworks/llama-3.1-70b-instruct", (C, C, C, S), (C, C, C, S), "1.3 Fireworks 4.3"),
    Row("berget/gpt-oss-120b", (S, S, S, S), (S, S, S, S), "1.3 Berget; 3.2 gpt-oss"),
    Row("openrouter/auto", (U, U, U, U), (U, U, U, U), "3.2 OpenRouter: = pinned upstream; 3.3(1)"),
    Row("huggingface/llama-3.1-70b-instruct", (U, U, U, U), (U, U, U, U), "1.3 Hugging Face [S]"),
    Row("groq/llama-3.1-8b-instant", (U, U, U, U), (U, U, U, U), "1.3 Groq; 3.6"),
    Row("bedrock/gpt-oss-120b", (U, U, U, U), (U, U, U, U), "1.3 Amazon Bedrock; 3.6"),
    Row("azure/gpt", (U, U, U, U), (U, U, U, U), "1.3 Azure; 3.6"),
    Row("google-cloud/gemini", (U, U, U, U), (U, U, U, U), "1.1 Google Cloud [S]; 3.6"),
    Row("moonshot-api/kimi-k2", (U, U, U, U), (U, U, U, U), "3.2 Moonshot API; 3.6"),
    Row("alibaba-model-studio/qwen", (U, U, U, U), (U, U, U, U), "3.2 Alibaba Model Studio; 3.6"),
    Row("zai-api/glm", (U, U, U, U), (U, U, U, U), "3.2 Z.ai; 3.6"),
    Row("minimax-api/minimax-m2", (U, U, U, U), (U, U, U, U), "3.2 MiniMax API; 3.6"),
    # Its terms permit display in one's own application only, and refer to others that are unread.
    Row("perplexity-api/sonar", (X, X, X, U), (X, X, X, U), "1.1 Perplexity, and its policy 3(2)"),
]

# Texts that bind no built-in route, by what they say alone.
DOCUMENTS = [
    Row("anthropic/consumer-terms", (X, X, X, X), (X, X, X, X), "3.2 Claude consumer"),
    Row("google/terms-of-service", (X, X, X, S), (X, X, X, S), "3.2 Google consumer apps"),
    Row("google/generative-ai-terms", (X, X, X, S), (X, X, X, S), "1.1 Google, retired terms"),
    Row("moonshot/kimi-terms", (X, X, X, A), (A, A, A, A), "1.1 Kimi chat"),
    Row("stability/terms-of-service", (X, X, X, S), (A, A, A, S), "1.1 Stability AI"),
    Row("deepseek/terms-of-use", (P, P, P, P), (P, P, P, P), "1.1 DeepSeek Terms of Use"),
    Row("replicate/terms-of-service", (S, S, S, S), (S, S, S, S), "1.3 Replicate"),
    Row("fal/terms-of-service", (X, X, X, S), (S, S, S, S), "3.2 fal; 1.3 fal"),
    Row("xai/grok-2-license", (U, U, U, U), (U, U, U, U), "1.1 Grok-2 weights [S]"),
    Row("cohere/labs-acceptable-use-policy", (U, U, U, U), (U, U, U, U), "1.1 Cohere weights [S]"),
]

# How the terms of a route moved: asked for a competing student, to train a generating model.
HISTORY = [
    ("mistral-api/mistral-large", date(2024, 2, 26), X, "1.4 Mistral API: compete ban"),
    ("mistral-api/mistral-large", date(2024, 2, 27), S, "1.4 Mistral API: removed"),
    ("mistral-api/mistral-large", date(2025, 12, 11), S, "1.4 Mistral API: web search alone"),
    ("xai-api/grok-4", date(2025, 7, 1), X, "1.1 xAI Enterprise 2025-06-27"),
    ("xai-api/grok-4", date(2026, 4, 20), U, "1.1 xAI: a version that was not found"),
    ("xai-api/grok-4", date(2026, 8, 14), A, "1.1 xAI Enterprise 2026-08-14"),
    ("meta-model-api/llama", date(2026, 7, 7), C, "1.1 Meta: the Llama API before"),
    ("meta-model-api/llama", date(2026, 7, 8), A, "1.1 Meta: first recorded 2026-07-08"),
    ("meta-model-api/llama", date(2026, 8, 5), A, "1.1 Meta: widened 2026-08-05"),
    ("anthropic-api/claude", date(2025, 8, 1), A, "1.1 Anthropic Usage Policy 2024-06-06"),
    ("openai-api/gpt", date(2025, 11, 1), X, "1.1 OpenAI, effective 2025-05-31"),
    ("deepseek-api/deepseek-chat", date(2025, 9, 11), P, "1.1 DeepSeek: same since 2025-09-11"),
    ("gemini-api/gemini", date(2025, 6, 1), X, "1.1 Google, effective 2025-05-20"),
    ("gemini-api/gemini", date(2024, 3, 1), X, "1.1 Google, 2024-02-15"),
    ("qwen-chat-consumer/qwen", date(2025, 11, 11), X, "1.1 Qwen Chat, the versions before"),
]


def purpose(use: Use, *, competing: bool) -> Purpose:
    """Returns one of the two purposes of the table."""
    return Purpose(
        use=use,
        student=Student(
            name="tutor",
            distribution="released" if competing else "internal",
            license="Apache-2.0",
            competes_with=MAKERS if competing else (),
        ),
        organisation=Organisation(
            name="Example Ltd",
            commercial=True,
            domicile="DE",
            monthly_active_users=12_000,
            annual_revenue_usd=4_000_000,
        ),
        corpus=CorpusPurpose(distribution="public" if competing else "internal"),
    )


def newest(name: str) -> TermsDocument:
    """Returns the newest version of a document."""
    return CATALOGUE.documents[name][-1]


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("row", ROUTES, ids=lambda row: row.teacher)
def test_a_route_answers_a_competing_released_student_as_the_reference_has_it(
    row: Row, use: Use
) -> None:
    verdict = GUARD.decide(row.teacher, purpose(use, competing=True), TODAY)
    assert (verdict.decision, verdict.status) == row.competing[USES.index(use)], row.row


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("row", ROUTES, ids=lambda row: row.teacher)
def test_a_route_answers_an_internal_student_as_the_reference_has_it(row: Row, use: Use) -> None:
    verdict = GUARD.decide(row.teacher, purpose(use, competing=False), TODAY)
    assert (verdict.decision, verdict.status) == row.internal[USES.index(use)], row.row


@pytest.mark.parametrize("competing", [True, False], ids=["competing", "internal"])
@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("row", DOCUMENTS, ids=lambda row: row.teacher)
def test_a_document_answers_as_the_reference_has_it(row: Row, use: Use, competing: bool) -> None:
    document = newest(row.teacher)
    answer = ask_document(document, document.layer, purpose(use, competing=competing), "some-model")
    expected = (row.competing if competing else row.internal)[USES.index(use)]
    assert ("permit" if answer.permits else "deny", answer.status) == expected, row.row


@pytest.mark.parametrize(("route", "on", "expected", "row"), HISTORY)
def test_a_route_answers_by_the_terms_of_the_day(
    route: str, on: date, expected: tuple[str, str], row: str
) -> None:
    verdict = GUARD.decide(route, purpose("train_generative", competing=True), on)
    assert (verdict.decision, verdict.status) == expected, row


@pytest.mark.parametrize("row", ROUTES, ids=lambda row: row.teacher)
def test_a_student_that_declares_nothing_fares_no_better_than_one_that_competes(row: Row) -> None:
    for use, expected in zip(USES, row.competing, strict=True):
        if expected[0] == "deny":
            assert not GUARD.decide(row.teacher, Purpose(use=use), TODAY).permits, row.row


def test_no_reading_of_a_service_permits_without_an_approval() -> None:
    guard = Guard(CATALOGUE)
    permitted = [
        row.teacher
        for row in ROUTES
        for use in USES
        if guard.decide(row.teacher, purpose(use, competing=False), TODAY).permits
    ]
    assert permitted == []


def test_a_written_authorisation_lifts_metas_bar_and_no_other() -> None:
    given = Authorisation(
        document="meta/model-api-terms",
        clause="10.1(ix)",
        reference="META-7",
        from_=date(2026, 9, 1),
        to=date(2027, 8, 31),
    )
    guard = Guard(CATALOGUE, Registry(authorisations=(given,)), unapproved="allow")
    asked = purpose("train_generative", competing=True)
    verdict = guard.decide("meta-model-api/llama", asked, TODAY)
    assert (verdict.decision, verdict.authorisations) == ("permit", ("META-7",))
    assert not guard.decide("xai-api/grok-4", asked, TODAY).permits


def test_a_student_that_competes_with_a_host_is_refused_by_that_host() -> None:
    for host in ("together", "fireworks"):
        student = Student(
            name="tutor", distribution="internal", license="Apache-2.0", competes_with=(host,)
        )
        asked = Purpose(
            use="train_generative", student=student, corpus=CorpusPurpose(distribution="internal")
        )
        verdict = GUARD.decide(f"{host}/llama-3.1-70b-instruct", asked, TODAY)
        assert verdict.status == "prohibited"
        assert verdict.clauses[0].document == f"{host}/terms-of-service"


@pytest.mark.parametrize(
    ("route", "kind", "due"),
    [
        ("fireworks/llama-3.1-70b-instruct", "delete_on_request", "request"),  # 1.3 Fireworks 4.3
        ("fireworks/llama-3.1-70b-instruct", "name_prefix", "release"),  # 1.2 Llama 3.1, 1.b.i
        ("together/llama-3.1-70b-instruct", "name_prefix", "release"),  # 1.2 Llama 3.1, 1.b.i
        ("deepseek-api/deepseek-chat", "disclose", "publication"),  # 1.1 DeepSeek 8.1
        ("mistral-api/mistral-large", "disclose", "publication"),  # 3.2 Mistral: not human
    ],
)
def test_a_released_student_owes_what_the_reference_lists(route: str, kind: str, due: str) -> None:
    verdict = GUARD.decide(route, purpose("train_generative", competing=True), TODAY)
    assert (kind, due) in {(duty.kind, duty.due) for duty in verdict.duties}


@pytest.mark.parametrize(
    "route", [r for r in ROUTES if r.internal[0] == S], ids=lambda r: r.teacher
)
def test_prompts_that_are_confidential_reach_only_hosts_that_never_train_on_them(
    route: Row,
) -> None:
    verdict = GUARD.decide(
        route.teacher, purpose("train_generative", competing=False), TODAY, confidential=True
    )
    says_no = {"openai-api/gpt", "berget/gpt-oss-120b"}  # 1.1 OSA 4.2; 1.3 Berget
    assert verdict.permits == (route.teacher in says_no)


def test_images_of_flux_may_not_teach_what_resembles_them() -> None:
    document = newest("replicate/terms-of-service")  # 1.3 Replicate: FLUX
    asked = purpose("train_generative", competing=False)
    assert (
        ask_document(document, "host", asked, "black-forest-labs/flux-1.1-pro").status
        == "prohibited"
    )


@pytest.mark.parametrize(
    "document",
    [d for versions in CATALOGUE.documents.values() for d in versions if not d.reading],
    ids=lambda document: document.name,
)
def test_an_unread_document_says_what_is_missing(document: TermsDocument) -> None:
    assert document.note
    assert document.clauses == ()


@pytest.mark.parametrize(
    "document",
    [d for versions in CATALOGUE.documents.values() for d in versions if d.reading],
    ids=lambda document: document.name,
)
def test_a_reading_names_the_copy_or_the_passages_that_were_read(document: TermsDocument) -> None:
    reading = document.reading
    assert reading is not None
    assert bool(reading.sha256) != bool(reading.quote_sha256)
    assert bool(reading.archive) or not reading.sha256
