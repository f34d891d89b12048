"""The requests of a prompt: one for each teacher and sample."""

from __future__ import annotations

from schemas.extent import Extent
from schemas.inputs.registry import Route
from schemas.inputs.run import RunFile, TeacherChoice
from schemas.prompts import Message, Prompt, prompt_id
from schemas.purpose import Purpose
from transforms.prompts.assign import assign_teachers

TURNS = (Message("user", "Why?"),)
PROMPT = Prompt(
    prompt_id=prompt_id(TURNS),
    messages=TURNS,
    source="tests",
    license="MIT",
    file="p.jsonl",
    line=1,
    sha256="0" * 64,
)
SMALL = TeacherChoice(id="t/small", samples=2, parameters={"temperature": 1})
LARGE = TeacherChoice(id="t/large")
ROUTES = {
    name: Route(id=name, api="openai-chat", model=name[2:], terms=(), endpoint="http://x/v1")
    for name in ("t/small", "t/large")
}
RUN = RunFile(
    name="n",
    purpose=Purpose(use="select"),
    prompts=(),
    teachers=(SMALL, LARGE),
    corpus="corpus",
    ledger="ledger",
    system="Be brief.",
)


def test_each_teacher_is_asked_for_each_sample() -> None:
    requests = list(assign_teachers(PROMPT, RUN, ROUTES, Extent()))
    assert [(each.teacher, each.model, each.sample_index) for each in requests] == [
        ("t/small", "small", 0),
        ("t/small", "small", 1),
        ("t/large", "large", 0),
    ]
    assert {each.messages for each in requests} == {(Message("system", "Be brief."), *TURNS)}
    assert len({each.request_id for each in requests}) == 3


def test_the_extent_adds_samples_and_leaves_out_later_prompts() -> None:
    more = list(assign_teachers(PROMPT, RUN, ROUTES, Extent(extra=1)))
    assert [each.teacher for each in more] == ["t/small"] * 3 + ["t/large"] * 2
    assert list(assign_teachers(PROMPT, RUN, ROUTES, Extent(last="0" * 64))) == []


def test_only_a_live_teacher_repairs_answers() -> None:
    teachers = (
        SMALL.model_copy(update={"repair": True}),
        LARGE.model_copy(update={"repair": True, "mode": "batch"}),
    )
    requests = list(
        assign_teachers(PROMPT, RUN.model_copy(update={"teachers": teachers}), ROUTES, Extent())
    )
    assert [each.repair for each in requests] == [True, True, False]
