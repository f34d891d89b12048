"""The request to a judge: its content, its marks and its id."""

from __future__ import annotations

import re
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from schemas.inputs.registry import BindingTerms, Route
from schemas.inputs.run import Judge, TeacherChoice
from schemas.prompts import Message, Prompt, prompt_id
from schemas.records import Record
from schemas.requests import Request
from tests.corpus_builder import make_record
from transforms.judging.question import estimate_judging, judge_request
from transforms.providers.tokens import Tokens, prompt_tokens

ASKED = (Message("user", "What is 1 and 1?"),)
PROMPT = Prompt(
    prompt_id=prompt_id(ASKED),
    messages=ASKED,
    source="tests",
    license="CC-BY-4.0",
    file="p.jsonl",
    line=3,
    sha256="a" * 64,
    confidential=True,
)
JUDGE = Judge(
    teacher=TeacherChoice(id="a/judge", parameters={"max_tokens": 40}),
    criteria="Is it right?",
    scale=(0, 10),
)
ROUTE = Route(
    id="a/judge",
    api="openai-chat",
    model="judge-1",
    terms=(BindingTerms(document="a/terms"),),
    revision="r1",
)


def ask(record: Record, judge: Judge = JUDGE) -> Request:
    return judge_request(record, PROMPT, judge, ROUTE)


def test_the_question_holds_criteria_scale_conversation_and_answer() -> None:
    record = make_record(1)
    system, question = ask(record).messages
    assert system.role == "system"
    for text in (
        "Is it right?",
        "from 0 (worst) to 10 (best)",
        "What is 1 and 1?",
        "1 and 1 is 2.",
    ):
        assert text in question.content
    assert record.reasoning == "" or record.reasoning not in question.content


def test_the_request_to_the_judge_has_the_licence_and_confidentiality_of_the_prompt() -> None:
    sent = ask(make_record(1)).prompt
    assert (sent.license, sent.confidential, sent.source) == ("CC-BY-4.0", True, "tests")
    assert sent.prompt_id != PROMPT.prompt_id


def test_equal_records_give_equal_requests_and_other_records_give_others() -> None:
    record = make_record(1)
    assert ask(record) == ask(record)
    twin = replace(record, record_id="b" * 64)
    criteria = JUDGE.model_copy(update={"criteria": "Is it polite?"})
    ids = {ask(record).request_id, ask(twin).request_id, ask(record, criteria).request_id}
    assert len(ids) == 3


@given(st.text())
def test_nothing_in_an_answer_looks_like_the_marks_around_it(text: str) -> None:
    record = make_record(1, text=text)
    question = ask(record).messages[-1].content
    (mark,) = set(re.findall(r"^=== end ([0-9a-f]{16}) ===$", question, re.MULTILINE)[-1:])
    assert mark not in text
    _, _, inside = question.partition(f"=== answer {mark} ===\n")
    assert inside.partition(f"\n=== end {mark} ===")[0] == text


def test_an_estimate_is_not_less_than_what_is_sent() -> None:
    record = make_record(1)
    asked = Tokens(prompt_tokens(record.messages[:-1]), record.counted_tokens)
    estimated = estimate_judging(asked, JUDGE)
    assert estimated.completion == 40
    sent = prompt_tokens(ask(record).messages)
    assert sent <= estimated.prompt <= sent + 60
