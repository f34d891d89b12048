"""What is redacted is gone from every part of the record, and nothing else is."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import InputError
from schemas.inputs.quality import FilterChoice
from schemas.prompts import Message
from transforms.filters.load_rules import built_in_rules
from transforms.filters.policy import compile_filters, rejecting_finding, tags
from transforms.filters.redact import redact
from transforms.filters.rules import Candidate, Finding, Span

PERSONAL = compile_filters((FilterChoice(rule="personal", action="redact"),), str)
PASSWORD = "q7Zx" + "P2mV9tLc4RbW"


def _redact(text: str) -> str:
    return PERSONAL.redact(Candidate((), text)).completion


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Write to ada@kelp-farm.org.", "Write to [EMAIL]."),
        (
            "Write to ada@kelp-farm.org, not to bob@kelp-farm.org, ada@kelp-farm.org!",
            "Write to [EMAIL], not to [EMAIL_2], [EMAIL]!",
        ),
        ("Ada@Kelp-Farm.org is ada@kelp-farm.org.", "[EMAIL] is [EMAIL]."),
        ("DE89 3704 0044 0532 0130 00, DE89370400440532013000", "[IBAN], [IBAN]"),
        ("PAY AT61 1904 3002 3457 3201 SOON", "PAY [IBAN] SOON"),
        (
            "ada@kelp-farm.org, +49 30 90182 4410, 4539 1488 0343 6467",
            "[EMAIL], [PHONE], [CARD]",
        ),
        ("Nothing to see.", "Nothing to see."),
        ("", ""),
    ],
)
def test_a_value_gives_way_to_a_placeholder_that_names_what_it_was(text: str, kept: str) -> None:
    assert _redact(text) == kept


def test_one_value_has_one_placeholder_in_all_parts_of_a_record() -> None:
    candidate = Candidate(
        (
            Message("user", "I am bob@kelp-farm.org."),
            Message("assistant", "Hi."),
            Message("user", "Write to ada@kelp-farm.org."),
        ),
        "To ada@kelp-farm.org, from bob@kelp-farm.org",
        reasoning="cc eve@kelp-farm.org, bob@kelp-farm.org",
    )
    kept = PERSONAL.redact(candidate)
    assert kept.messages == (
        Message("user", "I am [EMAIL]."),
        Message("assistant", "Hi."),
        Message("user", "Write to [EMAIL_2]."),
    )
    assert kept.completion == "To [EMAIL_2], from [EMAIL]"
    assert kept.reasoning == "cc [EMAIL_3], [EMAIL]"


def test_samples_of_a_prompt_keep_one_prompt() -> None:
    asked = (Message("user", "I am bob@kelp-farm.org, my friend is ada@kelp-farm.org."),)
    answers = ("Hello ada@kelp-farm.org!", "Hello bob@kelp-farm.org!", "Hello!")
    kept = {PERSONAL.redact(Candidate(asked, answer)).messages for answer in answers}
    assert kept == {(Message("user", "I am [EMAIL], my friend is [EMAIL_2]."),)}


def _found(*spans: tuple[str, int, int]) -> list[Finding]:
    return [Finding(code, code, span=Span("completion", *span)) for code, *span in spans]


@pytest.mark.parametrize(
    ("spans", "kept"),
    [
        pytest.param([("a", 2, 5), ("b", 3, 4)], "01[A]56789", id="within"),
        pytest.param([("b", 3, 4), ("a", 2, 5)], "01[A]56789", id="within-found-first"),
        pytest.param([("a", 2, 5), ("b", 2, 5)], "01[A]56789", id="the-same-twice"),
        pytest.param([("a", 2, 4), ("b", 3, 8)], "01[B]89", id="overlap-named-for-the-longest"),
        pytest.param([("a", 2, 6), ("b", 5, 8)], "01[A]89", id="overlap"),
        pytest.param([("a", 2, 4), ("b", 3, 6), ("c", 5, 9)], "01[C]9", id="chain"),
        pytest.param([("a", 2, 4), ("b", 4, 6)], "01[A][B]6789", id="side-by-side"),
        pytest.param([("a", 0, 10)], "[A]", id="all"),
    ],
)
def test_spans_that_overlap_go_as_one(spans: list[tuple[str, int, int]], kept: str) -> None:
    assert redact(Candidate((), "0123456789"), _found(*spans)).completion == kept


@given(
    st.text(st.characters(exclude_characters="[]")),
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 30), st.integers(1, 9)), max_size=6),
)
def test_what_no_span_covers_stays_and_what_one_covers_goes(
    text: str, drawn: list[tuple[str, int, int]]
) -> None:
    spans = [(code, at, at + length) for code, at, length in drawn if at + length <= len(text)]
    covered = {at for _, start, end in spans for at in range(start, end)}
    kept = redact(Candidate((), text), _found(*spans)).completion
    rest = "".join(sign for at, sign in enumerate(text) if at not in covered)
    assert re.sub(r"\[[ABC](?:_\d+)?\]", "", kept) == rest
    assert ("[" in kept) == bool(spans)


def test_a_secret_within_a_login_goes_with_the_address_that_it_looks_like() -> None:
    filters = compile_filters(
        (
            FilterChoice(rule="generic_secrets", action="redact"),
            FilterChoice(rule="personal", action="redact"),
        ),
        str,
    )
    text = f"postgres://ada:{PASSWORD}@db.kelp.net/x and api_key = '{PASSWORD}'"
    kept = filters.redact(Candidate((), text)).completion
    assert kept == "postgres://ada:[EMAIL]/x and api_key = '[GENERIC_SECRET]'"


def test_only_the_codes_that_a_run_names_are_redacted() -> None:
    filters = compile_filters(
        (
            FilterChoice(rule="personal", action="redact", codes=["email"]),
            FilterChoice(rule="personal", action="tag", codes=["iban"]),
        ),
        str,
    )
    candidate = Candidate((), "ada@kelp-farm.org, DE89 3704 0044 0532 0130 00")
    assert filters.redact(candidate).completion == "[EMAIL], DE89 3704 0044 0532 0130 00"
    found = filters.apply(candidate)
    assert [(it.code, it.action) for it in found] == [("email", "redact"), ("iban", "tag")]
    assert found[0].finding == "an e-mail address (completion 0:17)"
    assert tags(found) == ("iban",)
    assert rejecting_finding(found) is None


def test_a_candidate_with_nothing_to_redact_is_left_as_it_is() -> None:
    candidate = Candidate((Message("user", "Hi."),), "ada@kelp-farm.org")
    assert compile_filters(None, str).redact(candidate) is candidate
    clean = Candidate((), "Hello.")
    assert PERSONAL.redact(clean) is clean


@pytest.mark.parametrize(
    "name", sorted(name for name, rule in built_in_rules().items() if not rule.redacts)
)
def test_a_rule_that_points_at_nothing_cannot_redact(name: str) -> None:
    with pytest.raises(InputError, match=rf"run\.yaml:9: the rule '{name}' .*action: redact"):
        compile_filters((FilterChoice(rule=name, action="redact"),), lambda _: "run.yaml:9")
