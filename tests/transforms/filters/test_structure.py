"""An answer that is not there, or not all there, is found."""

from __future__ import annotations

import pytest

from schemas.codes import UsageDoubt
from schemas.responses import FinishReason
from transforms.filters.policy import compile_filters
from transforms.filters.rules import Candidate, NoSettings
from transforms.filters.structure import (
    FinishReasonSettings,
    asks_for_logprobs,
    find_empty,
    find_finish_reason,
    find_lost_logprobs,
    find_reasoning_marks,
    find_unclosed,
)


@pytest.mark.parametrize(
    ("reason", "allow", "expected"),
    [
        ("stop", ("stop",), []),
        ("length", ("stop",), ["length"]),
        ("content_filter", ("stop",), ["content_filter"]),
        ("tool_calls", ("stop",), ["tool_calls"]),
        ("unknown", ("stop",), ["unknown"]),
        ("length", ("stop", "length"), []),
    ],
)
def test_every_reason_that_is_not_allowed_is_found(
    reason: FinishReason, allow: tuple[str, ...], expected: list[str]
) -> None:
    candidate = Candidate((), "An answer", finish_reason=reason)
    found = find_finish_reason(candidate, FinishReasonSettings(allow))
    assert [it.code for it in found] == expected


@pytest.mark.parametrize(
    ("word", "detail"),
    [
        ("time_limit", "the answer ended with 'time_limit', which no table of its API has"),
        ("", "the teacher did not say why the answer ended"),
        ("any <text> at all", "the teacher did not say why the answer ended"),
    ],
)
def test_the_servers_own_word_is_in_the_detail_of_an_unknown_reason(word: str, detail: str) -> None:
    candidate = Candidate((), "An answer", finish_reason="unknown", finish_word=word)
    assert [it.detail for it in find_finish_reason(candidate, FinishReasonSettings())] == [detail]


def test_a_reason_that_does_not_exist_cannot_be_allowed() -> None:
    with pytest.raises(ValueError, match="'stopp' is none of stop, length"):
        FinishReasonSettings(("stopp",))


@pytest.mark.parametrize(
    ("text", "empty"),
    [
        pytest.param("", True, id="nothing"),
        pytest.param(" \n\t\u3000", True, id="blanks"),
        pytest.param("\u200b\ufeff\u00ad", True, id="invisible"),
        pytest.param("7", False, id="digit"),
        pytest.param("👍", False, id="emoji"),
        pytest.param("…", False, id="sign"),
    ],
)
def test_an_answer_without_a_visible_character_is_empty(text: str, empty: bool) -> None:
    assert any(find_empty(Candidate((), text), NoSettings())) is empty


def test_lost_log_probabilities_are_reported_and_drop_no_answer() -> None:
    lost = Candidate((), "An answer", lacks_logprobs=True)
    assert [it.code for it in find_lost_logprobs(lost, NoSettings())] == ["no_logprobs"]
    assert not [*find_lost_logprobs(Candidate((), "An answer"), NoSettings())]
    [tag] = compile_filters((), str).apply(lost)
    assert (tag.code, tag.action) == ("no_logprobs", "tag")


@pytest.mark.parametrize(
    ("parameters", "asked"),
    [("{}", False), ('{"logprobs":false}', False), ('{"logprobs":true}', True)],
)
def test_log_probabilities_are_asked_for_by_parameter(parameters: str, asked: bool) -> None:
    assert asks_for_logprobs(parameters) is asked


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        pytest.param("Text.\n```python\nprint(1)\n```\nMore.", [], id="closed"),
        pytest.param("Text.\n```python\nprint(1)\n", ["fence"], id="cut-in-code"),
        pytest.param("Text.\n```python", ["fence"], id="cut-after-opening"),
        pytest.param("A\n```\nx\n```\nB\n```\ny", ["fence"], id="second-one-open"),
        pytest.param("~~~\ncode\n~~~", [], id="tildes"),
        pytest.param("~~~\ncode\n```", ["fence"], id="other-marks-do-not-close"),
        pytest.param("````md\n```py\nx\n```\n````", [], id="longer-marks-hold-shorter-ones"),
        pytest.param("````md\n```py\nx\n```\n", ["fence"], id="shorter-marks-do-not-close"),
        pytest.param("```md\n# T\n```py\nx\n```\nend\n```\nBye.", [], id="nested-with-same-marks"),
        pytest.param("```md\n# T\n```py\nx\n```\n```", [], id="nested-to-the-end"),
        pytest.param("1. One:\n   ```sh\n   ls\n   ```\n2. Two", [], id="in-a-list"),
        pytest.param("- ```sh\n  ls\n  ```", [], id="opens-behind-a-bullet"),
        pytest.param("> ```\n> quoted\n> ```", [], id="in-a-quotation"),
        pytest.param("Use ```x``` inline, and ``` alone.", [], id="not-at-the-start-of-a-line"),
        pytest.param("```print(1)```", [], id="code-on-one-line"),
        pytest.param("<think>Hm.</think>Yes.", [], id="think-closed"),
        pytest.param("<think>Hm, let me see", ["think"], id="think-open"),
        pytest.param("so it is 4.</think>\n4", ["think"], id="think-unopened"),
        pytest.param("<reasoning>a</reasoning><think>b", ["think"], id="second-think-open"),
        pytest.param("The tag `<think>` opens it.", [], id="think-as-code"),
        pytest.param("```\n<think>\n```\nis the tag.", [], id="think-in-a-fence"),
    ],
)
def test_a_block_with_one_end_is_unclosed(text: str, codes: list[str]) -> None:
    assert [it.code for it in find_unclosed(Candidate((), text), NoSettings())] == codes


def test_the_span_of_an_open_fence_runs_from_its_line_to_the_end() -> None:
    text = "Text.\n```python\nprint(1)"
    (found,) = find_unclosed(Candidate((), text), NoSettings())
    assert found.span == ("completion", 6, len(text))


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("Use <think>x</think> so.", ["reasoning_mark"]),
        ("The tag `<think>` opens it.", []),
        ("An answer.", []),
    ],
)
def test_a_mark_of_reasoning_in_prose_is_tagged(text: str, codes: list[str]) -> None:
    assert [it.code for it in find_reasoning_marks(Candidate((), text), NoSettings())] == codes


@pytest.mark.parametrize("doubt", UsageDoubt)
def test_doubtful_usage_is_tagged(doubt: UsageDoubt) -> None:
    [tag] = compile_filters((), str).apply(Candidate((), "An answer", usage_doubt=doubt))
    assert (tag.code, tag.action) == (doubt, "tag")
