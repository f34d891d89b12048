"""What rules find is one thing, what follows from it another, and the run file says which."""

from __future__ import annotations

import pickle

import pytest

from schemas.errors import InputError
from schemas.inputs.quality import Action, FilterChoice
from schemas.records import RecordedFinding
from transforms.filters.policy import DEFAULT_RULES, compile_filters, rejecting_finding, tags
from transforms.filters.rules import Candidate

LOOP = "As an AI, I repeat myself. " * 30


def _where(index: int) -> str:
    return f"run.yaml:{10 + index}"


def _problem(choice: FilterChoice) -> str:
    with pytest.raises(InputError) as caught:
        compile_filters((choice,), _where)
    return str(caught.value)


def test_every_rule_runs_whatever_the_others_found() -> None:
    filters = compile_filters(None, _where)
    found = filters.apply(Candidate((), "<think>" + LOOP, finish_reason="length"))
    assert [(it.rule, it.code, it.action) for it in found] == [
        ("finish_reason", "length", "drop"),
        ("unclosed", "think", "drop"),
        ("reasoning_marks", "reasoning_mark", "tag"),
        ("repetition", "periodic_tail", "drop"),
        ("duplicate_ngrams", "duplicate_ngrams", "tag"),
        ("self_identity", "machine", "tag"),
    ]


def test_a_sound_answer_has_no_findings() -> None:
    filters = compile_filters(None, _where)
    assert filters.apply(Candidate((), "The answer is 42.")) == ()


def test_the_defaults_drop_defects_quarantine_secrets_and_tag_the_rest() -> None:
    filters = compile_filters(None, _where)
    actions = {applied.rule.name: applied.action for applied in filters.rules}
    assert tuple(actions) == DEFAULT_RULES
    assert {name for name, action in actions.items() if action == "drop"} == {
        "finish_reason",
        "empty",
        "unclosed",
        "json_schema",
        "tool_calls",
        "repetition",
        "leaked_tokens",
    }
    assert {name for name, action in actions.items() if action == "quarantine"} == {"secrets"}


def test_no_filters_chosen_are_no_filters() -> None:
    assert compile_filters((), _where).apply(Candidate((), "")) == ()


@pytest.mark.parametrize(
    ("choices", "actions"),
    [
        pytest.param((), ["drop"], id="no-filters"),
        pytest.param((FilterChoice(rule="length", min_words=1),), ["drop"], id="other-filters"),
        pytest.param((FilterChoice(rule="json_schema", action="tag"),), ["tag"], id="named"),
    ],
)
def test_an_answer_is_held_to_the_schema_it_was_asked_for_whatever_the_run_file_names(
    choices: tuple[FilterChoice, ...], actions: list[str]
) -> None:
    found = compile_filters(choices, _where).apply(Candidate((), "4", response_schema="false"))
    assert [(it.code, it.action) for it in found] == [("schema_mismatch", it) for it in actions]


def test_the_run_file_decides_action_and_settings() -> None:
    filters = compile_filters(
        (
            FilterChoice(rule="refusal", action="drop"),
            FilterChoice(rule="length", min_words=100),
        ),
        _where,
    )
    found = filters.apply(Candidate((), "I'm sorry, but I can't help with that."))
    assert [(it.code, it.action) for it in found] == [("refusal", "drop"), ("too_short", "drop")]


def test_a_rule_named_twice_maps_its_codes_to_two_actions() -> None:
    filters = compile_filters(
        (
            FilterChoice(rule="personal", action="quarantine", codes=["iban", "card"]),
            FilterChoice(rule="personal", codes="email"),
        ),
        _where,
    )
    text = "ada@kelp-farm.org, DE89 3704 0044 0532 0130 00, +49 30 90182 4410"
    found = filters.apply(Candidate((), text))
    assert [(it.code, it.action) for it in found] == [("iban", "quarantine"), ("email", "tag")]


def test_a_finding_has_a_span_and_the_version_of_its_rule() -> None:
    (found,) = compile_filters((FilterChoice(rule="leaked_tokens"),), _where).apply(
        Candidate((), "4<|im_end|>")
    )
    assert (found.version, found.finding) == (
        1,
        "a chat template's '<|im_end|>' (completion 1:11)",
    )


def test_severity_and_place_do_not_depend_on_the_action() -> None:
    text = "4<|im_end|> Write to ada@kelp-farm.org."
    choices = [
        FilterChoice(rule=name, action="tag")
        for name in ("leaked_tokens", "personal", "finish_reason")
    ]
    leaked, personal, cut = compile_filters(tuple(choices), _where).apply(
        Candidate((), text, finish_reason="length")
    )
    assert (leaked.severity, personal.severity, cut.severity) == ("defect", "remark", "defect")
    assert leaked.span is not None
    assert text[leaked.span.start : leaked.span.end] == "<|im_end|>"
    assert (leaked.span.part, cut.span) == ("completion", None)


def test_filters_survive_the_way_to_a_worker() -> None:
    filters = compile_filters(None, _where)
    candidate = Candidate((), LOOP)
    assert pickle.loads(pickle.dumps(filters)).apply(candidate) == filters.apply(candidate)  # noqa: S301 - our own


def _finding(code: str, action: Action) -> RecordedFinding:
    return RecordedFinding(rule="rule", version=1, code=code, action=action, value=None, finding="")


@pytest.mark.parametrize(
    ("actions", "decides"),
    [
        pytest.param([], None, id="nothing-found"),
        pytest.param(["tag", "tag"], None, id="tags-alone"),
        pytest.param(["tag", "quarantine"], 1, id="quarantine"),
        pytest.param(["quarantine", "drop"], 1, id="drop-before-quarantine"),
        pytest.param(["drop", "drop"], 0, id="the-first-of-two"),
    ],
)
def test_drop_decides_before_quarantine_and_the_first_before_others(
    actions: list[Action], decides: int | None
) -> None:
    found = [_finding(f"code{n}", action) for n, action in enumerate(actions)]
    assert rejecting_finding(found) == (None if decides is None else found[decides])


def test_tags_are_the_codes_that_tag_once_and_in_order() -> None:
    found = [
        _finding("b", "tag"),
        _finding("a", "tag"),
        _finding("b", "tag"),
        _finding("c", "drop"),
    ]
    assert tags(found) == ("a", "b")


@pytest.mark.parametrize(
    ("choice", "says"),
    [
        pytest.param(
            FilterChoice(rule="repitition"),
            ["run.yaml:10: unknown rule", "'repitition'", "did you mean 'repetition'"],
            id="unknown-rule",
        ),
        pytest.param(
            FilterChoice(rule="language", alow=["en"]),
            ["run.yaml:10: ", "'alow'", "one of allow, min_score", "did you mean 'allow'"],
            id="unknown-setting",
        ),
        pytest.param(
            FilterChoice(rule="empty", max=1),
            ["empty.max: unknown field", "expected none"],
            id="rule-without-settings",
        ),
        pytest.param(
            FilterChoice(rule="repetition", min_repeats=2.5),
            ["repetition.min_repeats: wrong type", "found 2.5", "a whole number"],
            id="fraction-for-whole-number",
        ),
        pytest.param(
            FilterChoice(rule="repetition", min_repeats=True),
            ["wrong type", "found true", "a whole number"],
            id="truth-for-whole-number",
        ),
        pytest.param(
            FilterChoice(rule="repetition", max_share="half"),
            ["wrong type", 'found "half"', "a number"],
            id="text-for-number",
        ),
        pytest.param(
            FilterChoice(rule="language", allow=[1]),
            ["language.allow.0: wrong type", "found 1", "a text"],
            id="number-in-list-of-texts",
        ),
        pytest.param(
            FilterChoice(rule="length", min_words="ten"),
            ["wrong type", "a whole number or null"],
            id="text-for-bound",
        ),
        pytest.param(
            FilterChoice(rule="language", allow="english"),
            ["run.yaml:10: ", "the settings of rule 'language' make no sense", "'english'"],
            id="no-language",
        ),
        pytest.param(
            FilterChoice(rule="personal", codes=["e-mail"]),
            ["'personal' has no such code", "'e-mail'", "did you mean 'email'"],
            id="unknown-code",
        ),
        pytest.param(
            FilterChoice(rule="personal", codes=3),
            ["no such code", "found 3"],
            id="no-code",
        ),
    ],
)
def test_a_wrong_choice_is_reported_with_its_line_and_the_nearest_name(
    choice: FilterChoice, says: list[str]
) -> None:
    message = _problem(choice)
    assert all(part in message for part in says), message


def test_all_wrong_choices_are_reported_at_once() -> None:
    with pytest.raises(InputError) as caught:
        compile_filters(
            (FilterChoice(rule="x"), FilterChoice(rule="empty"), FilterChoice(rule="y")), _where
        )
    assert [problem.where for problem in caught.value.problems] == ["run.yaml:10", "run.yaml:12"]


def test_a_rule_named_twice_for_the_same_code_is_refused() -> None:
    with pytest.raises(InputError, match="'empty' is named twice for the same findings"):
        compile_filters(
            (FilterChoice(rule="empty"), FilterChoice(rule="empty", action="tag")), _where
        )


def test_a_whole_number_is_good_where_a_number_is_wanted() -> None:
    filters = compile_filters((FilterChoice(rule="repetition", max_share=1),), _where)
    assert filters.apply(Candidate((), LOOP)) == ()
