"""Code is separated from prose, and positions do not change."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.markdown import fences, prose, without_code

MARKDOWN = st.lists(
    st.sampled_from(
        ["```", "````", "~~~", "`", "``", "$", "$$", "\n", " ", "word", "py", "> ", "- "]
    )
).map("".join)


def test_fences_have_their_language_and_their_content() -> None:
    text = "A\n```python title=x\nprint(1)\n```\nB\n~~~\nraw\n~~~\n"
    first, second = fences(text)
    assert (first.info, text[first.body_start : first.body_end]) == (
        "python title=x",
        "print(1)\n",
    )
    assert (second.info, text[second.body_start : second.body_end]) == ("", "raw\n")
    assert text[first.start : first.end] == "```python title=x\nprint(1)\n```"


def test_an_open_fence_reaches_to_the_end() -> None:
    (fence,) = fences("```\nx = 1")
    assert (fence.closed, fence.body_end, fence.end) == (False, 9, 9)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("Say\n```\nx = 1\n```\nhello", "Say hello", id="fence"),
        pytest.param("Call `f(x)` or ``g`h`` now", "Call or now", id="inline-code"),
        pytest.param("So $x^2$ and \\(y\\) and $$z\n+1$$ hold", "So and and hold", id="formulas"),
        pytest.param("See https://a.b/c?d=e for more", "See for more", id="address"),
        pytest.param("A <b>bold</b> word", "A bold word", id="tags"),
        pytest.param("3 < 5 and 7 > 2", "3 < 5 and 7 > 2", id="comparisons-stay"),
        pytest.param("It costs $5.", "It costs $5.", id="one-dollar-sign-is-no-formula"),
    ],
)
def test_prose_is_what_is_left_without_code_and_formulas(text: str, expected: str) -> None:
    assert prose(text).split() == expected.split()


@given(MARKDOWN | st.text())
def test_taking_out_code_moves_nothing(text: str) -> None:
    left = without_code(text)
    assert len(left) == len(text)
    assert all(kept in (" ", sign) for kept, sign in zip(left, text, strict=True))


@given(MARKDOWN)
def test_fences_follow_one_another(text: str) -> None:
    edges = [edge for it in fences(text) for edge in (it.start, it.body_start, it.body_end, it.end)]
    assert edges == sorted(edges)
    assert not edges or edges[-1] <= len(text)
