"""The catalogue's open weights answer as the reference says.

The expected answers were written by hand from `reference/terms.md`: section 3.2 has one row for
each family of models, 1.2 the clauses behind it. `row` names the place.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from schemas.purpose import Purpose
from schemas.terms import Use
from tests.transforms.guard.weights import (
    ANSWERS,
    CATALOGUE,
    GUARD,
    OWN_MACHINES,
    TODAY,
    USES,
    ask,
    ask_alone,
    given,
    kinds,
    purpose,
)
from transforms.guard.evaluate import Guard


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
