"""Questions in JSON are answered one by one; a mistake is an answer, not an exception."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from schemas.errors import InputError
from tests.transforms.guard.terms_builder import DAY, FORBID, OWE, PERMIT, catalogue, terms, when
from transforms.guard.questions import BatchAnswerer, read_purpose

COMPETING = FORBID.model_copy(update={"when": when(competes_with=("acme",))})
QUESTION: dict[str, Any] = {
    "route": "acme/model",
    "purpose": {"use": "select", "student": {"competes_with": []}},
}


@pytest.fixture
def questions() -> BatchAnswerer:
    document = terms("acme/terms", PERMIT, OWE, COMPETING, open_licence=False)
    return BatchAnswerer(catalogue(document), None, DAY, unapproved="allow")


def ask(questions: BatchAnswerer, **changes: Any) -> dict[str, Any]:
    return questions.answer_line(json.dumps(QUESTION | changes))


def test_an_answer_is_a_verdict_with_its_route_clauses_and_duties(questions: BatchAnswerer) -> None:
    answer = ask(questions)
    assert next(iter(answer)) == "route"
    assert (answer["route"], answer["decision"], answer["status"]) == (
        "acme/model",
        "permit",
        "permitted_if",
    )
    assert answer["duties"] == [
        {"kind": "attribution", "text": "Name us.", "due": "release", "document": "acme/terms"}
    ]
    assert set(answer["clauses"][0]) == {
        "document", "version", "clause", "layer", "status", "summary",
    }  # fmt: skip
    assert json.loads(json.dumps(answer)) == answer


def test_a_question_that_names_no_day_is_about_today(questions: BatchAnswerer) -> None:
    assert ask(questions)["on"] == "2026-11-22"
    assert ask(questions, on="2019-12-31")["status"] == "not_in_force"


def test_each_question_says_whether_unapproved_readings_will_do(questions: BatchAnswerer) -> None:
    assert ask(questions, unapproved="deny")["status"] == "unapproved"
    assert ask(questions, unapproved="allow")["status"] == "permitted_if"


def test_a_student_that_leaves_out_its_competitors_competes_with_everyone(
    questions: BatchAnswerer,
) -> None:
    answer = ask(questions, purpose={"use": "select"})
    assert answer["status"] == "prohibited"
    assert "nobody declared student.competes_with" in answer["clauses"][0]["summary"]


def test_a_question_may_be_about_prompts_too(questions: BatchAnswerer) -> None:
    assert ask(questions, prompt_license="LicenseRef-x")["status"] == "unknown"
    assert ask(questions, confidential=True)["decision"] == "permit"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"route": "acme/modle"}, "did you mean 'acme/model'"),
        ({"route": None}, "route: wrong value"),
        ({"purpose": None}, "no purpose is declared"),
        ({"purpose": "select"}, "no purpose is declared"),
        ({"purpose": {}}, "purpose: the field 'use' is missing"),
        ({"purpose": {"use": "train"}}, 'purpose.use: not one of the known values (found "train"'),
        ({"purpose": {"use": "select", "sutdent": {}}}, "did you mean 'student'"),
        ({"purpose": {"use": "select", "student": {"competes": []}}}, "competes"),
        (
            {"purpose": {"use": "select", "organisation": {"commercial": "false"}}},
            'purpose.organisation.commercial: wrong type (found "false"; expected true or false)',
        ),
        ({"on": "2026-02-30"}, "on: wrong value"),
        ({"on": "20261122"}, "on: wrong value"),
        ({"unapproved": "maybe"}, "expected deny or allow"),
        ({"unapproved": ["deny"]}, "expected deny or allow"),
        ({"prompt_license": 7}, "prompt_license: wrong value"),
        ({"confidential": "yes"}, "confidential: wrong value"),
        ({"teacher": "acme/model"}, "unknown field"),
    ],
)
def test_a_wrong_question_gets_an_error_with_its_route(
    questions: BatchAnswerer, changes: dict[str, Any], message: str
) -> None:
    answer = ask(questions, **changes)
    assert set(answer) == {"route", "error"}
    assert answer["route"] == changes.get("route", "acme/model")
    assert message in answer["error"]


@pytest.mark.parametrize("line", ["", "{", "[]", "null", '"acme/model"', "[" * 100_000])
def test_a_line_that_holds_no_question_gets_an_error(questions: BatchAnswerer, line: str) -> None:
    answer = questions.answer_line(line)
    assert answer["route"] is None
    assert "JSON" in answer["error"]


def test_a_purpose_keeps_apart_what_was_declared_and_what_was_not() -> None:
    purpose = read_purpose(
        {"use": "evaluate", "student": {"competes_with": []}, "organisation": {"domicile": "DE"}}
    )
    assert purpose.student.competes_with == ()
    assert purpose.student.distribution is None
    assert purpose.organisation.commercial is None
    assert purpose.corpus.distribution is None
    with pytest.raises(InputError, match="no purpose"):
        read_purpose(None)


def test_many_mixed_questions_are_each_answered(questions: BatchAnswerer) -> None:
    lines = [
        json.dumps(
            {
                "route": "acme/model",
                "on": date.fromordinal(DAY.toordinal() - number % 365).isoformat(),
                "purpose": {
                    "use": ("train_generative", "train_narrow", "select", "evaluate")[number % 4],
                    "student": {"name": f"student-{number % 50}", "competes_with": []},
                    "organisation": {"commercial": number % 3 == 0},
                },
            }
        )
        for number in range(1_000)
    ]
    answers = [questions.answer_line(line) for line in lines]
    assert all(answer["decision"] == "permit" for answer in answers)


def test_a_misspelt_competitor_is_an_error_and_no_permission(questions: BatchAnswerer) -> None:
    """A clause compares names: a misspelt one would match no clause, and so permit."""
    student = {"competes_with": ["acne"]}
    answer = ask(questions, purpose={"use": "select", "student": student})
    assert "decision" not in answer
    assert "no such provider" in answer["error"]
    assert "did you mean 'acme'?" in answer["error"]
